"""What is noted of a block waits its turn, a few connections at a time."""

import time

import pytest

from proxy.engine.backlog import A_BUSY_TURN, A_TURN, MOST_PUT_OFF, Backlog
from proxy.engine.job_rounds import A_TURN as HANDED_OUT_IN_A_TURN
from proxy.engine.job_rounds import JobRounds
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
    backlog = Backlog(clock, JobRounds(clock))
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
    backlog, flooded, other = Backlog(clock, JobRounds(clock)), Connection(noted, 1), Connection(noted, 2)
    for _ in range(10 * A_TURN):
        backlog.add(flooded)
    backlog.add(other)
    clock.advance(0)
    assert noted == [1, 2]


def test_what_comes_while_the_last_one_is_noted_has_one_turn_of_its_own() -> None:
    clock, noted = VirtualClock(), list[int]()
    backlog = Backlog(clock, JobRounds(clock))

    class Again(Connection):
        def catch_up(self) -> None:
            super().catch_up()
            if len(noted) < 3:
                backlog.add(self)

    backlog.add(Again(noted, 7))
    clock.advance(0)
    assert noted == [7, 7, 7]
    assert clock.pending == 0


def test_after_a_turn_that_brought_miners_work_hardly_anything_is_noted() -> None:
    clock, noted, turns = VirtualClock(), list[int](), list[int]()
    backlog = Backlog(clock, JobRounds(clock))
    for number in range(4, 4 + A_TURN):
        backlog.add(Connection(noted, number))
    backlog.miner_served()
    for _ in range(2):
        clock.call_at(0.0, lambda: clock.call_at(0.0, lambda: turns.append(len(noted))))
    clock.call_at(0.0, lambda: turns.append(len(noted)))
    clock.advance(0)
    assert turns[0] == A_BUSY_TURN
    assert turns[1:] == [A_TURN, A_TURN], "the next one brought none"


def test_miners_who_are_served_in_each_turn_do_not_keep_all_from_being_noted() -> None:
    clock, noted, turns = VirtualClock(), list[int](), list[int]()
    backlog = Backlog(clock, JobRounds(clock))

    def serve() -> None:
        turns.append(len(noted))
        if len(turns) <= MOST_PUT_OFF + 2:
            backlog.miner_served()
            clock.call_at(0.0, serve)

    for number in range(4, 4 + 2 * A_TURN):
        backlog.add(Connection(noted, number))
    serve()
    clock.advance(0)
    short = [A_BUSY_TURN * turn for turn in range(MOST_PUT_OFF + 1)]
    assert turns[: MOST_PUT_OFF + 3] == [*short, short[-1] + A_TURN, short[-1] + A_TURN + A_BUSY_TURN]


@pytest.mark.no_cover
def test_what_one_connection_costs_does_not_grow_with_how_many_wait() -> None:
    clock, noted = VirtualClock(), list[int]()
    backlog = Backlog(clock, JobRounds(clock))
    for number in range(10, 80_010):
        backlog.add(Connection(noted, number))
    began = time.process_time()
    clock.advance(0)
    assert len(noted) == 80_000
    assert time.process_time() - began < 2.0, (
        "80,000 take a tenth of a second, or several where each looks past the others"
    )


class HandingOut:
    """A shared connection with a job for so many miners."""

    is_urgent = True

    def __init__(self, miners: int) -> None:
        self.miners = miners

    @property
    def is_handed_out(self) -> bool:
        return not self.miners

    def hand_out(self, most: int) -> int:
        given = min(most, self.miners)
        self.miners -= given
        return given


def test_hardly_anything_is_noted_while_miners_wait_for_a_job() -> None:
    clock, noted = VirtualClock(), list[int]()
    rounds = JobRounds(clock)
    backlog, connection = Backlog(clock, rounds), HandingOut(5 * HANDED_OUT_IN_A_TURN)
    noted_at_the_end: list[int] = []

    class Watching(HandingOut):
        def hand_out(self, most: int) -> int:
            noted_at_the_end.append(len(noted))
            return super().hand_out(most)

    rounds.begin(connection)
    for number in range(10, 10 + 3 * A_TURN):
        backlog.add(Connection(noted, number))
    rounds.begin(Watching(1))
    clock.advance(0)
    assert noted_at_the_end == [4 * A_BUSY_TURN]
    assert len(noted) == 3 * A_TURN, "then the rest is noted as usual"
