"""The read model tells each connection of a worker and the usual time between a pool's jobs."""

from dataclasses import replace

import pytest

from proxy.chains.chain_observer import ChainObserver
from proxy.chains.payout import PayoutCheck
from proxy.config.snapshot import ScheduleConfig
from proxy.history import Accounting
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.split import SplitMeter
from proxy.observe.live import rows
from proxy.observe.live.snapshot import SnapshotBuilder, Sources
from proxy.types import PoolKey, WorkerName
from tests.support.world import World


def builder_of(world: World) -> SnapshotBuilder:
    clock, events = world.clock, world.events
    accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=1.0)
    return SnapshotBuilder(
        version="test",
        sources=Sources(
            engine=world.engine,
            accounting=accounting,
            clock=clock,
            chain=ChainObserver(clock=clock, events=events, hashes_per_difficulty=1.0),
            splits=SplitMeter(clock=clock, events=events, accounting=accounting),
            payouts=PayoutCheck(clock=clock, events=events, coinbases_of=world.engine.coinbases_of),
            records=Records(clock=clock, events=events),
            effort=EffortMeter(clock=clock, events=events, accounting=accounting),
        ),
    )


def test_each_connection_of_a_worker_is_told_with_what_its_miner_was_told() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    first = world.miner("cpuminer/2.5.1", "addr.rig", mask="1fffe000")
    second = world.miner("bitaxe/BM1370/v2.6.0", "addr.rig")
    second.call("mining.suggest_difficulty", [512])
    world.advance(1)
    worker = builder.build().worker("rig")
    assert worker is not None and worker.connections == 2
    one, other = worker.sessions
    assert [one.agent, other.agent] == ["cpuminer/2.5.1", "bitaxe/BM1370/v2.6.0"]
    assert [one.session, other.session] == [first.session.id, second.session.id]
    assert (one.peer, one.pool, one.difficulty) == ("10.0.0.1", "A", first.difficulty)
    assert (one.extranonce1, one.extranonce2_size) == first.subscribed()
    assert (one.version_mask, other.version_mask) == (0x1FFFE000, None)
    assert (one.suggested_difficulty, other.suggested_difficulty) == (None, 512)
    assert other.firmware == "Bitaxe" and other.connected_at == world.clock.wall() - 1


def test_connection_without_work_says_why() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(30)
    world.miner(user="addr.rig")
    world.advance(5)
    worker = builder.build().worker("rig")
    assert worker is not None
    (session,) = worker.sessions
    assert session.pool is None and session.waiting == worker.waiting != ""


def test_worker_that_is_away_has_no_session() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    miner = world.miner(user="addr.rig")
    world.advance(1)
    miner.submit()
    world.advance(1)
    miner.leave()
    world.advance(1)
    worker = builder.build().worker("rig")
    assert worker is not None and worker.connections == 0 and worker.sessions == ()


def test_only_the_newest_connections_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "SESSIONS_SHOWN", 2)
    world = World({"A": 8})
    builder = builder_of(world)
    miners = [world.miner(user="addr.rig") for _ in range(4)]
    world.advance(1)
    worker = builder.build().worker("rig")
    assert worker is not None and worker.connections == 4
    assert [one.session for one in worker.sessions] == [miner.session.id for miner in miners[2:]]


def test_time_between_jobs_is_that_of_one_connection_however_many_miners_there_are() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 50.0, "B": 50.0})
    builder = builder_of(world)
    for name in ("one", "two", "three"):
        world.miner(user=f"addr.{name}")
    world.advance(10)
    before = builder.build().pool("A")
    assert before is not None and before.job_gap_s is None
    for _ in range(40):
        world.advance(10)
        world.pools["A"].notify()
        world.advance(20)
        world.pools["A"].notify()
        world.pools["B"].notify()
    snap = builder.build()
    assert snap.worker(WorkerName("one")) is not None
    usual = {pool.key: pool.job_gap_s for pool in snap.pools}
    assert usual["A"] == pytest.approx(15, abs=3) and usual["B"] == pytest.approx(30, abs=1)


@pytest.mark.parametrize("special", [False, True])
def test_each_worker_is_told_what_decides_where_it_works(special: bool) -> None:
    world = World({"A": 8, "B": 8})
    builder = builder_of(world)
    for name in ("one", "two", "three"):
        world.miner(user=f"addr.{name}")
    own = ScheduleConfig(id=2, name="for three", allocations=((PoolKey("B"), 1.0),), workers="three", priority=5)
    world.engine.apply(
        replace(
            world.config,
            revision=2,
            pins={WorkerName("two"): PoolKey("B")},
            schedules=(*world.config.schedules, *([own] if special else [])),
        )
    )
    world.advance(1)
    found = {worker.name: worker.control for worker in builder.build().workers}
    assert found == {"one": "main", "two": "pinned to B", "three": "for three" if special else "main"}
