"""Health for machines: ``/healthz`` says that the process answers, ``/readyz`` that it can do its work."""

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from proxy.core.types import PoolStatus
from proxy.sinks.views import LiveSnapshot, store


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process answers; names what is not well, for people who look."""
    live = store.current()
    troubles = [] if live is None else [alarm.text for alarm in live.alarms if alarm.level == "bad"]
    return JsonResponse({"status": "ok", "proxy": live is not None, "troubles": len(troubles)})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when miners can connect, a pool is up and the database can be written; else 503 and which of them is not."""
    live = store.current()
    checks = {"listening": live is not None and bool(live.miner_address), "pool": _has_pool(live),
              "database": _writable()}
    return JsonResponse({"ready": all(checks.values()), **checks}, status=200 if all(checks.values()) else 503)


def _has_pool(live: LiveSnapshot | None) -> bool:
    return live is not None and any(pool.status is PoolStatus.UP for pool in live.pools)


def _writable() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE proxy_configrevision SET number = number WHERE 1 = 0")
    except DatabaseError:
        return False
    return True
