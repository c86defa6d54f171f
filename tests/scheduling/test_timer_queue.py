"""Everybody's next step comes when it is due, however often plans change."""

import math

from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.rate import Estimate
from proxy.scheduling.timer_queue import TimerQueue
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import SessionId, WorkerName
from tests.support.clock import VirtualClock


class Diary:
    """A timer queue that writes down its calls."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.took: list[tuple[float, int]] = []
        self.timers = TimerQueue(self.clock, self.run, DEFAULT_TUNING)

    def run(self) -> None:
        while (target := self.timers.take(self.clock.now())) is not None:
            assert isinstance(target, FleetMiner)
            target.due = math.inf
            self.took.append((self.clock.now(), target.session))
        self.timers.arm(math.inf)

    def miner(self, number: int) -> FleetMiner:
        return FleetMiner(
            SessionId(number), WorkerName(f"rig{number}"), Estimate(DEFAULT_TUNING), self.clock.now(), DEFAULT_TUNING
        )

    def plan(self, miner: FleetMiner, due: float) -> None:
        miner.due = due
        self.timers.plan(miner)
        self.timers.arm(math.inf)


def test_members_are_called_in_the_order_of_their_time_and_of_planning():
    diary = Diary()
    begun = diary.clock.now()
    for number, due in enumerate([30, 10, 30, 20]):
        diary.plan(diary.miner(number), begun + due)
    diary.clock.advance(60)
    assert diary.took == [(begun + 10, 1), (begun + 20, 3), (begun + 30, 0), (begun + 30, 2)]


def test_a_later_plan_supersedes_an_earlier_one():
    diary = Diary()
    begun, miner = diary.clock.now(), diary.miner(1)
    diary.plan(miner, begun + 10)
    diary.plan(miner, begun + 40)
    diary.clock.advance(30)
    assert diary.took == []
    diary.clock.advance(30)
    assert diary.took == [(begun + 40, 1)]


def test_plans_that_changed_a_thousand_times_take_no_room():
    diary = Diary()
    begun, members = diary.clock.now(), [diary.miner(number) for number in range(3)]
    for change in range(1000):
        for miner in members:
            diary.plan(miner, begun + 5000 - change)
    assert len(diary.timers) < 300
    diary.clock.advance(6000)
    assert len(diary.took) == 3


def test_a_step_planned_again_for_its_old_time_comes_also_if_the_queue_was_cleared_meanwhile():
    diary = Diary()
    begun, miner, busy = diary.clock.now(), diary.miner(1), diary.miner(2)
    diary.plan(miner, begun + 100)
    miner.due = math.inf
    for change in range(1000):
        diary.plan(busy, begun + 5000 - change)
    diary.plan(miner, begun + 100)
    diary.clock.advance(200)
    assert diary.took == [(begun + 100, 1)]
