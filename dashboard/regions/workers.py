"""The live regions of a worker's page, and the order of the workers' table."""

from collections.abc import Callable, Mapping
from math import inf

from dashboard import presenters
from dashboard.access import Access
from dashboard.columns import Row
from dashboard.live import region
from dashboard.models import WorkerNote
from dashboard.reject_reasons import refused
from proxy.devices.views import devices_of
from proxy.observe.live.views import LiveSnapshot, WorkerView

AWAY_AFTER_S = 7 * 86400.0
"""A worker that has not been seen for this long is folded away."""

SORTS: dict[str, Callable[[Row], object]] = {
    "name": lambda row: row.shown_name.casefold(),
    "firmware": lambda row: row.worker.firmware.casefold(),
    "pool": lambda row: row.worker.pool or "~",
    "rate": lambda row: row.worker.rate_5m.value,
    "hour": lambda row: row.worker.rate_1h.value,
    "day": lambda row: row.worker.rate_24h.value,
    "shares": lambda row: row.worker.shares_per_s,
    "difficulty": lambda row: row.worker.difficulty,
    "accepted": lambda row: row.worker.counts.good,
    "best": lambda row: row.worker.best,
    "rejected": lambda row: presenters.rejected_fraction(row.worker.counts) or 0.0,
    "temperature": lambda row: row.own.temperature_c or 0.0,
    "power": lambda row: row.own.power_w or 0.0,
    "joules": lambda row: row.own.joules_per_th or 0.0,
    "joules_accepted": lambda row: row.own.joules_per_accepted_th or 0.0,
    "cost": lambda row: row.own.cost_per_day or 0.0,
    "seen": lambda row: inf if row.worker.connections else row.worker.last_seen_at or 0.0,
}
DEFAULT_SORT = "-rate"


def ordered(rows: list[Row], sort: str) -> list[Row]:
    """By a column of ``SORTS``, largest first with a minus before it; the name decides between equals."""
    key = SORTS.get(sort.removeprefix("-"), SORTS["rate"])
    by_name = sorted(rows, key=lambda row: row.shown_name.casefold())
    return sorted(by_name, key=key, reverse=sort.startswith("-"))  # type: ignore[arg-type]


def matches(row: Row, text: str, pool: str, group: str = "", listener: str = "") -> bool:
    """Whether a worker passes the table's filter; what people say of it is searched too."""
    worker, wanted = row.worker, text.casefold()
    if (pool and worker.pool != pool) or (group and group not in row.groups):
        return False
    if listener and worker.listener != listener:
        return False
    fields = (
        worker.name, worker.firmware, worker.agent, worker.peer, worker.listener, row.shown_name, row.text, *row.groups
    )  # fmt: skip
    return not wanted or any(wanted in field.casefold() for field in fields)


def is_forgotten(worker: WorkerView, note: WorkerNote | None) -> bool:
    """Whether somebody hid the worker and it has not been seen since."""
    at = note.hidden_at if note is not None else None
    return at is not None and not worker.connections and (worker.last_seen_at or 0.0) <= at


@region("worker")
def worker(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All that is known of one worker now."""
    found = snap.worker(argument)
    by_pool = [] if found is None else [(pool, found.by_pool.get(pool.key, 0.0)) for pool in snap.pools]
    total = sum(part for _pool, part in by_pool)
    view = devices_of(snap)
    own = view.by_worker.get(argument, ()) if view is not None else ()
    return {
        "own": own,
        "figures": view.together(own, found) if view is not None else None,
        "devices": view,
        "worker": found,
        "refused": refused(found.counts.rejects_by_reason()) if found else [],
        "by_pool": [(pool, part, part / total * 100) for pool, part in by_pool] if total else [],
    }
