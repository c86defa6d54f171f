"""One snapshot of what several nodes say: as if all miners were connected to one proxy.

What each node sees by itself adds up: connections, rates, the work of an hour and a day, what it did since it started.
A worker's hour and day are those of all nodes on each that it is connected to; no node knows of more than there was, so
the fullest is the newest. A split is of the work of all nodes. Totals of all time are those of all nodes on each of
them, as old as its last look at the database: the largest is the newest. What is the same everywhere, the settings and
what is in control, is taken from the node that leads, or from one that does not depend on the order in which they were
heard. Times are those of the nodes' own clocks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import TypeVar

from proxy.history.counters import COUNTED, Counts, RejectKey, Tally, tally_of
from proxy.history.switch_cost import SwitchCost
from proxy.nodes.node_snapshot import NodeSnapshot
from proxy.observe.live.moves import Moves, ShareSum, Stay
from proxy.observe.live.views import (
    UNKNOWN_RATE,
    Alarm,
    CostlyView,
    ListenerView,
    LiveSnapshot,
    NodeView,
    PoolOnNode,
    PoolView,
    RateView,
    SharedView,
    SplitPart,
    SplitView,
    WorkerView,
)
from proxy.types import PoolKey, PoolStatus, WorkerName

SESSIONS_SHOWN = 20
"""How many of a worker's newest connections are shown one by one."""
SLOT_S, SLOTS, LEAST_SLOT_S = 120.0, 30, 15.0
"""Of the last hour's line."""
_Number = TypeVar("_Number", int, float)
_BEST_STATUS = (PoolStatus.UP, PoolStatus.STARTING, PoolStatus.DOWN)


def merge(nodes: Mapping[str, NodeSnapshot], *, revision: int = 0) -> LiveSnapshot | None:
    """The snapshot of all ``nodes``, by name; None where there is none. That of a single node is its own.

    ``nodes`` of it are filled, with ``heard_at`` as 0: only who heard them knows that.
    """
    if not nodes:
        return None
    present = [nodes[name] for name in sorted(nodes)]
    first = max(present, key=_precedence)
    lives = [node.live for node in present]
    extra = {
        "balance": first.balance or next((node.balance for node in present if node.balance is not None), None),
        "update": first.update,
    }
    if len(present) == 1:
        return replace(first.live, revision=revision, nodes=(_node_view(first, lives),), extra=extra)
    now = max(live.at for live in lives)
    monotonic = first.live.monotonic
    return replace(
        first.live,
        revision=revision,
        at=now,
        started_at=min(live.started_at for live in lives),
        pools=_pools(present, first),
        workers=_workers(lives),
        splits=_splits(lives),
        rate_5m=sum_of_rates([live.rate_5m for live in lives]),
        rate_1h=sum_of_rates([live.rate_1h for live in lives]),
        rate_24h=sum_of_rates([live.rate_24h for live in lives]),
        spark=_spark(lives, now),
        sessions=sum(live.sessions for live in lives),
        counts=largest_of([live.counts for live in lives]),
        alarms=_alarms(present),
        listeners=_listeners(present, first),
        config_problems=tuple(dict.fromkeys(problem for live in lives for problem in live.config_problems)),
        config_revision=min(live.config_revision for live in lives),
        switch_costs=_switch_costs(lives),
        costly=_costly(lives),
        moves=_moves(lives, monotonic),
        marks=_marks(lives),
        nodes=tuple([_node_view(node, lives) for node in present]),
        extra=extra,
    )


def sum_of_rates(rates: Sequence[RateView]) -> RateView:
    """Independent rates together; their intervals add up as those of independent measurements do."""
    some = [rate for rate in rates if rate.known or rate.high]
    if len(some) < 2:
        return some[0] if some else UNKNOWN_RATE
    value = sum(sorted(rate.value for rate in some))
    below = sqrt(sum(sorted((rate.value - rate.low) ** 2 for rate in some)))
    above = sqrt(sum(sorted((rate.high - rate.value) ** 2 for rate in some)))
    return RateView(
        value=value,
        low=max(0.0, value - below),
        high=value + above,
        known=any(rate.known for rate in some),
        span_s=max(rate.span_s for rate in some),
    )


def _work(rate: RateView) -> tuple[float, ...]:
    """What orders rates of the same window and the same worker: the work behind them, then anything."""
    return rate.value * rate.span_s, rate.high, rate.low, rate.span_s, rate.known


def largest_of(tallies: Sequence[Tally]) -> Tally:
    """Each counter at its largest."""
    largest = Counts()
    for name in COUNTED:
        setattr(largest, name, max(getattr(tally, name) for tally in tallies))
    rejects: dict[RejectKey, int] = {}
    for tally in tallies:
        for key, number in (tally.rejects or {}).items():
            rejects[key] = max(number, rejects.get(key, 0))
    largest.rejects = rejects
    return tally_of(largest)


