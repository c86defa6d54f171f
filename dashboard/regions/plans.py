"""The live regions of Schedule and Balance: what decides the split automatically."""

import re
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

from dashboard.access import Access
from dashboard.live import region
from dashboard.schedules import coming, configured, for_worker, present_and_next, routes, week
from dashboard.svg import pool_style_key
from proxy.balance.balance_view import BalanceView, HistoryPoint
from proxy.config.loader import current_revision
from proxy.models import Schedule
from proxy.observe.live.views import LiveSnapshot
from proxy.types import MAIN_LISTENER, ListenerId

MINUTE_S = 60.0
CHANGES_SHOWN = 10
NUMBER = re.compile(r"[0-9]{1,9}")
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
    """The week, what is in force and what comes next; ``argument`` is a time zone, a listener and a worker.

    With spaces between them. Each may be missing: the zone is that of the first windows then, the listener the first
    one, and the worker stands for all.
    """
    zone, through, worker = (*argument.split(" ", 2), "", "")[:3]
    listener = ListenerId(int(through)) if NUMBER.fullmatch(through) else MAIN_LISTENER
    schedules, problems = configured()
    shown = for_worker(schedules, worker, listener)
    present, following = present_and_next(shown, worker, snap.at, listener)
    listeners = {listener.id: listener.name for listener in snap.listeners}
    return {
        "rows": [(one, listeners.get(one.listener, "") if one.listener is not None else "") for one in schedules],
        "routes": [(ident, listeners.get(ident, ""), one) for ident, one in routes(schedules, worker, snap.at)],
        "listener": listener,
        "schedules": schedules,
        "disabled": Schedule.objects.filter(enabled=False).values_list("pk", "name"),
        "problems": problems,
        "present": present.schedule,
        "following": following,
        "week": week(snap, shown, worker, snap.at, zone, listener) if shown else None,
        "steps": coming(shown, worker, snap.at, listener),
        "waits": _waits(snap) and (present.schedule is None or present.schedule.listener is None),
        "names": {pool.key: pool for pool in snap.pools},
    }


def _waits(snap: LiveSnapshot) -> bool:
    """Whether an override decides instead of the schedules; routes follow theirs all the same."""
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
