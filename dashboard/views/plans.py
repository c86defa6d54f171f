"""Schedule and Balance: what decides the split by itself."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard import live
from dashboard.access import SEE, needs
from dashboard.schedules import present_and_next, week
from proxy.conf.loader import load_snapshot
from proxy.core.config import ALL_WORKERS, ScheduleConfig
from proxy.core.errors import ConfigError


@require_GET
@needs(SEE)
def schedule(request: HttpRequest) -> HttpResponseBase:
    """The week, what is in force and what comes next; for one worker where one is asked for."""
    snap = live.snapshot()
    worker = request.GET.get("worker", "")[:128]
    problems: tuple[str, ...] = ()
    schedules: tuple[ScheduleConfig, ...] = ()
    try:
        schedules = load_snapshot().schedules
    except ConfigError as error:
        problems = error.problems
    everybody = [one for one in schedules if one.workers.strip() == ALL_WORKERS]
    shown = schedules if worker else everybody
    present, following = present_and_next(shown, worker, snap.at)
    names = {pool.key: pool for pool in snap.pools}
    return render(request, "dashboard/schedule.html", {
        "snap": snap, "schedules": schedules, "problems": problems, "worker": worker, "present": present.schedule,
        "following": following, "week": week(snap, shown, worker, snap.at) if shown else None, "names": names,
        "special": [one for one in schedules if one not in everybody]})


@require_GET
@needs(SEE)
def balance(request: HttpRequest) -> HttpResponseBase:
    """What auto-balance sees, computes and why."""
    what = "difficulty" if request.GET.get("show") == "difficulty" else "rate"
    title = _("Network difficulty") if what == "difficulty" else _("Network hash rate, short window")
    return render(request, "dashboard/balance.html", {"snap": live.snapshot(), "what": what, "title": title})