def _precedence(node: NodeSnapshot) -> tuple[bool, int, float, str]:
    """Whose settings are shown: the leader's, else those of the newest configuration."""
    return node.leads, node.live.config_revision, -node.live.started_at, node.name


def _node_view(node: NodeSnapshot, lives: Sequence[LiveSnapshot]) -> NodeView:
    live, whole = node.live, sum(sorted(live.rate_1h.value for live in lives))
    return NodeView(
        name=node.name,
        host=node.host,
        version=live.version,
        state=node.state.value,
        leads=node.leads,
        started_at=live.started_at,
        connections=live.sessions,
        workers=sum(worker.connections > 0 for worker in live.workers),
        rate_5m=live.rate_5m,
        rate_1h=live.rate_1h,
        part=live.rate_1h.value / whole if whole > 0.0 else None,
        miner_address=live.miner_address,
        config_revision=live.config_revision,
        trouble=node.trouble,
    )


# --- Pools ------------------------------------------------------------------------------------------------------------


def _pools(nodes: Sequence[NodeSnapshot], first: NodeSnapshot) -> tuple[PoolView, ...]:
    """In the order of their keys; a pool that some nodes do not know yet, or any more, is shown too."""
    found: dict[PoolKey, list[tuple[str, PoolView]]] = {}
    for node in nodes:
        for pool in node.live.pools:
            found.setdefault(pool.key, []).append((node.name, pool))
    seconds = sum(sorted(pool.time_sum_s for node in nodes for pool in node.live.pools))
    keys = sorted(found, key=lambda key: (len(key), key))
    return tuple([_pool(found[key], first.live.pool(key), number, seconds) for number, key in enumerate(keys)])


def _pool(on: Sequence[tuple[str, PoolView]], leaders: PoolView | None, colour: int, all_seconds: float) -> PoolView:
    views = [view for _, view in on]
    status = min((view.status for view in views), key=_BEST_STATUS.index)
    best = [view for view in views if view.status is status]
    base = leaders if leaders is not None and leaders in best else best[0]
    seconds = sum(sorted(view.time_sum_s for view in views))
    return replace(
        base,
        colour=colour,
        status=status,
        reason="" if status is PoolStatus.UP and any(not view.reason for view in best) else base.reason,
        since=min(view.since for view in best),
        miners=sum(view.miners for view in views),
        connections=sum(view.connections for view in views),
        rate=sum_of_rates([view.rate for view in views]),
        delivered_5m=sum_of_rates([view.delivered_5m for view in views]),
        latency_ms=_mean([(view.latency_ms, view.connections) for view in views]),
        latency_p90_ms=_largest(view.latency_p90_ms for view in views),
        latency_p99_ms=_largest(view.latency_p99_ms for view in views),
        counts=largest_of([view.counts for view in views]),
        jobs=sum(view.jobs for view in views),
        last_share_at=_largest(view.last_share_at for view in views),
        last_job_at=_largest(view.last_job_at for view in views),
        last_block_at=_largest(view.last_block_at for view in views),
        height=_largest(view.height for view in views),
        payout_ok=False if any(view.payout_ok is False for view in views) else base.payout_ok,
        time_share=seconds / all_seconds if all_seconds else 0.0,
        time_sum_s=seconds,
        waiting_miners=sum(view.waiting_miners for view in views),
        shared=_shared([view.shared for view in views if view.shared is not None]),
        nodes=tuple(
            PoolOnNode(
                node=node,
                status=view.status,
                reason=view.reason,
                miners=view.miners,
                connections=view.connections,
                rate=view.rate,
                latency_ms=view.latency_ms,
            )
            for node, view in on
        ),
    )


def _shared(views: Sequence[SharedView]) -> SharedView | None:
    if not views:
        return None
    return SharedView(
        connections=sum(view.connections for view in views),
        miners=sum(view.miners for view in views),
        waiting=sum(view.waiting for view in views),
        apart=sum(view.apart for view in views),
    )


def _largest(values: Iterable[_Number | None]) -> _Number | None:
    return max((value for value in values if value is not None), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None)
    return sum(known) if known else None


def _mean(weighted: Sequence[tuple[float | None, int]]) -> float | None:
    """The mean; one without any weight counts as little."""
    known = sorted((value, weight or 1e-3) for value, weight in weighted if value is not None)
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if known else None


# --- Workers ----------------------------------------------------------------------------------------------------------


