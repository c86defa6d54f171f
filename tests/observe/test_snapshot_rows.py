"""Rows of workers are handed on while nothing is heard of them, and never tell what is no longer so."""

from dataclasses import replace

import pytest
from django.utils.translation import override

from dashboard.said import said
from proxy.config.snapshot import Connections, Limits
from proxy.in_parts import at_once
from proxy.observe.live import moves, rows
from proxy.observe.live.alarms import LIMIT_SHOWN_S
from proxy.observe.live.rows import RATES_KEPT_S, ROW_KEPT_S
from proxy.observe.live.snapshot import SnapshotBuilder
from proxy.observe.live.views import SharedView, WorkerView
from proxy.scheduling.tuning import DEFAULT_TUNING
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


def test_rows_of_many_are_as_their_turn_found_them_and_the_next_ones_tell_what_happened_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "A_TURN", 2)
    world = World({"A": 8, "B": 8}, weights={"A": 100.0})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(5)]
    world.advance(1)
    builder.build()
    world.advance(ROW_KEPT_S)
    making = builder._rows.make(world.engine.scheduler.snapshot().control)
    next(making)
    next(making)
    miners[0].submit()
    miners[4].submit()
    miners[1].leave()
    miners[3].leave()
    world.miner(user="addr.rig5")
    world.advance(0.1)
    made = at_once(making)
    assert [(each.name, each.connections, each.pool, each.counts.accepted) for each in made] == [
        ("rig0", 1, "A", 0),
        ("rig1", 1, "A", 0),
        ("rig2", 1, "A", 0),
        ("rig3", 0, None, 0),
        ("rig4", 1, "A", 1),
    ]
    after, afresh = builder.build(), SnapshotBuilder(version="test", sources=builder.sources).build()
    assert {each.name for each in after.workers if each.connections} == {"rig0", "rig2", "rig4", "rig5"}
    assert len(after.workers) == len(afresh.workers) == 6
    for one in after.workers:
        other = afresh.worker(one.name)
        assert other is not None
        a_minute_old = {"last_seen_at": 0.0, "day_line": b""}
        assert replace(one, **a_minute_old) == replace(other, **a_minute_old)


def test_no_turn_looks_at_all_miners_and_others_come_and_go_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "A_TURN", 1)
    monkeypatch.setattr(moves, "MARKS_A_TURN", 1)
    world = World({"A": 8, "B": 8})
    world.engine.scheduler._tuning = replace(DEFAULT_TUNING, at_once=1)
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(4)]
    world.advance(1)
    pauses = sum(1 for _ in builder.look())
    assert pauses >= 5 * 4
    for pause in range(pauses + 1):
        look = builder.look()
        for _ in range(pause):
            next(look, None)
        miners.pop(0).leave()
        miners.append(world.miner(user=f"addr.rig{4 + pause}"))
        world.advance(0.1)
        found = at_once(look)
        builder.build(found)
        then = builder.build()
        assert sum(pool.miners for pool in then.pools) == then.sessions == 4
        assert not then.alarms


def test_rows_are_those_of_the_configuration_that_came_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "A_TURN", 1)
    world = World({"A": 8, "B": 8}, weights={"A": 100.0})
    builder = builder_of(world)
    for number in range(3):
        world.miner(user=f"addr.rig{number}")
    world.advance(1)
    builder.build()
    pauses = sum(1 for _ in builder.look())
    for pause in range(pauses):
        pool = "AB"[pause % 2]
        look = builder.look()
        for _ in range(pause):
            next(look)
        pins = {WorkerName("rig0"): PoolKey(pool)}
        world.engine.apply(replace(world.config, revision=2 + pause, pins=pins))
        world.advance(0.1)
        live = builder.build(at_once(look))
        (rig0,) = [each for each in live.workers if each.name == "rig0"]
        assert (live.config_revision, rig0.pinned, rig0.control) == (2 + pause, pool, f"pinned to {pool}")


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


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        (Limits(max_sessions=2, max_sessions_per_address=9), "maximum miners"),
        (Limits(max_sessions=9, max_sessions_per_address=2), "maximum miners per address"),
        (Limits(connects_per_minute=2), "new connections per address and minute"),
    ],
)
def test_a_limit_that_refuses_miners_is_an_alarm_with_the_name_of_the_setting(limits: Limits, setting: str) -> None:
    world = World({"A": 8})
    world.engine.apply(replace(world.config, limits=limits))
    builder = builder_of(world)
    for _ in range(2):
        world.next_peer = "192.0.2.1:1"
        world.miner()
    world.advance(1)
    assert not builder.build().alarms
    assert world.engine.connect("192.0.2.1:2") is None
    (alarm,) = builder.build().alarms
    assert alarm.kind == "limit" and f'("{setting}" in the proxy settings)' in alarm.text
    with override("de"):
        assert "in den Proxy-Einstellungen" in said(alarm.text)
    world.advance(LIMIT_SHOWN_S + 1)
    assert not builder.build().alarms


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


def test_a_pool_tells_who_shares_no_connection_until_it_connects_anew() -> None:
    world = World({"A": 4, "B": 4})
    builder = builder_of(world)
    miners = [world.miner("Antminer S19/1.0", f"addr.rig{number}") for number in range(3)]
    rented = world.miner("nicehash/1.0", "addr.rented")
    world.advance(2)
    assert [miner.subscribed() for miner in (*miners, rented)] == [("", 4)] * 4
    world.configure(A={"connections": Connections.SHARED})
    world.advance(2)
    shared = [pool.shared for pool in builder.build().pools]
    assert shared == [SharedView(apart=3), None], "rented hash rate would be no better off"
    miners[0].leave()
    world.miner("Antminer S19/1.0", "addr.rig0")
    world.advance(2)
    assert builder.build().pools[0].shared == SharedView(connections=1, miners=1, apart=2)
    for miner in miners[1:]:
        miner.leave()
    world.advance(1)
    assert builder.build().pools[0].shared == SharedView(connections=1, miners=1)
