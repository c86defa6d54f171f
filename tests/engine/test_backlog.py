"""What is noted of a block waits its turn, a few connections at a time."""

import time

import pytest

from proxy.engine.backlog import A_TURN, Backlog
from proxy.scheduling.virtual_clock import VirtualClock


class Connection:
    def __init__(self, noted: list[int], number: int) -> None:
        self.noted, self.number = noted, number

    def catch_up(self) -> None:
        self.noted.append(self.number)
        if self.number == 3:
            raise ValueError("a connection whose job cannot be noted")


def test_a_turn_of_the_loop_notes_a_few_and_a_failure_stops_no_other() -> None:
    clock, noted, between = VirtualClock(), list[int](), list[int]()
    backlog = Backlog(clock)
    for number in range(4, 4 + A_TURN + 5):
        backlog.add(Connection(noted, number))
    clock.call_at(0.0, lambda: between.append(len(noted)))
    clock.advance(0)
    assert between == [A_TURN], "others have their turn in between"
    assert noted == list(range(4, 4 + A_TURN + 5))
    for number in (1, 2, 3, 4, 5):
        backlog.add(Connection(noted, number))
    with pytest.raises(ValueError, match="cannot be noted"):
        clock.advance(0)
    clock.advance(0)
    assert noted[-5:] == [1, 2, 3, 4, 5]


def test_a_connection_waits_once_however_many_jobs_its_pool_sends() -> None:
    clock, noted = VirtualClock(), list[int]()
    backlog, flooded, other = Backlog(clock), Connection(noted, 1), Connection(noted, 2)
    for _ in range(10 * A_TURN):
        backlog.add(flooded)
    backlog.add(other)
    clock.advance(0)
    assert noted == [1, 2]


def test_what_comes_while_the_last_one_is_noted_has_one_turn_of_its_own() -> None:
    clock, noted = VirtualClock(), list[int]()
    backlog = Backlog(clock)

    class Again(Connection):
        def catch_up(self) -> None:
            super().catch_up()
            if len(noted) < 3:
                backlog.add(self)

    backlog.add(Again(noted, 7))
    clock.advance(0)
    assert noted == [7, 7, 7]
    assert clock.pending == 0


def test_what_one_connection_costs_does_not_grow_with_how_many_wait() -> None:
    clock, noted = VirtualClock(), list[int]()
    backlog = Backlog(clock)
    for number in range(10, 80_010):
        backlog.add(Connection(noted, number))
    began = time.process_time()
    clock.advance(0)
    assert len(noted) == 80_000
    assert time.process_time() - began < 2.0, (
        "80,000 take a tenth of a second, or several where each looks past the others"
    )
