"""Schedule and Balance: what decides the split automatically."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard import live
from dashboard.access import SEE, needs
from dashboard.views.week import MAX_NAME, viewers_zone
from proxy.config.snapshot import ALL_WORKERS
from proxy.models import Schedule
from proxy.types import MAIN_LISTENER


@require_GET
@needs(SEE)
def schedule(request: HttpRequest) -> HttpResponseBase:
    """The week, what is in force and what comes next; for one worker, or the miners of a listener, where asked for."""
    snap, worker = live.snapshot(), request.GET.get("worker", "")[:MAX_NAME]
    plans = Schedule.objects.filter(enabled=True).values_list("workers", "listener")
    routed = {listener for _workers, listener in plans}
    listeners = [one for one in snap.listeners if one.id == MAIN_LISTENER or one.id in routed]
    listener = next((one for one in listeners if str(one.id) == request.GET.get("listener")), None)
    return render(
        request,
        "dashboard/schedule.html",
        {
            "snap": snap,
            "worker": worker,
            "listener": listener,
            "listeners": listeners if len(listeners) > 1 else [],
            "shown": f"{viewers_zone(request)} {listener.id if listener else MAIN_LISTENER} {worker}".rstrip(),
            "special": any(workers != ALL_WORKERS for workers, _listener in plans),
        },
    )


@require_GET
@needs(SEE)
def balance(request: HttpRequest) -> HttpResponseBase:
    """What auto-balance sees, computes and why."""
    snap = live.snapshot()
    what = "difficulty" if request.GET.get("show") == "difficulty" else "rate"
    title = _("Network difficulty") if what == "difficulty" else _("Network hash rate, short and long window")
    return render(
        request,
        "dashboard/balance.html",
        {"snap": snap, "what": what, "title": title, "auto": snap.control.source == "auto-balance"},
    )