def _workers(lives: Sequence[LiveSnapshot]) -> tuple[WorkerView, ...]:
    """Connected ones first."""
    rows: dict[WorkerName, list[WorkerView]] = {}
    for live in lives:
        for worker in live.workers:
            rows.setdefault(worker.name, []).append(worker)
    merged = [views[0] if len(views) == 1 else _worker(views) for views in rows.values()]
    return tuple(sorted(merged, key=lambda worker: not worker.connections))


def _worker(views: Sequence[WorkerView]) -> WorkerView:
    """One name on several nodes: a miner that came over from another, or a rack under one name behind a balancer."""
    here = [view for view in views if view.connections] or list(views)
    newest = max(here, key=lambda view: (view.connected_at or 0.0, view.last_seen_at or 0.0, view.node))
    by_pool: dict[PoolKey, float] = {}
    for view in views:
        for key, work in view.by_pool.items():
            by_pool[key] = max(work, by_pool.get(key, 0.0))
    sessions = sorted(
        (session for view in views for session in view.sessions),
        key=lambda session: (session.connected_at or 0.0, session.session, session.peer),
    )
    aims = [view.shares_aim for view in here]
    return replace(
        newest,
        connections=sum(view.connections for view in views),
        node=", ".join(sorted(view.node for view in here)) if newest.connections else newest.node,
        rate_5m=sum_of_rates([view.rate_5m for view in views]),
        rate_1h=max([view.rate_1h for view in views], key=_work),
        rate_24h=max([view.rate_24h for view in views], key=_work),
        day_line=max(views, key=lambda view: (*_work(view.rate_24h), view.day_line)).day_line,
        shares_per_s=sum(sorted(view.shares_per_s for view in views)),
        shares_aim=None if None in aims else _sum(aims),
        counts=largest_of([view.counts for view in views]),
        by_pool=by_pool,
        best=max(view.best for view in views),
        last_share_at=_largest(view.last_share_at for view in views),
        last_seen_at=_largest(view.last_seen_at for view in views),
        excluded={key: why for view in sorted(here, key=lambda view: view.node) for key, why in view.excluded.items()},
        sessions=tuple(sessions[-SESSIONS_SHOWN:]),
    )


def _moves(lives: Sequence[LiveSnapshot], monotonic: float) -> Mapping[WorkerName, Moves]:
    """On one node's clock: what is open has lasted as long as it had on its own."""
    merged: dict[WorkerName, Moves] = {}
    for live in lives:
        ahead = monotonic - live.monotonic
        for name, moves in live.moves.items():
            stays = moves.stays
            if ahead:
                stays = {
                    key: stay._replace(since_sum=stay.since_sum + stay.open * ahead) if stay.open else stay
                    for key, stay in stays.items()
                }
            before = merged.get(name)
            merged[name] = Moves(moves.switches, stays) if before is None else _both(before, stays, moves.switches)
    return merged


def _both(before: Moves, stays: Mapping[PoolKey, Stay], switches: int) -> Moves:
    together = dict(before.stays)
    for key, stay in stays.items():
        known = together.get(key, Stay())
        together[key] = Stay(known.done_s + stay.done_s, known.open + stay.open, known.since_sum + stay.since_sum)
    return Moves(before.switches + switches, together)


def _marks(lives: Sequence[LiveSnapshot]) -> Mapping[WorkerName, ShareSum]:
    merged: dict[WorkerName, ShareSum] = {}
    for live in lives:
        for name, mark in live.marks.items():
            known = merged.get(name)
            merged[name] = mark if known is None else max(known, mark)
    return merged


# --- Work -------------------------------------------------------------------------------------------------------------


def _splits(lives: Sequence[LiveSnapshot]) -> tuple[SplitView, ...]:
    labels = dict.fromkeys(split.label for live in lives for split in live.splits)
    found = {label: [split for live in lives for split in live.splits if split.label == label] for label in labels}
    return tuple([_split(label, splits) for label, splits in found.items()])


def _split(label: str, splits: Sequence[SplitView]) -> SplitView:
    """Each node's parts count by the work that they are parts of."""
    worked = [split for split in splits if split.work > 0.0 and split.parts]
    work = sum(sorted(split.work for split in worked))
    keys = sorted({part.pool for split in worked for part in split.parts}, key=lambda key: (len(key), key))

    def sum_over(key: PoolKey, of: Callable[[SplitView, SplitPart], float]) -> float:
        return sum(sorted(of(split, part) for split in worked for part in split.parts if part.pool == key))

    return SplitView(
        label=label,
        since=min(split.since for split in worked or splits),
        work=work,
        parts=tuple(
            SplitPart(
                pool=key,
                delivered=sum_over(key, lambda split, part: split.work * part.delivered) / work,
                error=min(1.0, sqrt(sum_over(key, lambda split, part: (split.work * part.error) ** 2)) / work),
                wanted=sum_over(key, lambda split, part: split.work * part.wanted) / work,
            )
            for key in keys
        ),
    )


