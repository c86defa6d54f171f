"""The live regions of Home, and the alarms that every page shows."""

import hashlib
import json
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import Max
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard import presenters, troubles
from dashboard.access import Access
from dashboard.columns import Choice, Row
from dashboard.live import region
from dashboard.models import WorkerNote
from dashboard.presenters import COVERED, DAY_S, HOUR_S, covers
from dashboard.regions.workers import AWAY_AFTER_S, is_forgotten
from dashboard.svg import Piece, pool_line, split_bar, whole_percents
from proxy.balance.balance_view import BalanceView
from proxy.chains import luck
from proxy.models.history import Block, ShareBucket, ShareTotal
from proxy.observe.live.views import Alarm, LiveSnapshot, PoolView, RateView, SplitView
from proxy.types import PoolKey, PoolStatus

NUMBER = re.compile(r"[\d.,]+")
HOME_WORKERS = 12
HOME_COLUMNS = Choice(frozenset({"pool", "rate", "hour", "day", "shares", "difficulty", "best", "rejected", "seen"}))
"""Of the table of workers on Home."""
MINUTES_S = 300.0
"""The shortest window of rates."""
FACTS_KEPT_S = 30.0
SURE_ERROR = 0.1
"""Error of a split from which on nobody can say whether it is on target."""
START_S = 60.0
"""A span that begins so soon after the process began is one since the start."""


