"""The week editor: windows drawn, moved and described in words, with what follows shown before it is saved."""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import live
from dashboard.access import SEE, STEER, needs
from dashboard.schedules import Block, coming, configured, for_worker, overlaps, week, zone_of, zones
from dashboard.views.editing import deleted, noted, page, switched
from dashboard.windows import (
    ALL_DAYS,
    PlanForm,
    ScheduleForm,
    WindowForm,
    described,
    local_now,
    moved,
    preset,
)
from proxy.admin.fields import read_clock
from proxy.admin.preview import sample_worker
from proxy.config.snapshot import ALL_WORKERS, ScheduleConfig, Window
from proxy.models import Schedule, ScheduleWindow
from proxy.scheduling import timetable
from proxy.types import WorkerName

ZONE_COOKIE = "dpmp_zone"
MAX_NAME = 128
PRESETS = ("night", "weekend", "hour")


def viewers_zone(request: HttpRequest) -> str:
    """The time zone that was asked for, else that of the browser, else none."""
    source = request.POST if request.method == "POST" else request.GET
    for wanted in (source.get("zone", ""), request.COOKIES.get(ZONE_COOKIE, "")):
        if wanted in zones():
            return wanted
    return ""


def _group(request: HttpRequest) -> str:
    source = request.POST if request.method == "POST" else request.GET
    return source.get("worker", "")[:MAX_NAME]


def picture(request: HttpRequest, chosen: int | None = None, unsaved: int | None = None) -> dict[str, Any]:
    """Context of the picture and of what is said below it, from the tables as they are in this transaction."""
    snap, group = live.snapshot(), _group(request)
    schedules, problems = configured()
    worker = str(sample_worker(group)) if group else ""
    shown = for_worker(schedules, worker)
    zone = zone_of(shown, viewers_zone(request))
    drawn = week(snap, shown, worker, snap.at, zone)
    return {
        "snap": snap,
        "group": group,
        "zone": zone,
        "problems": problems,
        "schedules": schedules,
        "week": drawn,
        "blocks": _numbered(drawn.blocks),
        "chosen": chosen,
        "unsaved": unsaved,
        "steps": coming(shown, worker, snap.at),
        "overlaps": overlaps(shown, worker, snap.at),
        "edit": True,
    }


def _numbered(blocks: Sequence[Block]) -> list[tuple[Block, int]]:
    """The blocks with the keys of their windows' rows."""
    keys: dict[int, list[int]] = {}
    for schedule, pk in ScheduleWindow.objects.order_by("start", "id").values_list("schedule_id", "pk"):
        keys.setdefault(schedule, []).append(pk)
    return [(block, keys[block.schedule.id][block.window]) for block in blocks]


def _page(
    request: HttpRequest, form: ScheduleForm | None = None, status: int = 200, **more: object
) -> HttpResponseBase:
    """The form alone where htmx asks for it, else the whole editor with it."""
    window = form.window if isinstance(form, WindowForm) else None
    context = {"form": form, "window": window, "zones": sorted(zones()), **more}
    if request.headers.get("HX-Request"):
        context |= {"snap": live.snapshot(), "zone": viewers_zone(request), "group": _group(request)}
        return render(request, "dashboard/_window_form.html", context, status=status)
    return render(
        request,
        "dashboard/week_edit.html",
        {**picture(request, window.pk if window else None), **context, "groups": groups()},
        status=status,
    )


def groups() -> list[str]:
    """Patterns of workers that schedules name, but for all workers."""
    names = Schedule.objects.filter(enabled=True).exclude(workers=ALL_WORKERS).values_list("workers", flat=True)
    return sorted({str(name) for name in names})


@require_GET
@needs(SEE, STEER)
def editor(request: HttpRequest) -> HttpResponseBase:
    """The picture to draw in; htmx gets it with what happens next, as it is when nothing is drawn."""
    if request.headers.get("HX-Request"):
        return render(request, "dashboard/_week_frame.html", picture(request))
    return _page(request)


@require_http_methods(["GET", "POST"])
@needs(SEE, STEER)
def window_new(request: HttpRequest) -> HttpResponseBase:
    """A new window: drawn, a preset, or described in the form."""
    if request.method == "POST":
        return _save_window(request, WindowForm(request.POST))
    snap = live.snapshot()
    zone = zone_of(configured()[0], viewers_zone(request))
    group = _group(request)
    start = {"time_zone": zone, "workers": group or ALL_WORKERS}
    if request.GET.get("preset") in PRESETS:
        start |= preset(request.GET["preset"], local_now(snap.at, zone))
    initial = {"weekdays": ALL_DAYS, "start": time(22), "end": time(6), **start, **_asked(request.GET)}
    if "priority" not in request.GET:
        initial["priority"] = _to_win(initial, snap.at)
    return _page(request, WindowForm(initial=_taken_hold_of(initial, request.GET)))


@require_http_methods(["GET", "POST"])
@needs(SEE, STEER)
def window_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A window that there is: change it or delete it."""
    window = get_object_or_404(ScheduleWindow.objects.select_related("schedule"), pk=pk)
    if request.method == "POST" and request.POST.get("do") == "delete":
        return _delete_window(request, window)
    if request.method == "POST":
        return _save_window(request, WindowForm(request.POST, window=window))
    given = {"weekdays": window.weekdays, "start": window.start, "end": window.end, **_asked(request.GET)}
    form = WindowForm(window=window, initial=_taken_hold_of(given, request.GET))
    return _page(request, form, asks="delete" in request.GET)


def _asked(said: QueryDict) -> dict[str, Any]:
    """What the query says of the form's fields; anything else is left out."""
    asked: dict[str, Any] = {
        name: value
        for name, value in said.items()
        if name in ("name", "mode", "first", "workers", "time_zone", "priority", "scope") or name.startswith("part-")
    }
    if days := [int(day) for day in said.getlist("weekdays") if day in "0123456" and day]:
        asked["weekdays"] = sum(1 << day for day in set(days))
    for name in ("start", "end"):
        try:
            asked[name] = read_clock(str(said[name]))[0]
        except (ValueError, KeyError):
            continue
    if "mode" in said:  # a whole form was sent: a box that is not in it is off
        asked["others"] = "others" in said
    return asked


