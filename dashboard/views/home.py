"""Home, and the polling that replaces a blocked WebSocket."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from dashboard import live
from dashboard.access import NOBODY, SEE, needs, of_request
from dashboard.svg import whole_percents
from proxy.models import Pool
from proxy.observe.live.views import LiveSnapshot, PoolView

THEMES = ("dark", "light")
YEAR_S = 365 * 86400


@dataclass(frozen=True, slots=True)
class Handle:
    """One pool's handle on the slider."""

    pool: PoolView
    percent: int


@require_GET
@needs(SEE)
def home(request: HttpRequest) -> HttpResponseBase:
    """The overview; the guided setup while no pool is set up."""
    snap = live.snapshot()
    if not snap.pools and of_request(request).administer and not Pool.objects.exists():
        return redirect("start")
    return render(
        request,
        "dashboard/home.html",
        {"handles": handles(snap), "snap": snap, "auto": snap.control.source == "auto-balance"},
    )


def handles(snap: LiveSnapshot) -> list[Handle]:
    """The slider's handles where they stand now."""
    order = [pool.key for pool in snap.pools]
    percents = whole_percents(snap.control.weights or {pool.key: pool.weight for pool in snap.pools}, order)
    return [Handle(pool, percents[pool.key]) for pool in snap.pools]


@require_GET
@never_cache
def poll(request: HttpRequest) -> HttpResponseBase:
    """The same regions that the WebSocket would send, for browsers that cannot open one."""
    access = of_request(request)
    if access == NOBODY:
        return HttpResponse(status=401)
    keys = tuple(key for key in dict.fromkeys(request.GET.getlist("r")[: live.MAX_REGIONS]) if live.find(key))
    frame = live.make_frame(keys, access, live.language_of(request.GET.get("lang", "")), live.snapshot())
    return HttpResponse(frame.html({}))


@require_POST
def theme(request: HttpRequest) -> HttpResponseBase:
    """Dark, light or as the system prefers, for browsers without scripts."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = "/"
    response = redirect(target)
    wanted = request.POST.get("theme")
    if wanted in THEMES:
        response.set_cookie("dpmp_theme", wanted, max_age=YEAR_S, samesite="Lax")
    else:
        response.delete_cookie("dpmp_theme")
    return response
