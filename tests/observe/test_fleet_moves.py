"""Switches and time on each pool are kept for each worker, whatever its connections do."""

import pytest

from proxy.in_parts import at_once
from proxy.observe.events import EmergencySwitch, EventStream, MinerDisconnected, PoolSwitched
from proxy.observe.live.moves import MARK_EVERY_S, FleetMoves, ShareSum, share_sum
from proxy.observe.live.views import WorkerView
from proxy.types import PoolKey, SessionId, SwitchReason, WorkerName
from tests.observe.test_snapshot_sessions import builder_of
from tests.support.clock import VirtualClock
from tests.support.tallies import tally
from tests.support.world import World

A, B = PoolKey("A"), PoolKey("B")
RIG, DESK = WorkerName("rig"), WorkerName("desk")


class Scene:
    def __init__(self, most: int = 100) -> None:
        self.clock, self.events = VirtualClock(), EventStream()
        self.fleet = FleetMoves(clock=self.clock, events=self.events, most=lambda: most)

    def switch(self, session: int, worker: WorkerName, old: PoolKey | None, new: PoolKey, then_s: float = 0.0) -> None:
        self.events.emit(
            PoolSwitched(session=SessionId(session), worker=worker, old=old, new=new, reason=SwitchReason.SLICE)
        )
        self.clock.advance(then_s)

    def leave(self, session: int, worker: WorkerName = RIG) -> None:
        self.events.emit(
            MinerDisconnected(session=SessionId(session), worker=worker, peer="", reason="", duration_s=0.0)
        )

    def of(self, worker: WorkerName) -> tuple[int, dict[PoolKey, float]]:
        moves = self.fleet.moves()[worker]
        return moves.switches, moves.seconds(self.clock.now())


def test_time_counts_on_the_pool_that_the_miner_is_on() -> None:
    scene = Scene()
    scene.switch(1, RIG, None, A, then_s=30)
    scene.switch(1, RIG, A, B, then_s=10)
    assert scene.of(RIG) == (1, {A: 30.0, B: 10.0})
    scene.switch(1, RIG, B, A, then_s=5)
    scene.leave(1)
    scene.clock.advance(100)
    assert scene.of(RIG) == (2, {A: 35.0, B: 10.0})


def test_two_connections_of_one_worker_count_each() -> None:
    scene = Scene()
    scene.switch(1, RIG, None, A, then_s=10)
    scene.switch(2, RIG, None, A, then_s=10)
    assert scene.of(RIG) == (0, {A: 30.0})
    scene.leave(1)
    scene.clock.advance(10)
    assert scene.of(RIG) == (0, {A: 40.0})
    scene.leave(2)
    scene.clock.advance(10)
    assert scene.of(RIG) == (0, {A: 40.0})


def test_time_without_any_pool_counts_nowhere() -> None:
    scene = Scene()
    scene.switch(1, RIG, None, A, then_s=10)
    scene.events.emit(EmergencySwitch(session=SessionId(1), worker=RIG, old=A, new=None, why="down"))
    scene.clock.advance(50)
    scene.switch(1, RIG, A, A, then_s=5)
    assert scene.of(RIG) == (0, {A: 15.0})
    scene.events.emit(EmergencySwitch(session=SessionId(1), worker=RIG, old=A, new=B, why="down"))
    scene.clock.advance(5)
    assert scene.of(RIG) == (0, {A: 20.0})


def test_as_many_workers_are_remembered_as_may_be() -> None:
    scene = Scene(most=1)
    scene.switch(1, RIG, None, A, then_s=10)
    scene.switch(2, DESK, None, A, then_s=10)
    assert set(scene.fleet.moves()) == {DESK}
    scene.switch(3, RIG, None, B, then_s=10)
    scene.switch(1, RIG, A, B, then_s=10)
    scene.leave(1)
    assert scene.of(RIG) == (1, {B: 30.0})
    scene.leave(9)


def test_a_forgotten_worker_that_came_again_loses_nothing_it_does_not_have() -> None:
    scene = Scene(most=1)
    scene.switch(1, RIG, None, A, then_s=10)
    scene.switch(2, DESK, None, A, then_s=10)
    scene.switch(3, RIG, None, B, then_s=10)
    scene.leave(1)
    assert scene.of(RIG) == (0, {B: 10.0})


def test_the_mapping_that_was_handed_out_does_not_change() -> None:
    scene = Scene()
    scene.switch(1, RIG, None, A, then_s=10)
    before = scene.fleet.moves()
    assert scene.fleet.moves() is before
    scene.switch(1, RIG, A, B)
    assert before[RIG].switches == 0 and scene.fleet.moves()[RIG].switches == 1


def test_marks_are_half_an_hour_to_an_hour_old() -> None:
    scene = Scene()
    for half_hours in range(4):
        now = [WorkerView(name=RIG, connections=1, counts=tally(accepted=100 * half_hours))]
        mark = at_once(scene.fleet.marks(now, now if not half_hours else []))[RIG]
        assert mark == ShareSum(good=100 * max(0, half_hours - 1))
        scene.clock.advance(MARK_EVERY_S)


def test_marks_count_what_went_no_further_as_good() -> None:
    assert share_sum(tally(accepted=1, work_only=98, rejected=1)) == ShareSum(good=99, rejected=1)


def test_newcomer_is_marked_as_it_came() -> None:
    scene = Scene()
    at_once(scene.fleet.marks([], []))
    scene.clock.advance(60)
    for accepted in (7, 9):
        there = [WorkerView(name=DESK, connections=1, counts=tally(accepted=accepted, rejected=2))]
        assert at_once(scene.fleet.marks(there, there))[DESK] == ShareSum(7, 2, 0)


def test_the_live_snapshot_knows_moves_and_time() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 50.0, "B": 50.0})
    builder = builder_of(world)
    world.miner(user="addr.rig")
    world.advance(120)
    live = builder.build()
    moves = live.moves[RIG]
    assert sum(moves.seconds(live.monotonic).values()) == pytest.approx(120.0, abs=2.0)
    assert live.marks[RIG] == ShareSum()
