"""Virtual time runs calls in order and only when told to."""

from tests.support.clock import VirtualClock


def test_calls_run_in_order_of_time_then_of_asking():
    clock, ran = VirtualClock(), []
    clock.call_at(2.0, lambda: ran.append("late"))
    clock.call_at(1.0, lambda: ran.append("early"))
    clock.call_at(1.0, lambda: ran.append("early too"))
    clock.advance(3.0)
    assert ran == ["early", "early too", "late"]
    assert clock.now() == 3.0


def test_a_call_sees_its_own_time_and_may_ask_for_another():
    clock, seen = VirtualClock(now=10.0), []

    def tick() -> None:
        seen.append(clock.now())
        if len(seen) < 3:
            clock.call_at(clock.now() + 1.0, tick)

    clock.call_at(11.0, tick)
    clock.advance(10.0)
    assert seen == [11.0, 12.0, 13.0]


def test_a_cancelled_call_does_not_run():
    clock, ran = VirtualClock(), []
    clock.call_at(1.0, lambda: ran.append(1)).cancel()
    clock.advance(2.0)
    assert ran == []
    assert clock.pending == 0


def test_what_is_past_runs_at_the_next_turn_and_time_never_runs_back():
    clock, seen = VirtualClock(now=5.0), []
    clock.call_at(1.0, lambda: seen.append(clock.now()))
    assert seen == []
    clock.advance(0.0)
    assert seen == [5.0]


def test_the_wall_clock_jumps_alone():
    clock = VirtualClock()
    clock.set_wall(1000.0)
    clock.advance(5.0)
    assert clock.wall() == 1005.0
    assert clock.now() == 5.0
