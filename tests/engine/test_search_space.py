"""A pool whose jobs a miner would be through with before the next one is left out, but never the last one."""

from typing import Any

import pytest

from proxy.engine.eligibility import search_space, too_small
from proxy.observe.events import EmergencySwitch, PoolExcluded
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.firmware import UNKNOWN, profile_of
from tests.support.world import World

TERA = 1e12
AVALON = profile_of("cgminer/4.11.1")


def lasts(size: int, mask: int, *, profile: Any = UNKNOWN, rate: float = 200 * TERA) -> float:
    return search_space(MinerExtranonce(b"", size), profile, mask) / rate


def test_a_job_lasts_as_long_as_the_numbers_say() -> None:
    """200 TH/s: 25.6 h, 360 s, 1.4 s without rolling; 2 bytes 25.6 h with 16 bits, 11 s with Avalon's 8 masks."""
    assert lasts(4, 0) / 3600 == pytest.approx(25.6, abs=0.05)
    assert lasts(3, 0) == pytest.approx(360, abs=1)
    assert lasts(2, 0) == pytest.approx(1.4, abs=0.05)
    assert lasts(2, 0x1FFFE000) / 3600 == pytest.approx(25.6, abs=0.05)
    assert lasts(2, 0x1FFFE000, profile=AVALON) == pytest.approx(11.3, abs=0.1)
    assert lasts(3, 0x1FFFE000) / 86400 == pytest.approx(273, abs=1)
    assert lasts(2, 0x00006000, profile=AVALON) == pytest.approx(5.6, abs=0.1)


def test_what_is_left_out_comes_back_with_a_margin_and_an_unknown_rate_leaves_nothing_out() -> None:
    space = 100 * 60.0
    assert too_small(space, 51.0, 60.0, was=False)
    assert not too_small(space, 50.0, 60.0, was=False)
    assert too_small(space, 40.0, 60.0, was=True)
    assert not too_small(space, 33.0, 60.0, was=True)
    assert not too_small(space, 0.0, 60.0, was=False)
    assert too_small(29.0, 0.5, None, was=False)


class Fast:
    """Two pools, one of which allows no version rolling, and a miner of 3 bytes whose hash rate the test sets."""

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        self.world = World({"A": 4, "B": 4}, weights=weights, settle=False, min_switch_s=10)
        self.world.pools["B"].mask = None
        self.world.advance(3)
        self.rate = 0.0
        self.world.engine.scheduler.sure_rate = lambda session: self.rate  # type: ignore[method-assign]
        self.miner = self.world.miner("bitaxe/BM1370/v2.15.0", mask="1fffe000")
        self.minutes(3)
        self.miner.submit()  # one that never had an accepted share would be let go

    def minutes(self, count: int) -> list[str]:
        """A job a minute from each pool; the pools that the miner's jobs were of."""
        before = len(self.miner.all("mining.notify"))
        for _ in range(count * 2):
            self.world.advance(30)
            for pool in self.world.pools.values():
                pool.notify()
        self.world.advance(1)
        return [self.miner.pool_of(job) for job in self.miner.all("mining.notify")[before:]]

    @property
    def facts(self) -> dict[str, str]:
        return {str(key): why for key, why in self.miner.session.facts().items()}


def test_a_pool_whose_jobs_are_too_small_is_left_out_visibly_and_taken_again() -> None:
    trial = Fast()
    assert {"A", "B"} == set(trial.minutes(4))
    trial.rate = 5_000 * TERA  # 14 s for a job without rolling, and one comes each 30 s
    trial.minutes(1)
    assert set(trial.minutes(5)) == {"A"}
    (event,) = trial.world.events_of(PoolExcluded)
    assert (event.pool, event.reason) == ("B", trial.facts["B"])
    assert "14.4 s" in event.reason
    assert trial.miner.session.eligible.unusable == {"B"}
    trial.rate = 900 * TERA  # 80 s: enough for two jobs, not for three
    assert set(trial.minutes(5)) == {"A"}
    trial.rate = 500 * TERA
    trial.minutes(1)
    assert trial.miner.session.ready == {"A", "B"}  # and the scheduler may send it there again
    assert trial.facts == {}
    assert len(trial.world.events_of(PoolExcluded)) == 1


def test_the_last_pool_with_work_is_never_left_out() -> None:
    trial = Fast()
    trial.rate = 5_000 * TERA
    trial.minutes(2)
    assert trial.facts
    a = trial.world.pools["A"]
    a.reachable = False
    a.drop()
    trial.world.advance(1)
    assert trial.miner.session.current == "B"
    assert set(trial.minutes(3)) == {"B"}
    assert trial.facts == {}
    a.reachable = True
    trial.world.advance(120)
    trial.minutes(2)
    assert set(trial.minutes(3)) == {"A"}


def test_a_pool_that_all_work_is_meant_for_is_used_at_once_whatever_its_jobs_are() -> None:
    trial = Fast()
    trial.rate = 5_000 * TERA
    trial.minutes(2)
    assert trial.miner.session.current == "A"
    trial.world.slider(B=100)
    trial.world.advance(5)
    assert trial.miner.session.current == "B"
    assert trial.facts == {}


def test_a_rate_that_wavers_about_the_limit_does_not_move_the_miner_again_and_again() -> None:
    trial = Fast()
    for number in range(30):
        trial.rate = (1_300 if number % 2 else 1_000) * TERA  # the limit is at 1,200
        trial.minutes(1)
    assert len(trial.world.events_of(PoolExcluded)) == 1
    assert len(trial.world.events_of(EmergencySwitch)) <= 1


def test_a_pool_that_is_regained_gives_its_job_once() -> None:
    trial = Fast(weights={"A": 10, "B": 90})
    trial.rate = 5_000 * TERA
    trial.minutes(10)
    assert trial.miner.session.current == "A"
    trial.rate = 500 * TERA
    at = len(trial.miner.all("mining.notify"))
    trial.world.pools["B"].notify()
    trial.world.advance(0.05)
    jobs = [job for job in trial.miner.all("mining.notify")[at:] if trial.miner.pool_of(job) == "B"]
    assert len(jobs) == 1
