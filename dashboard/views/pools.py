"""The pools: a table, a page each, and the test of a connection."""

import asyncio

from asgiref.sync import async_to_sync
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import live
from dashboard.access import LOGS, SEE, STEER, needs, of_request
from dashboard.logring import ring
from dashboard.views.logs import with_sentences
from proxy.config.snapshot import Endpoint
from proxy.errors import DPMPError
from proxy.models import Pool
from proxy.ops import check_pool as checkpool
from proxy.types import Chain

CHECK_TIMEOUT_S = 30.0
CONNECTION_EVENTS = frozenset(
    {
        "pool_connected",
        "pool_disconnected",
        "pool_reconnect_failed",
        "pool_down",
        "pool_reconnected",
        "auth_result",
        "pool_message",
        "pool_redirect",
        "pool_bad_message",
        "pool_connecting",
        "pool_reconnect_wait",
    }
)


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
    row = Pool.objects.filter(key=key).first()
    if snap.pool(key) is None and row is None:
        raise Http404
    access = of_request(request)
    lines = with_sentences(ring().recent(limit=40, pool=key, events=CONNECTION_EVENTS)) if LOGS in access.may else []
    template = "dashboard/_pool_log.html" if request.headers.get("HX-Request") else "dashboard/pool.html"
    return render(request, template, {"snap": snap, "key": key, "pool": snap.pool(key), "row": row, "lines": lines})


@require_POST
@needs(STEER)
def test(request: HttpRequest, key: str) -> HttpResponseBase:
    """Test the connection now and report each step."""
    if not Pool.objects.filter(key=key).exists():
        raise Http404
    lines, problem = run_check(key, show_wallets=of_request(request).wallets)
    context = {"lines": lines, "problem": problem, "key": key}
    if request.headers.get("HX-Request"):
        return render(request, "dashboard/_report.html", context)
    return render(request, "dashboard/report.html", context)


def run_check(
    target: Endpoint | str,
    *,
    user: str = "",
    password: str = "x",
    chain: Chain = Chain.OTHER,
    show_wallets: bool = True,
) -> tuple[list[tuple[str, str, bool | None]], str]:
    """The lines of a connection test, and a problem where there is no report at all.

    ``user``, ``password`` and ``chain`` are for an address that is no configured pool's; without
    ``show_wallets`` the lines say ``[wallet]`` where it stands.
    """
    try:
        report = async_to_sync(_checked)(target, user, password, chain, show_wallets)
    except TimeoutError:
        return [], _("The test did not end within %(s)d seconds.") % {"s": CHECK_TIMEOUT_S}
    except (DPMPError, OSError) as error:
        return [], str(error)
    return list(report.lines), ""


async def _checked(
    target: Endpoint | str, user: str, password: str, chain: Chain, show_wallets: bool
) -> checkpool.CheckReport:
    async with asyncio.timeout(CHECK_TIMEOUT_S):
        return await checkpool.check(
            target,
            user=user,
            password=password,
            chain=chain,
            show_wallets=show_wallets,
            hashes_per_difficulty=live.snapshot().hashes_per_difficulty,
        )
