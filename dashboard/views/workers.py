"""The workers: a table that sorts and filters, and a page each."""

import csv
import io
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from dashboard import charts, live
from dashboard.access import LOGS, SEE, STEER, needs, of_request
from dashboard.columns import (
    COLUMNS,
    COLUMNS_COOKIE,
    KEPT_S,
    OF_MINERS,
    UNIT_COOKIE,
    UNITS,
    Row,
    asked_for,
    chosen,
    table,
    with_facts,
)
from dashboard.forms import NoteForm, PinForm
from dashboard.logring import ring
from dashboard.models import WorkerNote
from dashboard.regions.workers import AWAY_AFTER_S, DEFAULT_SORT, SORTS, is_forgotten, matches, ordered
from dashboard.templatetags.dashboard_page import table_query
from dashboard.views.editing import noted
from dashboard.views.logs import with_sentences
from proxy.devices.views import devices_of
from proxy.history.counters import Tally, tally_of
from proxy.models import WorkerPin
from proxy.models.history import ShareTotal
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.ops import steering
from proxy.types import WorkerName

MAX_FILTER = 100
MAX_PINNED = 500
"""Workers that one form pins."""
PINS_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Totals:
    """The table's last row."""

    count: int
    rate_5m: float
    rate_1h: float
    rate_24h: float
    shares_per_s: float
    counts: Tally
    best: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the workers is shown, and in which order."""

    sort: str
    text: str
    pool: str
    group: str
    listener: str


@require_GET
@needs(SEE)
def workers(request: HttpRequest) -> HttpResponseBase:
    """The table; htmx gets the table alone, for a new order, a filter or a tick."""
    if "choose" in request.GET:
        return _choose(request)
    snap, wanted = live.snapshot(), _wanted(request)
    everybody, found = _rows(snap, wanted)
    here = [row for row in found if not _is_gone(row.worker, snap)]
    template = "dashboard/_workers_table.html" if request.headers.get("HX-Request") else "dashboard/workers.html"
    choice = chosen(request)
    return render(
        request,
        template,
        {
            "snap": snap,
            "rows": here,
            "gone": [row for row in found if _is_gone(row.worker, snap)],
            "totals": totals([row.worker for row in here]),
            "sort": wanted.sort,
            "q": wanted.text,
            "pool": wanted.pool,
            "group": wanted.group,
            "groups": sorted({group for row in everybody for group in row.groups}),
            "listener": wanted.listener,
            "listeners": sorted(({row.worker.listener for row in everybody} | {wanted.listener}) - {""}),
            "known": len(snap.workers),
            "columns": [one for one in COLUMNS if one.name not in OF_MINERS or devices_of(snap) is not None],
            "units": UNITS,
            "choice": choice,
            "picks": of_request(request).steer,
        },
    )


@require_GET
@needs(SEE)
def as_csv(request: HttpRequest) -> HttpResponseBase:
    """The table as it is shown, for a spreadsheet."""
    found = _rows(live.snapshot(), _wanted(request))[1]
    text = io.StringIO()
    with translation.override("en"):  # for programs as well: the same for every reader
        csv.writer(text, lineterminator="\r\n").writerows(table(found, chosen(request)))
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="dpmp-workers-{timezone.now():%Y%m%d-%H%M}.csv"'
    return response


def _wanted(request: HttpRequest) -> Wanted:
    said = request.GET
    sort = said.get("sort", DEFAULT_SORT)
    return Wanted(
        sort if sort.removeprefix("-") in SORTS else DEFAULT_SORT,
        said.get("q", "")[:MAX_FILTER],
        said.get("pool", "")[:8],
        said.get("group", "")[:MAX_FILTER],
        said.get("listener", "")[:MAX_FILTER],
    )


def _rows(snap: LiveSnapshot, wanted: Wanted) -> tuple[list[Row], list[Row]]:
    """All workers that are not hidden, and those that are asked for, in their order."""
    notes = WorkerNote.by_worker()
    view = devices_of(snap)
    rows = [
        with_facts(Row(worker, note), view)
        for worker in snap.workers
        if not is_forgotten(worker, note := notes.get(worker.name))
    ]
    found = [row for row in rows if matches(row, wanted.text, wanted.pool, wanted.group, wanted.listener)]
    return rows, ordered(found, wanted.sort)


def _choose(request: HttpRequest) -> HttpResponseBase:
    """Keep the chosen columns in the browser, and show the table again."""
    choice, wanted = asked_for(request.GET.getlist("column"), request.GET.get("unit", "")), _wanted(request)
    query = table_query(wanted.sort, wanted.text, wanted.pool, wanted.group, wanted.listener)
    response = redirect(f"{reverse('workers')}?{query}")
    for name, value in ((COLUMNS_COOKIE, ".".join(sorted(choice.names))), (UNIT_COOKIE, choice.unit)):
        response.set_cookie(name, value, max_age=KEPT_S, samesite="Lax", httponly=True, secure=request.is_secure())
    return response


@require_GET
@needs(SEE, STEER)
def pins(request: HttpRequest) -> HttpResponseBase:
    """Every worker that is pinned, whether it is connected or not."""
    snap = live.snapshot()
    known = {worker.name: worker for worker in snap.workers}
    rows = [(row, known.get(WorkerName(row.worker))) for row in WorkerPin.objects.select_related("pool")[:PINS_SHOWN]]
    return render(request, "dashboard/pins.html", {"snap": snap, "pins": rows, "form": PinForm()})


@require_POST
@needs(STEER)
def pin_many(request: HttpRequest) -> HttpResponseBase:
    """Pin the chosen workers to a pool, or remove their pins."""
    form, names = PinForm(request.POST), list(dict.fromkeys(filter(None, request.POST.getlist("worker"))))[:MAX_PINNED]
    back = redirect(f"{reverse('workers')}?{urlencode(_query_before(request))}")
    if request.POST.get("next") == "pins":
        back = redirect("pins")
    if not form.is_valid() or not names:
        messages.error(request, _("Choose workers and one of the pools."))
        return back
    pool = form.cleaned_data["pool"]
    try:
        with transaction.atomic():
            for name in names:
                steering.pin(request.user, name, pool.key if pool else None)  # type: ignore[arg-type]
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return back
    said = (
        ngettext("%(n)d worker is pinned to %(pool)s.", "%(n)d workers are pinned to %(pool)s.", len(names))
        if pool
        else ngettext("%(n)d worker is no longer pinned.", "%(n)d workers are no longer pinned.", len(names))
    )
    messages.success(request, said % {"n": len(names), "pool": pool})
    return back


def _query_before(request: HttpRequest) -> dict[str, str]:
    """How the table was shown when the form was sent."""
    before = {name: request.POST[name] for name in ("sort", "q", "group", "listener") if request.POST.get(name)}
    return before | ({"pool": request.POST["shown_pool"]} if request.POST.get("shown_pool") else {})


def _is_gone(worker: WorkerView, snap: LiveSnapshot) -> bool:
    return not worker.connections and (worker.last_seen_at is None or snap.at - worker.last_seen_at > AWAY_AFTER_S)


def totals(workers: list[WorkerView]) -> Totals:
    """Sums over the rows that are shown."""
    return Totals(
        len(workers),
        sum(worker.rate_5m.value for worker in workers),
        sum(worker.rate_1h.value for worker in workers),
        sum(worker.rate_24h.value for worker in workers),
        sum(worker.shares_per_s for worker in workers),
        tally_of(*(worker.counts for worker in workers)),
        max((worker.best for worker in workers), default=0.0),
    )


@require_GET
@needs(SEE)
def worker(request: HttpRequest, name: str) -> HttpResponseBase:
    """One worker's page."""
    snap = live.snapshot()
    if snap.worker(name) is None and not _is_remembered(name):
        raise Http404
    pinned = WorkerPin.objects.filter(worker=name).select_related("pool").first()
    note = WorkerNote.objects.filter(worker=name).first()
    known = snap.worker(name) or WorkerView(name=WorkerName(name), connections=0)
    row, view = Row(known, note), devices_of(snap)
    return render(
        request,
        "dashboard/worker.html",
        {
            "snap": snap,
            "name": name,
            "own_facts": name in view.by_worker if view is not None else False,
            "worker": snap.worker(name),
            "pin": pinned,
            "row": row,
            "strip": charts.day_strip(snap, name),
            "note": row.text,
            "note_form": NoteForm(instance=note),
            "forgotten": is_forgotten(known, note),
            "lines": with_sentences(ring().recent(limit=40, worker=name)) if LOGS in of_request(request).may else [],
            "form": PinForm(initial={"pool": pinned.pool if pinned else None}),
        },
    )


