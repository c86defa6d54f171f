"""Builds the read model from the engine and the parts that count, a few times a second at most, on the loop."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from proxy.chains.chain_observer import ChainObserver
from proxy.chains.luck import effort
from proxy.chains.payout import PayoutCheck
from proxy.config.snapshot import Connections, ListenerConfig
from proxy.engine.engine import Engine
from proxy.engine.pool import UpstreamPool
from proxy.history import Accounting, PoolTally
from proxy.history.counters import NO_SHARES
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.split import SplitMeter
from proxy.history.switch_cost import SwitchCosts
from proxy.in_parts import at_once
from proxy.observe.events import DifficultySent
from proxy.observe.live.alarms import alarms_of
from proxy.observe.live.changed import ChangedWorkers
from proxy.observe.live.moves import FleetMoves, ShareSum
from proxy.observe.live.outlines import Outlines
from proxy.observe.live.rows import WorkerRows, rate_view
from proxy.observe.live.views import (
    ControlView,
    CostlyView,
    ListenerView,
    LiveSnapshot,
    PoolView,
    RateView,
    SharedView,
    SplitPart,
    SplitView,
    WorkerView,
)
from proxy.ports import Clock
from proxy.scheduling.snapshot import PoolAllocation, SchedulerSnapshot
from proxy.sentence import sentence
from proxy.text import address_text
from proxy.types import ListenerId, PoolKey, WorkerName


class Ports(Protocol):
    """What is known of the ports for miners."""

    def address(self, ident: ListenerId) -> tuple[str, int] | None:
        """Where a listener is open; None while it is not."""

    def problem(self, ident: ListenerId) -> str:
        """Why a listener is not open; "" if it is, or is not meant to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a snapshot is made from."""

    engine: Engine
    accounting: Accounting
    chain: ChainObserver
    splits: SplitMeter
    payouts: PayoutCheck
    records: Records
    effort: EffortMeter
    clock: Clock
    ports: Ports | None = None
    database_trouble: Callable[[], str] = lambda: ""
    extra: Callable[[], Mapping[str, object]] = dict
    rows_are_read: Callable[[], bool] = lambda: False
    """Whether somebody goes by the rows of all workers, also where no pages are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look at all miners found, each as its turn found it."""

    schedule: SchedulerSnapshot
    excluded: Mapping[PoolKey, int]
    """How many miners cannot use a pool."""
    workers: tuple[WorkerView, ...]
    without_work: Sequence[WorkerName]
    """Those of ``workers`` that are there and work nowhere."""
    marks: Mapping[WorkerName, ShareSum]
    old: list[WorkerView]
    """Rows whose place others have now."""


@dataclass(slots=True, kw_only=True)
class SnapshotBuilder:
    """Makes ``LiveSnapshot``s. ``config_problems`` is set by whoever loads the configuration."""

    sources: Sources
    version: str
    node: str = ""
    """The node's name, for its workers' rows."""
    demo: bool = False
    miner_address: str = ""
    config_problems: tuple[str, ...] = ()
    command_line: Mapping[str, str | int] = field(default_factory=dict)
    _last_difficulty: float = 0.0
    _revision: int = 0
    _started_at: float = field(default=0.0)
    _switch_costs: SwitchCosts = field(init=False)
    _rows: WorkerRows = field(init=False)
    _outlines: Outlines = field(init=False)
    _whole: LiveSnapshot | None = field(init=False, default=None)
    """The last one that ``build`` made."""
    _allocations: Mapping[PoolKey, PoolAllocation] = field(init=False, default_factory=dict)
    """As they were then, or when gauges were looked at."""
    _moves: FleetMoves = field(init=False)

    def __post_init__(self) -> None:
        here = self.sources
        changed = ChangedWorkers(engine=here.engine, accounting=here.accounting, records=here.records)
        self._rows = WorkerRows(
            engine=here.engine,
            accounting=here.accounting,
            records=here.records,
            clock=here.clock,
            changed=changed,
            node=self.node,
        )
        self._outlines = Outlines(engine=here.engine, accounting=here.accounting, clock=here.clock, changed=changed)
        self._started_at = self.sources.clock.wall()
        self.sources.engine.events.subscribe(DifficultySent, self._on_difficulty)
        self._moves = FleetMoves(
            clock=here.clock, events=here.engine.events, most=lambda: here.engine.config.limits.max_workers
        )
        self._switch_costs = SwitchCosts(clock=here.clock, events=here.engine.events, share_s=here.engine.share_s)

    def _on_difficulty(self, event: DifficultySent) -> None:
        self._last_difficulty = event.difficulty

    def look(self) -> Generator[None, None, Found]:
        """Look at all miners, for ``build``, with breaks in which others have their turn."""
        engine, config = self.sources.engine, self.sources.engine.config
        found = yield from self._look()
        if engine.config is not config:  # pins and names of another one: begin anew, once
            found = yield from self._look()
        return found

    def _look(self) -> Generator[None, None, Found]:
        rows = self._rows
        schedule = yield from self.sources.engine.scheduler.snapshot_in_parts()
        workers, new = (yield from rows.make(schedule.control)), dict(rows.new)
        marks = yield from self._moves.marks(workers, list(new.values()))
        rows.new = {name: view for name, view in rows.new.items() if name not in new}
        old, rows.old = rows.old, []
        return Found(
            schedule=schedule,
            excluded=dict(rows.excluded),
            workers=workers,
            without_work=list(rows.without_work),
            marks=marks,
            old=old,
        )

    @property
    def may_outline(self) -> bool:
        """Whether ``outline`` says enough where no pages are served: there is a whole snapshot, and none is due."""
        return self._whole is not None and not self._moves.mark_is_due and not self.sources.rows_are_read()

    def look_for_outline(self) -> Generator[None, None, None]:
        """The same for ``outline``."""
        yield from self._outlines.make()

    def look_for_gauges(self) -> Generator[None, None, None]:
        """The same, where metrics that tell nothing of single workers are about to be read as well."""
        yield from self._outlines.make()
        self._allocations = yield from self.sources.engine.scheduler.allocations_in_parts()

    def outline(self) -> LiveSnapshot:
        """The last whole snapshot with what alert rules, ``/readyz`` and gauges ask for as it is now.

        Not before ``build``; of the workers as ``look_for_outline`` found them.
        """
        here, whole = self.sources, self._whole
        assert whole is not None
        self._revision += 1
        fleet = here.accounting.fleet()
        waiting = {pool.key: pool.waiting_miners for pool in whole.pools}
        return replace(
            whole,
            revision=self._revision,
            at=here.clock.wall(),
            monotonic=here.clock.now(),
            pools=self._pools(waiting),
            outlines=self._outlines.outlines(),
            rate_5m=rate_view(fleet.rates.m5),
            rate_1h=rate_view(fleet.rates.h1),
            rate_24h=rate_view(fleet.rates.h24),
            spark=self._spark(),
            sessions=len(here.engine.sessions),
            last_difficulty=self._last_difficulty,
            counts=fleet.total,
            switch_costs=self._switch_costs.costs(),
            miner_address=self.miner_address,
            hashes_per_difficulty=here.engine.hashes_per_difficulty,
            config_problems=self.config_problems,
            config_revision=here.engine.config.revision,
            command_line=self.command_line,
            extra=here.extra(),
        )

    def build(self, found: Found | None = None) -> LiveSnapshot:
        """Everything about now; of the miners what was ``found`` just now, None: look at all of them at once."""
        here = self.sources
        found = found or at_once(self.look())
        self._revision += 1
        self._allocations = found.schedule.pools
        fleet = here.accounting.fleet()
        pools = self._pools(found.excluded)
        listeners = self._listeners()
        self._whole = LiveSnapshot(
            revision=self._revision,
            at=here.clock.wall(),
            started_at=self._started_at,
            version=self.version,
            pools=pools,
            workers=found.workers,
            control=_control(found.schedule),
            splits=self._splits(),
            rate_5m=rate_view(fleet.rates.m5),
            rate_1h=rate_view(fleet.rates.h1),
            rate_24h=rate_view(fleet.rates.h24),
            spark=self._spark(),
            sessions=len(here.engine.sessions),
            last_difficulty=self._last_difficulty,
            counts=fleet.total,
            alarms=tuple(
                alarms_of(
                    here.engine,
                    here.chain,
                    here.clock,
                    config_problems=self.config_problems,
                    database_trouble=here.database_trouble(),
                    pools=pools,
                    listeners=listeners,
                    without_work=found.without_work,
                )
            ),
            miner_address=self.miner_address,
            listeners=listeners,
            hashes_per_difficulty=here.engine.hashes_per_difficulty,
            demo=self.demo,
            config_problems=self.config_problems,
            config_revision=here.engine.config.revision,
            command_line=self.command_line,
            extra=here.extra(),
            switch_costs=self._switch_costs.costs(),
            costly=_costly(here.engine, here.clock),
            monotonic=here.clock.now(),
            moves=self._moves.moves(),
            marks=found.marks,
        )
        return self._whole

    # --- Pools ----------------------------------------------------------------------------------------------------

    def _pools(self, waiting: Mapping[PoolKey, int]) -> tuple[PoolView, ...]:
        """All of them; ``waiting``: how many miners each excludes."""
        seconds = sum(part.seconds for part in self._allocations.values())
        return tuple(
            [
                self._pool(pool, number, seconds, waiting.get(pool.key, 0))
                for number, pool in enumerate(_ordered(self.sources.engine))
            ]
        )

    def _pool(self, pool: UpstreamPool, number: int, all_seconds: float, excluded: int) -> PoolView:
        here, key = self.sources, pool.key
        tally = here.accounting.pool(key)
        chain = here.chain.pool(key)
        payout = here.payouts.view(key)
        part = self._allocations.get(key)
        since_block = here.effort.since_block(key)
        return PoolView(
            key=key,
            name=pool.config.label,
            chain=pool.config.chain,
            status=pool.status,
            admin=pool.config.status,
            colour=number,
            reason=_reason(pool),
            since=self._wall(pool.health.since),
            endpoint=str(pool.endpoint),
            weight=part.weight if part else 0.0,
            target=part.target if part else 0.0,
            miners=part.miners if part else 0,
            connections=pool.connections,
            rate=RateView(value=part.rate, low=part.rate, high=part.rate, known=part.rate > 0) if part else RateView(),
            delivered_5m=rate_view(here.accounting.pool_rate_5m(key)),
            difficulty=pool.difficulty,
            **_latency(tally),
            counts=tally.total if tally else NO_SHARES,
            jobs=pool.jobs,
            last_share_at=tally.last_share_at if tally else None,
            last_job_at=self._wall(pool.last_job_at) if pool.last_job_at is not None else None,
            job_gap_s=pool.job_gap_s,
            height=chain.height or None if chain else None,
            network_difficulty=chain.network_difficulty if chain else None,
            last_block_at=chain.block_seen_at if chain else None,
            block_delay_ms=chain.behind_s * 1e3 if chain and chain.behind_s is not None else None,
            effort=effort(since_block, chain.network_difficulty) if chain else None,
            payout_percent=payout.percent if payout and not payout.problem else None,
            payout_ok=payout.ok if payout else None,
            extranonce2_size=pool.extranonce2_size,
            version_mask=pool.version_mask,
            time_share=part.seconds / all_seconds if part and all_seconds else 0.0,
            time_sum_s=part.seconds if part else 0.0,
            waiting_miners=excluded,
            shared=_shared(here.engine, key),
        )

    # --- Listeners ------------------------------------------------------------------------------------------------

    def _listeners(self) -> tuple[ListenerView, ...]:
        return tuple([self._listener(config) for config in self.sources.engine.config.miner_listeners])

    def _listener(self, config: ListenerConfig) -> ListenerView:
        here = self.sources
        bound = here.ports.address(config.id) if here.ports is not None else None
        return ListenerView(
            id=config.id,
            name=config.name,
            address=address_text(*(bound or (config.host, config.port))),
            is_open=bound is not None,
            enabled=config.enabled,
            tls=config.tls,
            behind_balancer=bool(config.proxy_networks),
            problem=here.ports.problem(config.id) if here.ports is not None else "",
            miners=here.engine.miners_through[config.id],
            row=config.row,
            port=config.port,
            needs_password=bool(here.engine.config.access_of(config.id).password),
            directives=config.directives.letters,
        )

    # --- The rest -------------------------------------------------------------------------------------------------

    def _splits(self) -> tuple[SplitView, ...]:
        return tuple(
            SplitView(
                label=split.span.value,
                since=split.since,
                parts=tuple(
                    SplitPart(pool=part.pool, delivered=part.delivered, error=part.error, wanted=part.wanted)
                    for part in split.parts
                ),
                work=split.work,
            )
            for split in self.sources.splits.splits()
        )

    def _spark(self) -> tuple[tuple[float, dict[PoolKey, float]], ...]:
        return tuple((at, dict(rates)) for at, rates in self.sources.accounting.spark())

    def _wall(self, monotonic: float) -> float:
        clock = self.sources.clock
        return clock.wall() - (clock.now() - monotonic)


def _shared(engine: Engine, key: PoolKey) -> SharedView | None:
    together, apart = engine.sharing.connections.get(key), 0
    if together is None:
        return None
    there = [each for each in together if not each.is_over]
    if not there and not together.waiting and together.pool.config.connections is Connections.OWN:
        return None
    if key in engine.sharing:
        apart = sum(key in engine.sessions[ident].links for ident in engine.sharing.apart())
    miners = sum(len(each.miners) for each in there)
    return SharedView(connections=len(there), miners=miners, waiting=together.waiting, apart=apart)


def _ordered(engine: Engine) -> list[UpstreamPool]:
    """In the order of their keys, so that a pool's colour does not depend on when it was added."""
    return [engine.pools[key] for key in sorted(engine.pools, key=lambda key: (len(key), key))]


