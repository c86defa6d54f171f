"""A job for the miners of shared connections goes out a few in a turn of the loop, and nobody is forgotten."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.engine import job_rounds
from proxy.engine.job_rounds import A_TURN, JobRounds
from proxy.observe.events import ShareResult
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import PoolKey, Reason, SwitchReason, Verdict
from tests.engine.test_shared_connections import SHARED, fleet
from tests.support.world import ScriptedMiner, World


class Connection:
    """One whose miners are numbers."""

    def __init__(self, miners: int, *, is_urgent: bool = False) -> None:
        self.left = miners
        self.is_urgent = is_urgent
        self.turns: list[int] = []
        self.fails = False

    @property
    def is_handed_out(self) -> bool:
        return self.left == 0

    def hand_out(self, most: int) -> int:
        given = min(self.left, most)
        self.left -= given
        self.turns.append(given)
        if self.fails:
            raise ValueError("a fault of ours")
        return given


def test_a_few_miners_have_their_job_at_once() -> None:
    clock = VirtualClock()
    connection = Connection(A_TURN)
    JobRounds(clock).begin(connection)
    assert connection.turns == [A_TURN]


def test_many_miners_have_it_in_turns_of_the_loop() -> None:
    clock = VirtualClock()
    rounds = JobRounds(clock)
    first, second = Connection(A_TURN + 10), Connection(A_TURN)
    rounds.begin(first)
    rounds.begin(second)
    assert (first.turns, second.turns) == ([A_TURN], [])
    clock.advance(0)
    assert (first.turns, second.turns) == ([A_TURN, 10], [A_TURN - 10, 10])


def test_what_is_worth_nothing_any_more_goes_first() -> None:
    clock = VirtualClock()
    rounds = JobRounds(clock)
    busy, urgent = Connection(10 * A_TURN), Connection(3, is_urgent=True)
    rounds.begin(busy)
    rounds.begin(urgent)
    clock.advance(0)
    assert urgent.left == 0


def test_a_fault_ends_no_round() -> None:
    clock = VirtualClock()
    rounds = JobRounds(clock)
    faulty, other = Connection(2 * A_TURN), Connection(1)
    faulty.fails = True
    with pytest.raises(ValueError, match="a fault of ours"):
        rounds.begin(faulty)
    faulty.fails = False
    rounds.begin(other)
    clock.advance(0)
    assert (faulty.left, other.left) == (0, 0)


# --- On real shared connections ---------------------------------------------------------------------------------------


class Farm:
    """Six miners on shared connections; a job goes to two of them in a turn, and turns wait for ``turn``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, difficulty: float = 1.0, **options: object) -> None:
        self.world = World(
            {"A": 8, "B": 8},
            weights={"A": 99.9, "B": 0.1},
            difficulty=difficulty,
            options={"A": {**SHARED, **options}, "B": {**SHARED, **options}},
        )
        self.miners = fleet(self.world, 6)
        self.pool = self.world.pools["A"]
        self.turns: list[Callable[[], None]] = []
        monkeypatch.setattr(job_rounds, "A_TURN", 2)
        self.world.engine.job_rounds._clock = self  # type: ignore[assignment]
        for miner in self.miners:
            miner.forget()

    def now(self) -> float:
        return self.world.clock.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        self.turns.append(callback)

    def turn(self) -> None:
        [turn] = self.turns
        self.turns.clear()
        turn()
        self.world.advance(0.1)

    def finish(self) -> None:
        while self.turns:
            self.turn()
        self.world.advance(1)

    def notify(self, *, clean: bool = False, new_block: bool = False) -> None:
        self.pool.notify(clean=clean, new_block=new_block)
        self.world.advance(0.1)

    @property
    def jobs(self) -> list[list[list[str]]]:
        """What each miner was given since, without the parts that are long: the id, and whether it is clean."""
        return [[[each[0], each[-1]] for each in miner.all("mining.notify")] for miner in self.miners]

    @property
    def given(self) -> list[int]:
        return [len(jobs) for jobs in self.jobs]


