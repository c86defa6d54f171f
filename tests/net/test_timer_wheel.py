"""Coarse timers: each call comes once, never before its time, at most a slot after it."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.net.timer_wheel import CALLS_A_TURN, SLOT_S, TimerWheel
from proxy.scheduling.virtual_clock import VirtualClock


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.errors: list[Exception] = []
        self.called: list[tuple[object, float]] = []
        self.wheel = TimerWheel(self.clock, self.errors.append)

    def note(self, name: object) -> Callable[[], None]:
        return lambda: self.called.append((name, self.clock.now()))


@pytest.mark.no_cover
@given(st.lists(st.floats(0, 100), max_size=20), st.data())
def test_every_call_that_is_not_cancelled_comes_once_and_in_time(delays: list[float], data: st.DataObject) -> None:
    bench = Bench()
    start = bench.clock.now()
    timers = [bench.wheel.call_at(start + delay, bench.note(number)) for number, delay in enumerate(delays)]
    cancelled = {number for number in range(len(delays)) if data.draw(st.booleans())}
    for number in cancelled:
        timers[number].cancel()
    bench.clock.advance(101)
    times = dict(bench.called)
    assert len(times) == len(bench.called) and set(times) == set(range(len(delays))) - cancelled
    for number, delay in enumerate(delays):
        at, due = times.get(number, start + delay), start + delay
        assert due - 1e-6 <= at <= due + SLOT_S + 1e-6
    for timer in timers:  # long after: nothing happens
        timer.cancel()


def test_one_timer_of_the_loop_serves_all() -> None:
    bench = Bench()
    before = bench.clock.pending
    for number in range(1000):
        bench.wheel.call_at(bench.clock.now() + 10 + number % 60, bench.note(number))
    assert bench.clock.pending == before + 1
    bench.wheel.call_at(bench.clock.now() + 1, bench.note("first"))
    assert bench.clock.pending <= before + 2  # the former one may wait, cancelled
    bench.clock.advance(1.5)
    assert [name for name, _ in bench.called] == ["first"]
    bench.clock.advance(100)
    assert len(bench.called) == 1001


def test_a_call_may_ask_for_another_one_or_cancel_its_neighbour() -> None:
    bench = Bench()
    now = bench.clock.now()

    def again() -> None:
        bench.called.append(("again", bench.clock.now()))
        neighbour.cancel()
        bench.wheel.call_at(bench.clock.now() + 7, bench.note("later"))

    bench.wheel.call_at(now + 5, again)
    neighbour = bench.wheel.call_at(now + 5, bench.note("neighbour"))
    bench.clock.advance(20)
    assert [name for name, _ in bench.called] == ["again", "later"]


def test_an_error_stops_neither_the_others_nor_the_wheel() -> None:
    bench = Bench()

    def fails() -> None:
        raise ValueError("a fault")

    now = bench.clock.now()
    bench.wheel.call_at(now + 5, fails)
    bench.wheel.call_at(now + 5, bench.note("same slot"))
    bench.wheel.call_at(now + 6, bench.note("next"))
    bench.clock.advance(10)
    assert [name for name, _ in bench.called] == ["same slot", "next"]
    with pytest.raises(ValueError, match="a fault"):
        raise bench.errors[0]


def test_of_very_many_that_are_due_together_others_have_their_turns_in_between() -> None:
    bench = Bench()
    due = bench.clock.now() + 5
    timers = [bench.wheel.call_at(due, bench.note(number)) for number in range(3 * CALLS_A_TURN)]
    bench.wheel.call_at(due + 1, bench.note("later"))
    timers[1].cancel()
    last = timers[-1]

    def other() -> None:
        bench.called.append(("other", bench.clock.now()))
        if len(bench.called) <= CALLS_A_TURN + 1:
            bench.clock.call_at(bench.clock.now(), other)
            last.cancel()
            bench.wheel.call_at(bench.clock.now() + 0.1, bench.note("asked for meanwhile"))

    bench.clock.call_at(due, other)
    bench.clock.advance(10)
    names = [name for name, _ in bench.called]
    first, second = [at for at, name in enumerate(names) if name == "other"]
    assert (first, second) == (CALLS_A_TURN, 2 * CALLS_A_TURN + 1)
    numbers = [name for name in names if isinstance(name, int)]
    assert numbers == [0, *range(2, 3 * CALLS_A_TURN - 1)]
    assert names[-2:] == ["asked for meanwhile", "later"]
    assert {at for name, at in bench.called if isinstance(name, int)} == {due}


def test_what_has_waited_or_was_cancelled_is_held_no_longer() -> None:
    class Owner:
        calls = 0

        def due(self) -> None:
            self.calls += 1

    bench, owner = Bench(), Owner()
    before = sys.getrefcount(owner)
    timers = [bench.wheel.call_at(bench.clock.now() + 10, owner.due) for _ in range(3)]
    timers[0].cancel()
    assert sys.getrefcount(owner) == before + 2
    bench.clock.advance(11)
    assert owner.calls == 2 and sys.getrefcount(owner) == before
