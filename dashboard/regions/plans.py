"""The live regions of Schedule and Balance: what decides the split automatically."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

from dashboard.access import Access
from dashboard.live import region
from dashboard.schedules import coming, for_worker, present_and_next, routes, week
from dashboard.svg import pool_style_key
from proxy.balance.balance_view import BalanceView, HistoryPoint
from proxy.config.loader import current_revision, load_snapshot
from proxy.config.snapshot import ScheduleConfig
from proxy.errors import ConfigError
from proxy.models import Schedule
from proxy.observe.live.views import LiveSnapshot

MINUTE_S = 60.0
CHANGES_SHOWN = 10
NOTEWORTHY = 0.05
"""A change of a weight in percent points that the rounded numbers would show."""


def _plan_shown(snap: LiveSnapshot, argument: str) -> Hashable:
    """The configuration, who is in control, and the minute: windows begin and end with one."""
    return (
        current_revision(),
        int(snap.at // MINUTE_S),
        snap.control.source,
        snap.control.schedule_id,
        tuple((listener.id, listener.name) for listener in snap.listeners),
        pool_style_key(snap),
    )


@region("schedule", version=_plan_shown)
def schedule(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """The week, what is in force and what comes next; ``argument`` is a time zone and, after a space, a worker.

    Both may be empty: the zone is that of the first windows then, and the worker stands for all.
    """
    zone, _space, worker = argument.partition(" ")
    problems: Sequence[str] = ()
    schedules: tuple[ScheduleConfig, ...] = ()
    try:
        schedules = load_snapshot().schedules
    except ConfigError as error:
        problems = error.problems
    shown = for_worker(schedules, worker)
    present, following = present_and_next(shown, worker, snap.at)
    listeners = {listener.id: listener.name for listener in snap.listeners}
    return {
        "rows": [(one, listeners.get(one.listener, "") if one.listener is not None else "") for one in schedules],
        "routes": [(listeners.get(ident, ""), one) for ident, one in routes(schedules, worker, snap.at)],
        "schedules": schedules,
        "disabled": Schedule.objects.filter(enabled=False).values_list("pk", "name"),
        "problems": problems,
        "present": present.schedule,
        "following": following,
        "week": week(snap, shown, worker, snap.at, zone) if shown else None,
        "steps": coming(shown, worker, snap.at),
        "waits": _waits(snap),
        "names": {pool.key: pool for pool in snap.pools},
    }


def _waits(snap: LiveSnapshot) -> bool:
    """Whether an override decides instead of the schedules."""
    control = snap.control
    return control.source == "override" or (control.source == "auto-balance" and control.schedule_id is None)


@region("balance")
def balance(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """What auto-balance sees of each chain, and what it makes of it."""
    view = snap.extra.get("balance")
    return {"view": view, "moves": moves(view.history) if isinstance(view, BalanceView) else []}


def moves(history: Sequence[HistoryPoint]) -> list[HistoryPoint]:
    """The polls that moved the weights, the newest first."""
    found = [point for before, point in pairwise(history) if _differ(before, point)]
    return found[: -CHANGES_SHOWN - 1 : -1]


def _differ(before: HistoryPoint, after: HistoryPoint) -> bool:
    chains = before.weights.keys() | after.weights.keys()
    return any(abs(before.weights.get(chain, 0.0) - after.weights.get(chain, 0.0)) >= NOTEWORTHY for chain in chains)