def test_each_miner_has_the_job_once_in_the_order_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.notify()
    assert farm.given == [1, 1, 0, 0, 0, 0]
    farm.turn()
    assert farm.given == [1, 1, 1, 1, 0, 0]
    farm.finish()
    assert farm.given == [1] * 6
    assert len({str(jobs) for jobs in farm.jobs}) == 1


def test_shares_are_answered_between_two_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch, difficulty=2.0**30, max_difficulty=1.0)
    farm.notify()
    last = farm.miners[-1]
    assert not last.all("mining.notify")
    assert submit_for_the_last_job(last)["result"] is True
    assert [each.verdict for each in farm.world.events_of(ShareResult)] == [Verdict.WORK]
    farm.finish()


def test_work_for_a_block_that_is_old_is_stale_for_who_has_not_heard_of_the_new_one_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No pool would take it, and what is counted as work is what a pool could have had."""
    farm = Farm(monkeypatch, difficulty=2.0**30, max_difficulty=1.0)
    farm.notify(new_block=True)
    last = farm.miners[-1]
    assert not last.all("mining.notify")
    assert submit_for_the_last_job(last)["error"][0] == 21
    assert [each.reason for each in farm.world.events_of(ShareResult)] == [Reason.STALE]
    farm.finish()


def submit_for_the_last_job(miner: ScriptedMiner) -> dict[str, Any]:
    """Submit for what the miner works on, and return the answer."""
    jobs, extranonce = miner.session.jobs, miner.session.downstream.extranonce
    assert jobs is not None and extranonce is not None
    issued = list(jobs._by_id.values())[-1]
    miner.call("mining.submit", [miner.user, issued.id, "00" * extranonce.size, f"{issued.ntime:08x}", "00000001"], 99)
    [answer] = miner.answers(99)
    return answer


def test_a_newer_job_takes_the_place_of_one_that_is_being_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.notify()
    farm.notify()
    farm.finish()
    assert farm.given == [2, 2, 1, 1, 1, 1]
    assert len({jobs[-1][0] for jobs in farm.jobs}) == 1


def test_who_gets_a_newer_job_instead_of_a_clean_one_gets_it_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.notify(clean=True)
    farm.notify()
    farm.notify()
    farm.finish()
    assert [jobs[-1][1] for jobs in farm.jobs[2:]] == [True] * 4
    farm.notify()
    farm.finish()
    assert [jobs[-1][1] for jobs in farm.jobs] == [False] * 6


def test_a_miner_that_leaves_meanwhile_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.notify(new_block=True)
    farm.miners[3].leave()
    farm.world.advance(0.1)
    farm.finish()
    assert farm.given == [1, 1, 1, 0, 1, 1]


def test_a_miner_that_is_moved_meanwhile_gets_no_job_of_the_pool_it_left(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.world.pools["B"].notify()
    farm.notify()
    farm.finish()
    for miner in farm.miners:
        miner.forget()
    farm.notify(new_block=True)
    moved = farm.miners[-1].session
    assert moved.switch_to(PoolKey("B"), SwitchReason.SLICE)
    farm.finish()
    [job] = farm.miners[-1].all("mining.notify")
    assert farm.miners[-1].pool_of(job) == "B"
    assert moved.switch_to(PoolKey("A"), SwitchReason.SLICE)
    assert farm.miners[-1].all("mining.notify")[-1][:2] == farm.miners[0].job[:2]


def test_a_miner_that_comes_back_meanwhile_has_the_job_once(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.notify()
    session = farm.miners[-1].session
    assert session.switch_to(PoolKey("B"), SwitchReason.SLICE)
    assert session.switch_to(PoolKey("A"), SwitchReason.SLICE)
    farm.finish()
    assert [farm.miners[-1].pool_of(job) for job in farm.miners[-1].all("mining.notify")] == ["B", "A"]


def test_a_connection_that_is_lost_meanwhile_hands_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.notify()
    farm.pool.reachable = False
    farm.pool.drop()
    farm.world.advance(0.1)
    for miner in farm.miners:
        assert miner.pool_of(miner.job) == "B"
        miner.forget()
    farm.finish()
    assert all("A" not in [miner.pool_of(job) for job in miner.all("mining.notify")] for miner in farm.miners)
