"""The live regions of a worker's page, and the order of the workers' table."""

from collections.abc import Callable, Mapping
from math import inf

from dashboard import presenters
from dashboard.access import Access
from dashboard.live import region
from dashboard.reject_reasons import refused
from proxy.observe.live.views import LiveSnapshot, WorkerView

AWAY_AFTER_S = 7 * 86400.0
"""A worker that has not been seen for this long is folded away."""

SORTS: dict[str, Callable[[WorkerView], object]] = {
    "name": lambda worker: worker.name.casefold(),
    "firmware": lambda worker: worker.firmware.casefold(),
    "pool": lambda worker: worker.pool or "~",
    "rate": lambda worker: worker.rate_5m.value,
    "hour": lambda worker: worker.rate_1h.value,
    "day": lambda worker: worker.rate_24h.value,
    "shares": lambda worker: worker.shares_per_s,
    "difficulty": lambda worker: worker.difficulty,
    "accepted": lambda worker: worker.counts.accepted,
    "best": lambda worker: worker.best,
    "rejected": lambda worker: presenters.rejected_fraction(worker.counts.accepted, worker.counts.rejected) or 0.0,
    "seen": lambda worker: inf if worker.connections else worker.last_seen_at or 0.0,
}
DEFAULT_SORT = "-rate"


def ordered(workers: list[WorkerView], sort: str) -> list[WorkerView]:
    """By a column of ``SORTS``, largest first with a minus before it; the name decides between equals."""
    name = sort.removeprefix("-")
    key = SORTS.get(name, SORTS["rate"])
    by_name = sorted(workers, key=lambda worker: worker.name.casefold())
    return sorted(by_name, key=key, reverse=sort.startswith("-"))  # type: ignore[arg-type]


def matches(worker: WorkerView, text: str, pool: str) -> bool:
    """Whether a worker passes the table's filter."""
    wanted = text.casefold()
    return (not pool or worker.pool == pool) and (
        not wanted
        or any(wanted in field.casefold() for field in (worker.name, worker.firmware, worker.agent, worker.peer))
    )


def is_forgotten(worker: WorkerView, forgotten: Mapping[str, float]) -> bool:
    """Whether somebody hid the worker and it has not been seen since."""
    at = forgotten.get(worker.name)
    return at is not None and not worker.connections and (worker.last_seen_at or 0.0) <= at


@region("worker")
def worker(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All that is known of one worker now."""
    found = snap.worker(argument)
    by_pool = [] if found is None else [(pool, found.by_pool.get(pool.key, 0.0)) for pool in snap.pools]
    total = sum(part for _pool, part in by_pool)
    return {
        "worker": found,
        "refused": refused(found.counts.rejects_by_reason()) if found else [],
        "by_pool": [(pool, part, part / total * 100) for pool, part in by_pool] if total else [],
    }
