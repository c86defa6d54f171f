"""The workers: a table that sorts and filters, and a page each."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import live
from dashboard.access import SEE, STEER, needs
from dashboard.forms import PinForm
from dashboard.models import AuditEntry, WorkerNote
from dashboard.regions.workers import AWAY_AFTER_S, DEFAULT_SORT, SORTS, is_forgotten, matches, ordered
from proxy.history.counters import Tally, tally_of
from proxy.models import WorkerPin
from proxy.models.history import ShareTotal
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.types import WorkerName

MAX_FILTER = 100


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


@require_GET
@needs(SEE)
def workers(request: HttpRequest) -> HttpResponseBase:
    """The table; htmx gets the table alone, for a new order, a filter or a tick."""
    snap = live.snapshot()
    sort = request.GET.get("sort", DEFAULT_SORT)
    if sort.removeprefix("-") not in SORTS:
        sort = DEFAULT_SORT
    text, pool = request.GET.get("q", "")[:MAX_FILTER], request.GET.get("pool", "")[:8]
    forgotten = WorkerNote.forgotten()
    found = ordered(
        [worker for worker in snap.workers if matches(worker, text, pool) and not is_forgotten(worker, forgotten)], sort
    )
    here = [worker for worker in found if not _is_gone(worker, snap)]
    gone = [worker for worker in found if _is_gone(worker, snap)]
    template = "dashboard/_workers_table.html" if request.headers.get("HX-Request") else "dashboard/workers.html"
    return render(
        request,
        template,
        {
            "snap": snap,
            "workers": here,
            "gone": gone,
            "totals": totals(here),
            "sort": sort,
            "q": text,
            "pool": pool,
            "known": len(snap.workers),
        },
    )


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
    forgotten = bool(note and note.forgotten_at) and is_forgotten(known, WorkerNote.forgotten())
    return render(
        request,
        "dashboard/worker.html",
        {
            "snap": snap,
            "name": name,
            "worker": snap.worker(name),
            "pin": pinned,
            "note": note.text if note else "",
            "forgotten": forgotten,
            "form": PinForm(initial={"pool": pinned.pool if pinned else None}),
        },
    )


def _is_remembered(name: str) -> bool:
    return WorkerPin.objects.filter(worker=name).exists() or ShareTotal.objects.filter(worker=name).exists()


@require_POST
@needs(STEER)
def note(request: HttpRequest, name: str) -> HttpResponseBase:
    """Save a note about a worker."""
    text = request.POST.get("note", "")[:500].strip()
    WorkerNote.objects.update_or_create(worker=name[:128], defaults={"text": text})
    if request.headers.get("HX-Request"):
        return render(request, "dashboard/_outcome.html", {"outcome": _("Saved.")})
    return redirect("worker", name)


@require_POST
@needs(STEER)
def forget(request: HttpRequest, name: str) -> HttpResponseBase:
    """Hide an offline worker from the lists until it is seen again."""
    WorkerNote.objects.update_or_create(worker=name[:128], defaults={"forgotten_at": timezone.now()})
    AuditEntry.write(by=request.user.get_username(), action="forget", subject=name)
    messages.success(request, _("%(worker)s is off the lists until it connects again.") % {"worker": name})
    return redirect("workers")