@region("alarms")
def alarms(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """What somebody should know now, the worst first; and whether a proxy runs at all."""
    ordered = sorted(snap.alarms, key=lambda alarm: (alarm.level != "bad", -alarm.since))
    return {"alarms": [_shown(snap, alarm) for alarm in ordered], "running": snap.revision >= 0}


@dataclass(frozen=True, slots=True)
class ShownAlarm:
    """An alarm; of a pool that is down also what follows and what to do."""

    alarm: Alarm
    anchor: str
    """Its id in the page: the same while it lasts, whatever numbers it tells."""
    pool: PoolView | None = None
    follows: str = ""


def _shown(snap: LiveSnapshot, alarm: Alarm) -> ShownAlarm:
    pool = snap.pool(alarm.subject) if alarm.kind == "pool" else None
    if pool is None or pool.status is not PoolStatus.DOWN or alarm.level != "bad":
        same = f"{alarm.kind} {alarm.subject} {NUMBER.sub('', alarm.text)}"
        return ShownAlarm(alarm, f"alarm-{hashlib.sha256(same.encode()).hexdigest()[:10]}")
    return ShownAlarm(alarm, f"alarm-{pool.key}", pool, troubles.consequence(snap, pool))


@region("tab")
def tab(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """What the browser's tab says: the hash rate, or the worst that is wrong."""
    down = next((pool for pool in snap.pools if pool.status is PoolStatus.DOWN), None)
    if troubles.is_stopped(snap):
        return {"title": _("Mining is stopped"), "alarm": True}
    if down is not None:
        return {"title": _("%(pool)s is down") % {"pool": down.name or down.key}, "alarm": True}
    title = presenters.rate(snap.rate_5m) if snap.revision >= 0 else ""
    return {"title": title, "alarm": any(alarm.level == "bad" for alarm in snap.alarms)}


def _at_a_glance(snap: LiveSnapshot, argument: str) -> Hashable:
    return troubles.is_stopped(snap), len(snap.alarms), sum(1 for worker in snap.workers if worker.connections)


@region("headline", every_s=2.0, urgent=_at_a_glance)
def headline(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Summary of the fleet."""
    working = sum(1 for worker in snap.workers if worker.connections)
    away = sum(
        1
        for worker in snap.workers
        if not worker.connections and worker.last_seen_at is not None and snap.at - worker.last_seen_at < AWAY_AFTER_S
    )
    return {
        "facts": day_facts.get(snap.at, snap.counts.best),
        "best": snap.counts.best or None,
        "block_s": _block_s(snap),
        "working": working,
        "away": away,
        "alarm_count": len(snap.alarms),
        "worst": "bad" if any(alarm.level == "bad" for alarm in snap.alarms) else "warn" if snap.alarms else "",
        "uptime": snap.at - snap.started_at,
        "stopped": troubles.is_stopped(snap),
        "stopped_since": troubles.stopped_since(snap),
        "begun": None if covers(snap.rate_5m, MINUTES_S) else snap.at - snap.rate_5m.span_s,
        "spans": _spans(snap),
    }


def _block_s(snap: LiveSnapshot) -> float | None:
    """Average time to a block on any of the pools, at the rates that they are to get."""
    often = 0.0
    for pool in snap.pools:
        if pool.network_difficulty:
            rate = snap.rate_24h.value * pool.target
            every = luck.seconds_per_block(rate, pool.network_difficulty, snap.hashes_per_difficulty)
            often += 1 / every if every else 0.0
    return 1 / often if often else None


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What the database says of the last 24 hours, and of blocks."""

    best_of_day: float | None
    blocks: int


class _DayFactsCache:
    """Asks the database at most once in ``FACTS_KEPT_S``."""

    def __init__(self) -> None:
        self._asked_at = -math.inf
        self._facts = DayFacts(None, 0)
        self._best_ever = 0.0
        """The hardest share that the database knew of when it was asked."""

    def get(self, now: float, best_ever: float) -> DayFacts:
        """As of ``now`` (unix seconds), or of some seconds before; but ``best_ever`` is of today where it is new."""
        if not 0 <= now - self._asked_at < FACTS_KEPT_S:
            best = ShareBucket.objects.filter(start__gte=int(now - DAY_S)).aggregate(best=Max("best"))["best"]
            self._best_ever = ShareTotal.objects.aggregate(best=Max("best"))["best"] or 0.0
            self._asked_at, self._facts = now, DayFacts(best or None, Block.objects.count())
        return self._facts if best_ever <= self._best_ever else replace(self._facts, best_of_day=best_ever)

    def forget(self) -> None:
        """Ask again."""
        self._asked_at = -math.inf


day_facts = _DayFactsCache()


@dataclass(frozen=True, slots=True)
class SpanRate:
    """The hash rate of a span; ``since`` where less than the span was watched."""

    label: str | Promise
    rate: RateView
    since: float | None = None


def _spans(snap: LiveSnapshot) -> list[SpanRate]:
    """The rates of the hour and the day; only one of them, with its beginning, while neither is covered."""
    hour, day = snap.rate_1h, snap.rate_24h
    if not covers(hour, HOUR_S):
        return [SpanRate("", hour, snap.at - hour.span_s)]
    spans = [SpanRate(_("1 h"), hour)]
    return [*spans, SpanRate(_("24 h"), day) if covers(day, DAY_S) else SpanRate("", day, snap.at - day.span_s)]


def _steered(snap: LiveSnapshot, argument: str) -> Hashable:
    """Who is in control, what the pools are to get, and which of them work."""
    control = snap.control
    return (
        replace(control, weights={}, follows_in_s=0.0),
        control.follows_in_s > 0,
        tuple(control.weights.items()),
        snap.config_revision,
        tuple((pool.key, pool.name, pool.colour, pool.status, pool.weight, pool.target) for pool in snap.pools),
        bool(snap.splits),
    )


@region("split", every_s=3.0, urgent=_steered)
def split(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Delivered against wanted, and who is in control."""
    order = [pool.key for pool in snap.pools]
    main = snap.splits[0] if snap.splits else None
    pieces = split_bar(snap, main) if main else []
    weights = snap.control.weights
    targets = {pool.key: pool.target for pool in snap.pools}
    aimed = targets if any(targets.values()) else weights
    return {
        "main": main,
        "span": _span_name(snap, main) if main else "",
        "pieces": pieces,
        "control": snap.control,
        "others": [(_span_name(snap, view), view, split_bar(snap, view)) for view in _other_splits(snap)],
        "pinned": sum(1 for worker in snap.workers if worker.pinned),
        "wanted": presenters.ratio(aimed, order) if aimed else "",
        "set_to": presenters.ratio(weights, order) if aimed and _differ(aimed, weights, order) else "",
        "missing": [pool for pool in snap.pools if pool.weight and pool.status is PoolStatus.DOWN],
        "applied": json.dumps(whole_percents(weights, order) if weights else {}),
        "stopped": troubles.is_stopped(snap),
        "state": _state_of(pieces),
        "switch_s": _switch_cost_s(snap) if access.steer else None,
        "worst": max(pieces, key=lambda piece: abs(piece.delivered - piece.wanted), default=None),
    }


def _other_splits(snap: LiveSnapshot) -> list[SplitView]:
    """The splits after the first; of two that began together only one: the hour's and the day's soon after a start."""
    others: list[SplitView] = []
    for view in snap.splits[1:]:
        if not others or abs(view.since - others[-1].since) >= START_S:
            others.append(view)
    return others


def _switch_cost_s(snap: LiveSnapshot) -> float | None:
    """What a switch costs a miner of this fleet on average, as measured; None before anything was."""
    switches = sum(cost.switches for cost in snap.switch_costs)
    if not switches:
        return None
    return max(0.0, sum(cost.cost_s * cost.switches for cost in snap.switch_costs) / switches)


def _differ(one: Mapping[PoolKey, float], other: Mapping[PoolKey, float], order: Sequence[PoolKey]) -> bool:
    return any(abs(one.get(key, 0.0) - other.get(key, 0.0)) > 0.0005 for key in order)


def _state_of(pieces: Sequence[Piece]) -> str:
    """``on``, ``off``, or ``early`` while too few shares came to tell; empty before the first."""
    if not pieces:
        return ""
    if max(piece.error for piece in pieces) > SURE_ERROR:
        return "early"
    return "on" if all(abs(piece.delivered - piece.wanted) <= piece.error + 0.0005 for piece in pieces) else "off"


def _span_name(snap: LiveSnapshot, view: SplitView) -> str:
    """``change``, ``hour`` or ``day``; ``start`` for what has been watched for less."""
    at_start = view.since - snap.started_at < START_S
    whole = {"hour": HOUR_S, "day": DAY_S}.get(view.label)
    if whole is None:
        return "start" if at_start else view.label
    return view.label if snap.at - view.since >= COVERED * whole else "start"


@dataclass(frozen=True, slots=True)
class PoolCard:
    """A pool with what it was delivered, and what to do where it is down."""

    pool: PoolView
    part: float | None
    line: str
    follows: str = ""
    advice: str = ""


@region("auto")
def auto(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """What auto-balance does, or would do, and why, in a sentence."""
    view = snap.extra.get("balance")
    if not isinstance(view, BalanceView):
        return {"view": None}
    weights = view.weights or {}  # None until it has seen enough
    parts = [f"{key} {whole} %" for key, whole in whole_percents(weights, list(weights)).items()]
    return {"view": view, "on": view.in_control, "split": ", ".join(parts)}


def _pools_now(snap: LiveSnapshot, argument: str) -> Hashable:
    """Which pools there are, how they are, and who still works on one that is down."""
    return tuple(
        (one.key, one.name, one.colour, one.status, one.admin, one.reason, one.target, one.payout_ok, _stuck(one))
        for one in snap.pools
    )


def _stuck(pool: PoolView) -> int:
    return pool.miners if pool.status is PoolStatus.DOWN else 0


@region("pools", every_s=3.0, urgent=_pools_now)
def pools(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """A card for each pool."""
    return {"cards": [_card(snap, pool) for pool in snap.pools]}


def _card(snap: LiveSnapshot, pool: PoolView) -> PoolCard:
    whole = sum(other.delivered_5m.value for other in snap.pools)
    part = pool.delivered_5m.value / whole if whole else None
    line = pool_line(snap, pool.key)
    if pool.status is not PoolStatus.DOWN:
        return PoolCard(pool, part, line)
    return PoolCard(pool, part, line, troubles.consequence(snap, pool), troubles.advice(pool))


def _workers_now(snap: LiveSnapshot, argument: str) -> Hashable:
    """Who is connected, and how many still work on a pool that is down."""
    if len(snap.workers) > HOME_WORKERS:
        who: Hashable = len(snap.workers), sum(1 for worker in snap.workers if worker.connections)
    else:
        who = tuple((one.name, one.connections, one.pinned, one.waiting) for one in snap.workers)
    return who, sum(_stuck(pool) for pool in snap.pools)


@region("fleet", every_s=5.0, urgent=_workers_now)
def fleet(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """The workers with the highest rate; the whole table has its own page. ``start``: on that of the guided start."""
    notes = WorkerNote.by_worker()
    known = [worker for worker in snap.workers if not is_forgotten(worker, notes.get(worker.name))]
    ordered = sorted(known, key=lambda worker: (not worker.connections, -worker.rate_5m.value, worker.name))
    rows = [Row(worker, notes.get(worker.name)) for worker in ordered[:HOME_WORKERS]]
    return {"rows": rows, "choice": HOME_COLUMNS, "more": max(0, len(ordered) - HOME_WORKERS)}


@region("firstshare")
def firstshare(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """The end of the guided setup: whether any share has been accepted."""
    return {}
