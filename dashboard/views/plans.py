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


@require_GET
@needs(SEE)
def schedule(request: HttpRequest) -> HttpResponseBase:
    """The week, what is in force and what comes next; for one worker where one is asked for."""
    worker = request.GET.get("worker", "")[:MAX_NAME]
    special = Schedule.objects.filter(enabled=True).exclude(workers=ALL_WORKERS).exists()
    return render(
        request,
        "dashboard/schedule.html",
        {
            "snap": live.snapshot(),
            "worker": worker,
            "shown": f"{viewers_zone(request)} {worker}".rstrip(),
            "special": special,
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
