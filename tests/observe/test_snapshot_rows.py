"""Rows of workers are handed on while nothing is heard of them, and never tell what is no longer so."""

from dataclasses import replace

import pytest

from proxy.config.snapshot import Connections
from proxy.observe.live import rows
from proxy.observe.live.rows import RATES_KEPT_S, ROW_KEPT_S
from proxy.observe.live.snapshot import SnapshotBuilder
from proxy.observe.live.views import SharedView, WorkerView
from proxy.types import PoolKey, WorkerName
from tests.observe.test_snapshot_sessions import builder_of
from tests.support.shares import share
from tests.support.world import World


def row(builder: SnapshotBuilder, name: str = "rig") -> WorkerView:
    found = builder.build().worker(name)
    assert found is not None
    return found


def test_worker_that_nothing_was_heard_of_keeps_its_row_and_an_older_snapshot_stays_as_it_was() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    world.miner(user="addr.rig")
    world.advance(1)
    first = row(builder)
    world.advance(1)
    before = repr(first)
    assert row(builder) is first
    assert repr(first) == before


def test_share_difficulty_pool_and_pin_are_told_in_the_next_snapshot() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 100.0})
    builder = builder_of(world)
    miner = world.miner(user="addr.rig")
    world.advance(1)
    assert (row(builder).counts.accepted, row(builder).pool) == (0, "A")
    miner.submit()
    world.advance(0.1)
    assert row(builder).counts.accepted == 1 and row(builder).best > 0
    for connection in world.pools["A"].connections:
        connection.push("mining.set_difficulty", [3.0])
    world.pools["A"].notify()
    world.advance(0.1)
    assert row(builder).difficulty == 3.0
    world.engine.apply(replace(world.config, revision=2, pins={WorkerName("rig"): PoolKey("B")}))
    world.advance(0.1)
    moved = row(builder)
    assert (moved.pool, moved.pinned, moved.control) == ("B", "B", "pinned to B")


def test_rows_that_were_prepared_tell_what_happened_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "A_TURN", 2)
    world = World({"A": 8, "B": 8}, weights={"A": 100.0})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(5)]
    world.advance(1)
    assert list(builder.prepare()) == []
    builder.build()
    turns = 0
    for _ in builder.prepare():
        turns += 1
        miners[0].submit(nonce=f"{turns:08x}")
        world.advance(0.1)
        if turns == 1:
            miners[1].leave()
            miners[4].leave()
            world.advance(0.1)
            world.miner(user="addr.rig5")
            world.advance(0.1)
    assert turns == 2
    prepared, afresh = builder.build(), SnapshotBuilder(version="test", sources=builder.sources).build()
    assert [each.name for each in prepared.workers] == [each.name for each in afresh.workers]
    for one, other in zip(prepared.workers, afresh.workers, strict=True):
        a_minute_old = {"last_seen_at": 0.0, "day_line": b""}
        assert replace(one, **a_minute_old) == replace(other, **a_minute_old)
    assert row(builder, "rig0").counts.accepted == 2


def test_rows_are_prepared_for_no_configuration_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "A_TURN", 1)
    world = World({"A": 8, "B": 8}, weights={"A": 100.0})
    builder = builder_of(world)
    for number in range(3):
        world.miner(user=f"addr.rig{number}")
    world.advance(1)
    builder.build()
    preparing = builder.prepare()
    next(preparing)
    world.engine.apply(replace(world.config, revision=2, pins={WorkerName("rig0"): PoolKey("B")}))
    world.advance(0.1)
    assert list(preparing) == []
    assert row(builder, "rig0").control == "pinned to B"


def test_worker_that_comes_back_under_its_name_shows_its_new_connection_alone() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    miner = world.miner("bitaxe/BM1370/v2.6.0", "addr.rig")
    world.advance(1)
    assert row(builder).firmware == "Bitaxe"
    miner.leave()
    again = world.miner("cpuminer/2.5.1", "addr.rig")
    world.advance(1)
    found = row(builder)
    assert [one.session for one in found.sessions] == [again.session.id] and found.agent == "cpuminer/2.5.1"


def test_rates_go_on_falling_while_no_share_comes() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    miner = world.miner(user="addr.rig")
    for _ in range(30):
        world.advance(10)
        world.events.emit(share("rig", PoolKey("A"), 8.0, session=miner.session.id))
    before = row(builder)
    world.advance(ROW_KEPT_S + 1)
    later = row(builder)
    assert later.rate_5m.value < before.rate_5m.value and later.rate_1h is before.rate_1h
    assert later.counts.accepted == before.counts.accepted and later.best == before.best
    world.advance(RATES_KEPT_S)
    assert row(builder).rate_1h.value < before.rate_1h.value
    world.advance(400)
    assert row(builder).rate_5m.value == 0.0


def test_the_pages_say_how_long_miners_are_kept_without_a_pool_and_that_they_were_let_go() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    world.miner()
    world.advance(1)
    assert not [alarm for alarm in builder.build().alarms if alarm.kind == "pools"]
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(60)
    (alarm,) = [alarm for alarm in builder.build().alarms if alarm.kind == "pools"]
    assert "after 10 min" in alarm.text
    world.advance(600)
    (alarm,) = [alarm for alarm in builder.build().alarms if alarm.kind == "pools"]
    assert "No pool has worked for 10 min" in alarm.text


def test_the_aim_of_the_difficulty_is_told_while_the_miner_is_on_shared_connections() -> None:
    shared = {"connections": Connections.SHARED, "shares_per_minute": 12.0}
    world = World({"A": 8}, options={"A": shared})
    builder = builder_of(world)
    world.miner("bitaxe/BM1370/v2.15.0", "addr.rig")
    world.miner("bitaxe/BM1370/v2.15.0", "addr.pair")
    world.miner("bitaxe/BM1370/v2.15.0", "addr.pair")
    world.advance(2)
    assert (row(builder).shares_aim, row(builder, "pair").shares_aim) == (12.0, 24.0)
    world.configure(A={"shares_per_minute": 6.0})
    world.advance(1)
    assert row(builder).shares_aim == 6.0
    world.configure(A={"connections": Connections.OWN})
    world.advance(2)
    assert row(builder).shares_aim is None and row(builder, "pair").shares_aim is None


def test_a_pool_tells_its_shared_connections_and_who_waits_for_a_place() -> None:
    world = World({"A": 8, "B": 8})
    builder = builder_of(world)
    for number in range(5):
        world.miner("bitaxe/BM1370/v2.15.0", f"addr.rig{number}")
    world.advance(2)
    assert [pool.shared for pool in builder.build().pools] == [None, None]
    full = {"connections": Connections.SHARED, "most_miners": 2, "most_connections": 2}
    world.configure(A=full)
    world.advance(2)
    one, other = builder.build().pools
    assert one.shared == SharedView(connections=2, miners=4, waiting=1)
    assert other.shared is None
    world.configure(A={"connections": Connections.OWN})
    world.advance(15)
    assert builder.build().pools[0].shared is None
