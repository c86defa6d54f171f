"""The fleet's table: how each worker is and why, who steers it, and what it adds to the split."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from dashboard import live
from dashboard.access import SEE, needs
from dashboard.columns import Row
from dashboard.fleet import Fleet, Place
from dashboard.models import WorkerNote
from dashboard.regions.workers import AWAY_AFTER_S, is_forgotten
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.observe.live.worker_health import Level

SHOWN = 500
"""Rows of the table, the worst first."""
_ORDER = {Level.BAD: 0, Level.ATTENTION: 1, Level.HEALTHY: 2}


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A worker and its place."""

    row: Row
    place: Place


@require_GET
@needs(SEE)
def fleet(request: HttpRequest) -> HttpResponseBase:
    """The table; htmx gets the table alone."""
    snap, notes = live.snapshot(), WorkerNote.by_worker()
    everybody = Fleet(snap)
    rows = [
        FleetRow(Row(worker, notes.get(worker.name)), everybody.place(worker))
        for worker in snap.workers
        if _is_shown(worker, notes.get(worker.name), snap)
    ]
    rows.sort(key=lambda each: (_ORDER[each.place.level], -(each.place.part or 0.0), each.row.shown_name.casefold()))
    template = "dashboard/_fleet_table.html" if request.headers.get("HX-Request") else "dashboard/fleet.html"
    context = {
        "snap": snap,
        "rows": rows[:SHOWN],
        "has_aims": any(each.row.worker.shares_aim is not None for each in rows),
        "left_out": max(0, len(rows) - SHOWN),
        "bad": sum(each.place.level is Level.BAD for each in rows),
        "attention": sum(each.place.level is Level.ATTENTION for each in rows),
        "healthy": sum(each.place.level is Level.HEALTHY for each in rows),
    }
    return render(request, template, context)


def _is_shown(worker: WorkerView, note: WorkerNote | None, snap: LiveSnapshot) -> bool:
    """Workers that are folded away or forgotten in the table of workers are not in this one."""
    if is_forgotten(worker, note):
        return False
    return bool(worker.connections) or snap.at - (worker.last_seen_at or 0.0) <= AWAY_AFTER_S
