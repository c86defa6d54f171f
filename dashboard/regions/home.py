"""The live regions of Home, and the alarms that every page shows."""

import json
from collections.abc import Mapping

from dashboard import presenters
from dashboard.access import Access
from dashboard.live import region
from dashboard.models import WorkerNote
from dashboard.regions.workers import AWAY_AFTER_S, is_forgotten
from dashboard.svg import spark, split_bar, whole_percents
from proxy.observe.live.views import LiveSnapshot

HOME_WORKERS = 12


@region("alarms")
def alarms(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """What somebody should know now, the worst first; and whether a proxy runs at all."""
    ordered = sorted(snap.alarms, key=lambda alarm: (alarm.level != "bad", -alarm.since))
    return {"alarms": ordered, "running": snap.revision >= 0}


@region("headline")
def headline(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Summary of the fleet."""
    working = sum(1 for worker in snap.workers if worker.connections)
    away = sum(
        1
        for worker in snap.workers
        if not worker.connections and worker.last_seen_at is not None and snap.at - worker.last_seen_at < AWAY_AFTER_S
    )
    return {
        "areas": spark(snap),
        "working": working,
        "away": away,
        "alarm_count": len(snap.alarms),
        "worst": "bad" if any(alarm.level == "bad" for alarm in snap.alarms) else "warn" if snap.alarms else "",
        "uptime": snap.at - snap.started_at,
    }


@region("split")
def split(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Delivered against wanted, and who is in control."""
    order = [pool.key for pool in snap.pools]
    main = snap.splits[0] if snap.splits else None
    return {
        "main": main,
        "pieces": split_bar(snap, main) if main else [],
        "control": snap.control,
        "others": [(view, split_bar(snap, view)) for view in snap.splits[1:]],
        "pinned": sum(1 for worker in snap.workers if worker.pinned),
        "wanted": presenters.ratio(snap.control.weights, order) if snap.control.weights else "",
        "applied": json.dumps(whole_percents(snap.control.weights, order) if snap.control.weights else {}),
    }


@region("pools")
def pools(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """A card for each pool."""
    return {}


@region("fleet")
def fleet(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """The workers with the highest rate; the whole table has its own page."""
    forgotten = WorkerNote.forgotten()
    known = [worker for worker in snap.workers if not is_forgotten(worker, forgotten)]
    ordered = sorted(known, key=lambda worker: (not worker.connections, -worker.rate_5m.value, worker.name))
    return {"workers": ordered[:HOME_WORKERS], "more": max(0, len(ordered) - HOME_WORKERS)}
