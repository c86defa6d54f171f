"""Only workers of whom something was heard are looked at, and that misses nothing that looking at all would show."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import pytest

from proxy.alerts.evaluators import WORKER_CHECKS, Evaluators, Key
from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.config.snapshot import Connections, Limits
from proxy.history.counters import Counts
from proxy.history.rates import Work
from proxy.history.records import TOP, Record
from proxy.history.tallies import PastPresence, PastWork, Stored
from proxy.in_parts import at_once
from proxy.observe.events import ShareResult
from proxy.observe.live import changed, outlines, rows
from proxy.observe.live.changed import ChangedWorkers
from proxy.observe.live.outlines import Outlines
from proxy.observe.live.rows import ROW_KEPT_S, WorkerRows
from proxy.observe.live.snapshot import SnapshotBuilder
from proxy.types import Chain, PoolKey, Reason, Verdict, WorkerName
from tests.observe.test_snapshot_sessions import builder_of
from tests.support.shares import share
from tests.support.world import ScriptedMiner, World

NAMES = [f"rig{number}" for number in range(7)]
AGENTS = ["cpuminer/2.5.1", "bitaxe/BM1370/v2.15.0", "cgminer/4.11.1"]
STEPS = 120
THRESHOLDS = {AlertKind.WORKER_SILENT: 1.0, AlertKind.HASHRATE_DROP: 5.0, AlertKind.REJECT_RATE: 1.0}
RULES = AlertConfig(
    rules=tuple([replace(rule, threshold=THRESHOLDS.get(rule.kind, rule.threshold)) for rule in DEFAULT_RULES])
)


class Everybody(ChangedWorkers):
    """Has its reader look at all there are, each time."""

    def take(self, reader: object, known: Iterable[WorkerName], *, everybody: bool = False) -> list[WorkerName]:
        self._engine.events.settle()
        names = [*(session.worker for session in self._engine.sessions.values()), *self._accounting._workers, *known]
        return list(dict.fromkeys(names))

    def is_shown(self, worker: WorkerName) -> bool:
        away = [name for name in self._accounting._workers if name not in self._engine.workers.by_name]
        away.sort(key=lambda name: (self._accounting.last_share(name), name), reverse=True)
        return worker in away[: changed.AWAY_KEPT]


class History:
    """A small farm to which anything may happen, looked at in both ways."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.outlines_in, self.rows_in = self.random.choice([(1.0, 0.0), (0.0, 1.0), (0.0, 1.0), (0.5, 0.5)])
        """How often somebody reads them. Whoever reads after another one is shown all, which would hide much."""
        shared = self.random.random() < 0.5
        options = {"connections": Connections.SHARED, "shares_per_minute": 12.0} if shared else {}
        self.world = World({"A": 8, "B": 8}, options={"A": options, "B": {}})
        for pool in self.world.pools.values():
            pool.nbits = "1703fffc"  # no share is a block, nor a record: they come in sums
            pool.notify(new_block=True)
        self.world.events.unsubscribe(ShareResult, self.world.seen.append)
        self.builder: SnapshotBuilder = builder_of(self.world)
        self.builder.sources.records.restore([record_of(f"old{number}", 1e12) for number in range(TOP)])
        here = self.builder.sources
        self.engine, self.accounting, self.records = here.engine, here.accounting, here.records
        self.accounting.restore(
            [Stored(worker=WorkerName(name), pool=PoolKey("A"), counts=Counts()) for name in NAMES[:3]]
        )
        everybody = Everybody(engine=self.engine, accounting=self.accounting, records=self.records)
        self.outlines = Outlines(
            engine=self.engine, accounting=self.accounting, clock=self.world.clock, changed=everybody
        )
        self.rows = WorkerRows(
            engine=self.engine,
            accounting=self.accounting,
            records=self.records,
            clock=self.world.clock,
            changed=everybody,
        )
        self.rules = Evaluators(), Evaluators()
        self.wrong: dict[Key, str] = {}
        self.told: set[AlertKind] = set()
        self.miners: list[ScriptedMiner] = []
        self.nonce = 0

    # --- What happens ---------------------------------------------------------------------------------------------

    def step(self) -> None:
        happens: list[Callable[[], object]] = [
            *[self.come] * 4,
            *[self.submit] * 12,
            *[self.advance] * 6,
            self.leave,
            self.refused_share,
            self.suggest,
            self.configure_again,
            self.subscribe_again,
            self.new_difficulty,
            self.new_mask,
            self.block,
            self.lose_pool,
            self.refuse_users,
            self.another_size,
            self.pin,
            self.slide,
            self.share_connections,
            self.fewer_names,
            self.hear_of_other_nodes,
            self.remember_earlier_runs,
            self.remember_a_record,
        ]
        self.random.choice(happens)()

    def come(self) -> None:
        mask = self.random.choice([None, "1fffe000"])
        self.miners.append(self.world.miner(self.random.choice(AGENTS), f"addr.{self.name()}", mask=mask))

    def name(self) -> WorkerName:
        return WorkerName(self.random.choice(NAMES))

    def one(self) -> ScriptedMiner | None:
        self.miners = [miner for miner in self.miners if not miner.link.closed]
        return self.random.choice(self.miners) if self.miners else None

    def leave(self) -> None:
        if miner := self.one():
            miner.leave()

    def submit(self) -> None:
        if (miner := self.one()) and miner.all("mining.notify"):
            self.nonce += 1
            miner.submit(nonce=f"{self.nonce:08x}")
            self.world.advance(0.1)

    def refused_share(self) -> None:
        if miner := self.one():
            session = miner.session
            event = share(session.worker, session=session.id, verdict=Verdict.REJECTED, reason=Reason.STALE)
            self.world.events.emit(event)

    def suggest(self) -> None:
        if miner := self.one():
            miner.call("mining.suggest_difficulty", [self.random.choice([16, 512])])

    def configure_again(self) -> None:
        if miner := self.one():
            mask = self.random.choice(["1fffe000", "00ffe000"])
            miner.call("mining.configure", [["version-rolling"], {"version-rolling.mask": mask}])

    def subscribe_again(self) -> None:
        if miner := self.one():
            miner.call("mining.subscribe", [self.random.choice(AGENTS)])

    def pool(self) -> str:
        return self.random.choice("AB")

    def new_difficulty(self) -> None:
        pool = self.world.pools[self.pool()]
        for connection in pool.live():
            connection.push("mining.set_difficulty", [self.random.choice([1.0, 2.0, 3.0])])
        pool.notify()

    def new_mask(self) -> None:
        pool = self.world.pools[self.pool()]
        pool.mask = self.random.choice([0x1FFFE000, 0x00FFE000])
        for connection in pool.live():
            connection.push("mining.set_version_mask", [f"{pool.mask:08x}"])
        pool.notify()

    def block(self) -> None:
        self.world.pools[self.pool()].notify(new_block=True, clean=True)

    def lose_pool(self) -> None:
        pool = self.world.pools[self.pool()]
        pool.reachable = not pool.reachable
        if not pool.reachable:
            pool.drop()
            self.world.clock.call_at(self.world.clock.now() + 40.0, partial(setattr, pool, "reachable", True))

    def refuse_users(self) -> None:
        pool = self.world.pools[self.pool()]
        pool.refuse = "" if pool.refuse else "unknown user"
        pool.drop()
        self.world.clock.call_at(self.world.clock.now() + 90.0, partial(setattr, pool, "refuse", ""))

    def another_size(self) -> None:
        pool = self.world.pools["B"]
        pool.size = 2 if pool.size == 8 else 8
        pool.drop()

    def pin(self) -> None:
        pins = {self.name(): PoolKey(self.pool())}
        self.world.config = replace(self.world.config, revision=self.world.config.revision + 1, pins=pins)
        self.engine.apply(self.world.config)

    def slide(self) -> None:
        part = self.random.choice([0.0, 30.0, 100.0])
        self.world.slider(A=part, B=100.0 - part)

    def share_connections(self) -> None:
        self.world.configure(A={"connections": self.random.choice([Connections.SHARED, Connections.OWN])})

    def fewer_names(self) -> None:
        limits = Limits(max_workers=self.random.choice([4, 100]))
        self.accounting.apply(replace(self.world.config, limits=limits))

    def hear_of_other_nodes(self) -> None:
        counts = Counts()
        counts.accepted = 1000 + self.nonce
        self.accounting.refresh([Stored(worker=self.name(), pool=PoolKey("A"), counts=counts)], {}, {})

    def remember_earlier_runs(self) -> None:
        now = self.world.clock.now()
        presence = PastPresence(now - 50.0, now - 90.0, now - 9.0)
        slots = ((PoolKey("A"), now - 200.0, Work(1e3, 1e5, 10)),)
        self.accounting.resume(PastWork(worker=self.name(), slots=slots, presence=presence))

    def remember_a_record(self) -> None:
        self.records.restore([record_of(self.name(), 1e8 * self.random.random())])

    def advance(self) -> None:
        self.world.advance(self.random.choice([0.1, 1.0, 4.0, ROW_KEPT_S, 30.0, 70.0, 400.0]))
        for pool in self.engine.pools.values():
            assert pool.connections == sum(connection.is_open for connection in pool._all())

    # --- What is seen ---------------------------------------------------------------------------------------------

    def look(self) -> None:
        builder, engine = self.builder, self.engine
        if self.random.random() < self.outlines_in:
            at_once(builder._outlines.make())
            at_once(self.outlines.make())
            assert {one.name: one for one in builder._outlines.outlines()} == {
                one.name: one for one in self.outlines.outlines()
            }
            self.look_for_alerts()
        if self.random.random() < self.rows_in:
            control = engine.scheduler.snapshot().control
            views, all_anew = at_once(builder._rows.make(control)), at_once(self.rows.make(control))
            assert {view.name: view for view in views} == {view.name: view for view in all_anew}
            assert len(views) == len(all_anew)
            started = [session for session in engine.sessions.values() if session.started]
            unusable = Counter(key for session in started for key in session.eligible.unusable)
            assert +builder._rows.excluded == unusable
            idle = {view.name for view in views if view.connections and view.pool is None}
            assert set(builder._rows.without_work) == idle
            assert {view.name: view.connections for view in views if view.connections} == Counter(
                session.worker for session in started
            )

    def look_for_alerts(self) -> None:
        builder, now = self.builder, self.world.clock.now()
        if builder._whole is None:
            builder.build()
        live = replace(builder.outline(), outlines=builder._outlines.outlines())
        by_change, all_anew = self.rules
        all_anew._holds_for = None
        found, expected = [
            at_once(rules.evaluate(live, now, RULES, lambda key: key in self.wrong)).wrong
            for rules in (by_change, all_anew)
        ]
        assert found == expected
        self.wrong = found
        self.told |= {kind for kind, _ in found}


def record_of(worker: str, true_difficulty: float) -> Record:
    return Record(
        worker=WorkerName(worker),
        chain=Chain.OTHER,
        pool=PoolKey("A"),
        true_difficulty=true_difficulty,
        at=0.0,
        header_hash=b"",
    )


@pytest.mark.parametrize("seed", range(12))
def test_what_is_made_of_those_that_changed_is_what_looking_at_all_makes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, number in ((changed, "AWAY_KEPT", 3), (rows, "A_TURN", 2), (outlines, "OUTLINES_A_TURN", 2)):
        monkeypatch.setattr(module, name, number)
    history = History(seed)
    for _ in range(STEPS):
        history.step()
        history.look()


def test_those_histories_have_something_for_rules_about_workers() -> None:
    told: set[AlertKind] = set()
    for seed in range(6):
        history = History(seed)
        history.outlines_in, history.rows_in = 1.0, 0.0
        for _ in range(STEPS):
            history.step()
            history.look()
        told |= history.told
    assert told >= WORKER_CHECKS.keys() - {AlertKind.HASHRATE_DROP}