def _latency(tally: PoolTally | None) -> dict[str, Any]:
    if tally is None or not tally.round_trip.count:
        return {}
    trip = tally.round_trip
    return {"latency_ms": trip.p50 * 1e3, "latency_p90_ms": trip.p90 * 1e3, "latency_p99_ms": trip.p99 * 1e3}


def _reason(pool: UpstreamPool) -> str:
    if pool.refusal:
        return sentence("the pool refuses our user: {answer}", answer=pool.refusal)
    return pool.health.reason


def _control(schedule: SchedulerSnapshot) -> ControlView:
    control = schedule.control
    return ControlView(
        source=control.source,
        detail=control.detail,
        mode=control.mode.value,
        weights=dict(control.weights),
        schedule_id=control.schedule_id,
        set_by=control.set_by,
        since=control.since or None,
        until=control.until,
        policy=schedule.policy,
        min_switch_s=control.min_switch_s,
        follows_in_s=schedule.follows_in_s,
    )


def _costly(engine: Engine, clock: Clock) -> tuple[CostlyView, ...]:
    return tuple(
        CostlyView(
            address=costly.name,
            until=round(clock.wall() + costly.refused_s) if costly.refused_s else None,
            slowed=costly.slowed,
            what=costly.what,
        )
        for costly in engine.connection_control.peer_costs.costly(clock.now())
    )