def _spark(lives: Sequence[LiveSnapshot], now: float) -> tuple[tuple[float, Mapping[PoolKey, float]], ...]:
    """Slots of the wall clock; each node's own begin when it started, and count for as long as they lie in one."""
    newest = now // SLOT_S * SLOT_S
    slots: list[tuple[float, Mapping[PoolKey, float]]] = []
    for begin in [newest - SLOT_S * back for back in reversed(range(SLOTS))]:
        length = min(SLOT_S, max(now - begin, LEAST_SLOT_S))
        rates: dict[PoolKey, list[float]] = {}
        for live in lives:
            for start, by_pool in live.spark:
                overlap = min(start + SLOT_S, begin + SLOT_S, max(live.at, start + LEAST_SLOT_S)) - max(start, begin)
                if overlap > 0.0:
                    for key, rate in by_pool.items():
                        rates.setdefault(key, []).append(rate * min(overlap, length) / length)
        slots.append((begin, {key: sum(sorted(parts)) for key, parts in sorted(rates.items())}))
    return tuple(slots)


# --- The rest ---------------------------------------------------------------------------------------------------------


def _alarms(nodes: Sequence[NodeSnapshot]) -> tuple[Alarm, ...]:
    """One that all nodes raise is everybody's; others say whose they are. The worst first."""
    raised: dict[Alarm, list[tuple[str, float]]] = {}
    for node in nodes:
        for alarm in node.live.alarms:
            raised.setdefault(replace(alarm, since=0.0, nodes=()), []).append((node.name, alarm.since))
    alarms = [
        replace(
            alarm,
            since=min([since for _, since in by if since], default=0.0),
            nodes=() if len({name for name, _ in by}) == len(nodes) else tuple(sorted({name for name, _ in by})),
        )
        for alarm, by in raised.items()
    ]
    return tuple(sorted(alarms, key=lambda alarm: alarm.level != "bad"))


def _listeners(nodes: Sequence[NodeSnapshot], first: NodeSnapshot) -> tuple[ListenerView, ...]:
    """The leader's; open only where it is on all nodes that know it."""
    found = []
    for listener in first.live.listeners:
        on = [(node.name, one) for node in nodes for one in node.live.listeners if one.id == listener.id]
        problems = [f"{name}: {one.problem}" for name, one in on if one.problem]
        found.append(
            replace(
                listener,
                is_open=all(one.is_open for _, one in on),
                problem="; ".join(problems),
                miners=sum(one.miners for _, one in on),
            )
        )
    return tuple(found)


def _switch_costs(lives: Sequence[LiveSnapshot]) -> tuple[SwitchCost, ...]:
    """By firmware; what was measured counts by its visits."""
    by_profile: dict[str, list[SwitchCost]] = {}
    for live in lives:
        for cost in live.switch_costs:
            by_profile.setdefault(cost.profile, []).append(cost)
    return tuple([_switch_cost(by_profile[profile]) for profile in sorted(by_profile)])


def _switch_cost(costs: Sequence[SwitchCost]) -> SwitchCost:
    switches, shares = sum(cost.switches for cost in costs), sum(cost.shares for cost in costs)

    def mean(of: Callable[[SwitchCost], float], weight: Callable[[SwitchCost], int], total: int) -> float:
        return sum(sorted(of(cost) * weight(cost) for cost in costs)) / max(1, total)

    squares = sum(sorted((cost.error_s * cost.switches) ** 2 for cost in costs))
    return SwitchCost(
        profile=costs[0].profile,
        switches=switches,
        shares=shares,
        measured_s=mean(lambda cost: cost.measured_s, lambda cost: cost.shares, shares),
        expected_s=mean(lambda cost: cost.expected_s, lambda cost: cost.shares, shares),
        cost_s=mean(lambda cost: cost.cost_s, lambda cost: cost.switches, switches),
        error_s=sqrt(squares) / max(1, switches),
    )


def _costly(lives: Sequence[LiveSnapshot]) -> tuple[CostlyView, ...]:
    """By address; refused where one node refuses it."""
    by_address: dict[str, list[CostlyView]] = {}
    for live in lives:
        for one in live.costly:
            by_address.setdefault(one.address, []).append(one)
    return tuple(
        [
            replace(
                max(many, key=lambda one: (one.slowed, one.what)),
                until=_largest(one.until for one in many),
                slowed=sum(one.slowed for one in many),
            )
            for many in by_address.values()
        ]
    )