def _taken_hold_of(initial: dict[str, Any], said: QueryDict) -> dict[str, Any]:
    """The form's beginning, moved as the query says."""
    minutes, days = _whole(said.get("minutes", "")), _whole(said.get("days", ""))
    if not minutes and not days:
        return initial
    weekdays, start, end = moved(
        initial["weekdays"], initial["start"], initial["end"], minutes=minutes, days=days, side=said.get("side", "")
    )
    return {**initial, "weekdays": weekdays, "start": start, "end": end}


def _whole(text: str) -> int:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0


def _to_win(initial: Mapping[str, Any], now: float) -> int:
    """A priority above those of the windows that the new one overlaps."""
    schedules, _problems = configured()
    if initial["time_zone"] not in zones():
        return 0
    worker = sample_worker(initial["workers"])
    drawn = Window(
        weekdays=frozenset(day for day in range(7) if initial["weekdays"] >> day & 1),
        start=initial["start"],
        end=initial["end"],
    )
    others = [one for one in schedules if not one.is_default and one.applies_to(worker)]
    new = ScheduleConfig(
        id=max((one.id for one in schedules), default=0) + 1,
        name="",
        allocations=(),
        windows=(drawn,),
        time_zone=initial["time_zone"],
        priority=max((one.priority for one in others), default=0) + 1,
    )
    met = {
        loser
        for segment in timetable.week([*others, new], WorkerName(worker), now)
        if segment.schedule_id == new.id
        for loser in segment.overlaps
    }
    return max((one.priority + 1 for one in others if one.id in met), default=0)


def _save_window(request: HttpRequest, form: WindowForm) -> HttpResponseBase:
    before = form.window is not None
    if form.is_valid():
        try:
            with transaction.atomic():
                window = form.save()
                schedule, text = window.schedule, described(window.weekdays, window.start, window.end)
                noted(
                    request,
                    schedule.name,
                    action="change window" if before else "add window",
                    new=f"{text} {schedule.time_zone}",
                )
            said = _("Saved: %(schedule)s, %(window)s.") % {"schedule": schedule.name, "window": text}
            messages.success(request, said)
            return redirect(_back(request))
        except ValidationError as error:
            form.add_error(None, [str(text) for text in error.messages])
    return _page(request, form, 422)


def _delete_window(request: HttpRequest, window: ScheduleWindow) -> HttpResponseBase:
    schedule = window.schedule
    with transaction.atomic():
        text = described(window.weekdays, window.start, window.end)
        if schedule.windows.count() > 1 or schedule.is_default:
            window.delete()
        else:  # without windows it would be in force always
            schedule.delete()
        noted(request, schedule.name, action="delete window", old=text)
    messages.success(request, _("Deleted: %(schedule)s, %(window)s.") % {"schedule": schedule.name, "window": text})
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    kept = {name: value for name in ("zone", "worker") if (value := request.POST.get(name, ""))}
    return reverse("schedule-edit") + (f"?{urlencode(kept)}" if kept else "")


@require_POST
@needs(SEE, STEER)
def preview(request: HttpRequest) -> HttpResponseBase:
    """The picture as it would be, without saving: the form is saved, read as the proxy reads it, and taken back."""
    pk = request.POST.get("window", "")
    known = ScheduleWindow.objects.select_related("schedule")
    row = known.filter(pk=pk).first() if pk.isdecimal() and len(pk) < 19 else None
    form = WindowForm(request.POST, window=row)
    with transaction.atomic():
        context: dict[str, Any] = {}
        if form.is_valid():
            try:
                with transaction.atomic():
                    window = form.save()
                context = picture(request, window.pk, window.pk if row is None else None)
                context["draft"] = row is None or form.has_changed()
            except ValidationError as error:
                form.add_error(None, [str(text) for text in error.messages])
        if not context:
            context = {
                **picture(request, row.pk if row else None),
                "incomplete": [text for found in form.errors.values() for text in found],
            }
        transaction.set_rollback(True)
    return render(request, "dashboard/_week_frame.html", context)


@require_http_methods(["GET", "POST"])
@needs(SEE, STEER)
def plan(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """One schedule as a whole: what it does, for whom, how it switches; disable or delete it."""
    row = get_object_or_404(Schedule, pk=pk) if pk is not None else None
    form = PlanForm(
        request.POST or None, schedule=row, initial={} if row else {"time_zone": viewers_zone(request) or "UTC"}
    )
    do = request.POST.get("do", "")
    if row is not None and do == "delete":
        deleted(request, row, action="delete schedule")
        return redirect("schedule")
    if row is not None and do in ("enable", "disable"):
        switched(request, row, do, action=f"{do} schedule", off=_("%(name)s is disabled."))
        return redirect("schedule")
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                saved = form.save()
                noted(request, saved.name, action="change schedule" if row else "add schedule")
            messages.success(request, _("Saved: %(name)s.") % {"name": saved.name})
            return redirect("schedule")
        except ValidationError as error:
            form.add_error(None, [str(text) for text in error.messages])
    return page(
        request,
        "dashboard/plan.html",
        {
            "form": form,
            "row": row,
            "windows": row.windows.all() if row else (),
            "groups": groups(),
            "zones": sorted(zones()),
        },
    )
