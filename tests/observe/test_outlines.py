"""Where nobody looks at workers' rows, alert rules are told of each worker what its row would have said."""

from dataclasses import replace

import pytest

from proxy.alerts.evaluators import Evaluators
from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.in_parts import at_once
from proxy.observe.live import outlines
from proxy.observe.live.gauges import SnapshotGauges
from proxy.observe.live.moves import MARK_EVERY_S
from proxy.observe.live.rows import RATES_KEPT_S
from proxy.observe.live.snapshot import SnapshotBuilder
from proxy.observe.live.views import LiveSnapshot, LiveStore, WorkerOutline
from proxy.observe.metrics import Gauges
from proxy.types import PoolStatus, Reason, Verdict
from tests.observe.test_snapshot_sessions import builder_of
from tests.support.shares import share
from tests.support.world import World


def outlined(builder: SnapshotBuilder) -> LiveSnapshot:
    for _ in builder.look_for_outline():
        pass
    return builder.outline()


def of_workers(live: LiveSnapshot) -> dict[str, tuple[object, ...]]:
    """What alert rules read."""
    return {
        one.name: (
            one.connections,
            one.counts.good,
            one.counts.rejected,
            one.connected_at,
            one.last_share_at and round(one.last_share_at, 3),
            *((one.rate_1h, one.rate_24h) if one.connections else (one.last_seen_at and round(one.last_seen_at, 3),)),
            one.waiting,
            one.difficulty,
        )
        for one in live.watched
    }


def test_outlines_say_what_the_rows_say_of_workers_that_come_work_wait_and_leave() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(4)]
    world.advance(1)
    builder.build()
    for step in range(8):
        for miner in miners[step % 2 :: 2]:
            miner.submit(nonce=f"{step:08x}")
        if step == 2:
            world.events.emit(
                share(
                    miners[0].session.worker,
                    session=miners[0].session.id,
                    verdict=Verdict.REJECTED,
                    reason=Reason.STALE,
                )
            )
        if step == 4:
            miners[3].leave()
            world.miner(user="addr.rig1")
        if step == 6:
            world.pools["A"].reachable = False
            world.pools["A"].drop()
        world.advance(RATES_KEPT_S + 1)
        world.events.settle()
        short = outlined(builder)
        assert short.outlines is not None
        whole = builder.build()
        assert of_workers(short) == of_workers(whole)
        assert [(pool.key, pool.status, pool.reason, pool.counts) for pool in short.pools] == [
            (pool.key, pool.status, pool.reason, pool.counts) for pool in whole.pools
        ]
        assert (short.at, short.counts, short.sessions) == (whole.at, whole.counts, whole.sessions)
    assert any(one.waiting for one in whole.workers)
    assert any(not one.connections for one in whole.workers)


def test_rules_find_the_same_in_outlines_as_in_rows() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(3)]
    world.advance(1)
    builder.build()
    miners[0].submit()
    miners[1].submit()
    world.advance(1)
    miners[1].leave()
    by_rows, by_outlines, config = Evaluators(), Evaluators(), AlertConfig(rules=DEFAULT_RULES)

    def found(evaluators: Evaluators, live: LiveSnapshot) -> dict[tuple[AlertKind, str], str]:
        return at_once(evaluators.evaluate(live, world.clock.now(), config, lambda key: False)).wrong

    for _ in range(4):
        world.advance(900)
        short = outlined(builder)
        assert found(by_outlines, short) == found(by_rows, builder.build())
    assert {kind for kind, _ in found(by_rows, builder.build())} >= {
        AlertKind.WORKER_OFFLINE,
        AlertKind.WORKER_SILENT,
        AlertKind.NO_SHARES,
    }


def test_outline_is_handed_on_while_nothing_changes_and_an_older_snapshot_stays_as_it_was() -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    miner = world.miner(user="addr.rig")
    world.advance(1)
    builder.build()
    miner.submit()
    world.advance(1)
    first = one_of(outlined(builder))
    before = repr(first)
    world.advance(1)
    assert one_of(outlined(builder)) is first
    miner.submit(nonce="00000002")
    world.advance(1)
    second = one_of(outlined(builder))
    assert (second.counts.good, repr(first)) == (2, before)
    assert second.rate_1h is first.rate_1h  # for a minute
    world.advance(RATES_KEPT_S)
    assert one_of(outlined(builder)).rate_1h != first.rate_1h


def one_of(live: LiveSnapshot) -> WorkerOutline:
    assert live.outlines is not None
    (found,) = live.outlines
    return found


def test_pools_are_as_they_are_now_also_those_that_came_since_the_whole_snapshot() -> None:
    world = World({"A": 8, "B": 8})
    builder = builder_of(world)
    world.miner(user="addr.rig")
    world.advance(1)
    builder.build()
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(60)
    pool = outlined(builder).pool("A")
    assert pool is not None and pool.status is PoolStatus.DOWN and pool.reason


def test_many_workers_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "OUTLINES_A_TURN", 2)
    world = World({"A": 8})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(8)]
    world.advance(1)
    builder.build()
    turns = 0
    for _ in builder.look_for_outline():
        turns += 1
        if turns == 1:
            miners[7].leave()
    assert turns == 4
    assert {one.name for one in builder.outline().watched} == {f"rig{number}" for number in range(8)}


@pytest.mark.parametrize("reader", ["nobody", "devices"])
def test_all_rows_are_made_where_somebody_reads_them_and_when_half_an_hour_is_over(
    reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World({"A": 8})
    builder = builder_of(world)
    assert not builder.may_outline
    builder.build()
    assert builder.may_outline
    if reader == "devices":
        builder.sources = replace(builder.sources, rows_are_read=lambda: True)
        assert not builder.may_outline
        return
    world.advance(MARK_EVERY_S)
    assert not builder.may_outline
    builder.build()
    assert builder.may_outline


def test_gauges_without_series_of_workers_are_those_of_a_whole_snapshot() -> None:
    world = World({"A": 8, "B": 8})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(3)]
    world.advance(1)
    builder.build()
    miners[0].leave()
    for step in range(5):
        world.advance(200)
        miners[1].submit(nonce=f"{step:08x}")
        world.advance(1)
        for _ in builder.look_for_gauges():
            pass
        short, whole = gauges_of(builder.outline()), gauges_of(builder.build())
        assert short == whole
        assert [pool.active for pool in short.pools].count(True) >= 1


def gauges_of(live: LiveSnapshot) -> Gauges:
    kept = LiveStore()
    kept.put(live)
    source = SnapshotGauges(
        kept, queues=dict, dropped=dict, write_errors=lambda: 0, write_lag_s=lambda: 0.0, shown=LiveStore()
    )
    return source.gauges()
