"""The pools: a table, a page each, and the test of a connection."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from asgiref.sync import async_to_sync
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import live
from dashboard.access import LOGS, SEE, STEER, needs, of_request
from dashboard.logring import ring
from proxy.core.errors import DPMPError
from proxy.models import Pool
from proxy.models.history import PayoutRecord

CHECK_TIMEOUT_S = 30.0
CONNECTION_EVENTS = frozenset({
    "pool_connected", "pool_disconnected", "pool_reconnect_failed", "pool_down", "pool_reconnected", "auth_result",
    "pool_message", "pool_redirect", "pool_bad_message", "pool_connecting", "pool_reconnect_wait"})


@require_GET
@needs(SEE)
def pools(request: HttpRequest) -> HttpResponseBase:
    """All pools in a table."""
    return render(request, "dashboard/pools.html", {"snap": live.snapshot()})


@require_GET
@needs(SEE)
def pool(request: HttpRequest, key: str) -> HttpResponseBase:
    """One pool's page; htmx gets the connection log alone."""
    snap = live.snapshot()
    row = Pool.objects.filter(key=key).select_related("wallet").first()
    if snap.pool(key) is None and row is None:
        raise Http404
    access = of_request(request)
    lines = ring().recent(limit=40, pool=key, events=CONNECTION_EVENTS) if LOGS in access.may else []
    template = "dashboard/_pool_log.html" if request.headers.get("HX-Request") else "dashboard/pool.html"
    payouts = list(PayoutRecord.objects.filter(pool=key)[:10])
    return render(request, template, {"snap": snap, "key": key, "pool": snap.pool(key), "row": row, "lines": lines,
                                      "payouts": payouts})


@require_POST
@needs(STEER)
def test(request: HttpRequest, key: str) -> HttpResponseBase:
    """Test the connection now and say what came of each step."""
    if not Pool.objects.filter(key=key).exists():
        raise Http404
    lines, problem = run_check(key)
    context = {"lines": lines, "problem": problem, "key": key}
    if request.headers.get("HX-Request"):
        return render(request, "dashboard/_report.html", context)
    return render(request, "dashboard/report.html", context)


def run_check(pool_or_endpoint: object) -> tuple[list[tuple[str, str, bool | None]], str]:
    """The lines of a connection test, and a problem where there is no report at all."""
    try:
        report = async_to_sync(_checked)(pool_or_endpoint)
    except TimeoutError:
        return [], _("The test did not end within %(s)d seconds.") % {"s": CHECK_TIMEOUT_S}
    except (DPMPError, OSError) as error:
        return [], str(error)
    return list(report.lines), ""


class Report(Protocol):
    """What a connection test says: (label, text, ok), ok None for what is only told."""

    lines: Sequence[tuple[str, str, bool | None]]


async def _checked(pool_or_endpoint: object) -> Report:
    from proxy.services.checkpool import check

    async with asyncio.timeout(CHECK_TIMEOUT_S):
        report: Report = await check(pool_or_endpoint)
        return report