def _is_remembered(name: str) -> bool:
    return WorkerPin.objects.filter(worker=name).exists() or ShareTotal.objects.filter(worker=name).exists()


@require_POST
@needs(STEER)
def note(request: HttpRequest, name: str) -> HttpResponseBase:
    """Save what somebody says of a worker: its name, groups and a note; what the form does not bring, stays."""
    known = WorkerNote.objects.filter(worker=name).first() or WorkerNote(worker=name[:128])
    said = {field: getattr(known, field) for field in NoteForm.Meta.fields} | request.POST.dict()
    form = NoteForm(said, instance=known)
    outcome, problem = _("Saved."), ""
    if form.is_valid():
        form.save()
    else:
        outcome, problem = "", " ".join(str(message) for errors in form.errors.values() for message in errors)
    if request.headers.get("HX-Request"):
        context = {"outcome": outcome, "problem": problem}
        return render(request, "dashboard/_outcome.html", context, status=422 if problem else 200)
    if problem:
        messages.error(request, problem)
    return redirect("worker", name)


@require_POST
@needs(STEER)
def forget(request: HttpRequest, name: str) -> HttpResponseBase:
    """Hide an offline worker from the lists until it is seen again."""
    WorkerNote.objects.update_or_create(worker=name[:128], defaults={"forgotten_at": timezone.now()})
    noted(request, name, action="forget")
    messages.success(request, _("%(worker)s is off the lists until it connects again.") % {"worker": name})
    return redirect("workers")
