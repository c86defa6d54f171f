"""Everybody's next step comes when it is due, however often plans change."""

import math

from proxy.scheduling.miner import Member
from proxy.scheduling.rate import Estimate
from proxy.scheduling.timer_queue import TimerQueue
from proxy.types import SessionId, WorkerName
from tests.support.clock import VirtualClock


class Diary:
    """An timers whose calls are written down."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.took: list[tuple[float, int]] = []
        self.timers = TimerQueue(self.clock, self.run)

    def run(self) -> None:
        while (target := self.timers.take(self.clock.now())) is not None:
            assert isinstance(target, Member)
            target.due = math.inf
            self.took.append((self.clock.now(), target.session))
        self.timers.wake(math.inf)

    def member(self, number: int) -> Member:
        return Member(SessionId(number), WorkerName(f"rig{number}"), Estimate(), self.clock.now())

    def plan(self, member: Member, due: float) -> None:
        member.due = due
        self.timers.plan(member)
        self.timers.wake(math.inf)


def test_members_are_called_in_the_order_of_their_time_and_of_planning():
    diary = Diary()
    begun = diary.clock.now()
    for number, due in enumerate([30, 10, 30, 20]):
        diary.plan(diary.member(number), begun + due)
    diary.clock.advance(60)
    assert diary.took == [(begun + 10, 1), (begun + 20, 3), (begun + 30, 0), (begun + 30, 2)]


def test_a_later_plan_supersedes_an_earlier_one():
    diary = Diary()
    begun, member = diary.clock.now(), diary.member(1)
    diary.plan(member, begun + 10)
    diary.plan(member, begun + 40)
    diary.clock.advance(30)
    assert diary.took == []
    diary.clock.advance(30)
    assert diary.took == [(begun + 40, 1)]


def test_plans_that_changed_a_thousand_times_take_no_room():
    diary = Diary()
    begun, members = diary.clock.now(), [diary.member(number) for number in range(3)]
    for change in range(1000):
        for member in members:
            diary.plan(member, begun + 5000 - change)
    assert len(diary.timers) < 300
    diary.clock.advance(6000)
    assert len(diary.took) == 3


def test_a_step_planned_again_for_its_old_time_comes_also_if_the_queue_was_cleared_meanwhile():
    diary = Diary()
    begun, member, busy = diary.clock.now(), diary.member(1), diary.member(2)
    diary.plan(member, begun + 100)
    member.due = math.inf
    for change in range(1000):
        diary.plan(busy, begun + 5000 - change)
    diary.plan(member, begun + 100)
    diary.clock.advance(200)
    assert diary.took == [(begun + 100, 1)]
