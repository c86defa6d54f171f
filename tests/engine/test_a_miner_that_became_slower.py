"""A miner that became far slower is not left at the minimum that its pool was asked for: some pools keep that."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.engine.pool_link import ASK_AGAIN_S
from proxy.observe.events import EmergencySwitch, ShareResult
from proxy.types import Verdict
from tests.support.world import EASY, World

FAST = 1e6 * EASY / 5
"""Hashes a second: a share each 5 s at a difficulty of a million."""


class Trial:
    """One miner at a million, on a pool that keeps for good what it is asked for in the handshake (MiningCore)."""

    def __init__(self, password: str = "x") -> None:
        self.world = World(pools={"A": 8}, difficulty=1e6)
        pools = {key: replace(each, password=password) for key, each in self.world.config.pools.items()}
        self.world.config = replace(self.world.config, revision=2, pools=pools)
        self.world.engine.apply(self.world.config)
        self.world.advance(3)
        self.pool = self.world.pools["A"]
        self.rate, self.sure = FAST, True
        scheduler: Any = self.world.engine.scheduler
        scheduler.rate = lambda session: self.rate
        scheduler.sure_rate = lambda session: self.rate if self.sure else 0.0
        self.miner = self.world.miner()
        self.world.advance(3)
        [link] = self.miner.session.links.values()
        link.productive.accepted(1e6)
        self.pool.drop()
        self.world.advance(5)

    @property
    def asked(self) -> list[Any]:
        """What each of the miner's connections asked for since the first."""
        connections = [each for each in self.pool.connections if not each.agent.startswith("dpmp/")]
        return [
            line["params"][1].get("minimum-difficulty.value")
            for each in connections[1:]
            for line in each.received
            if line["method"] == "mining.configure"
        ]

    def minutes(self, count: int) -> None:
        for _ in range(2 * count):
            self.world.advance(30)
            self.pool.notify()


@pytest.mark.no_cover
def test_the_pool_is_asked_for_less_once_on_a_new_connection_without_a_gap() -> None:
    trial = Trial()
    assert trial.asked == [1_000_000]
    trial.minutes(30)
    assert trial.asked == [1_000_000], "nothing has changed"
    trial.rate = FAST / 20
    trial.minutes(1)
    assert trial.asked == [1_000_000, 200_000], "a share in 20 s"
    assert len(trial.pool.live()) == 1
    assert trial.world.events_of(EmergencySwitch)[1:] == []
    ident = trial.miner.submit()
    trial.world.advance(1)
    assert trial.miner.answers(ident)[0]["result"] is True
    assert [share.verdict for share in trial.world.events_of(ShareResult)] == [Verdict.ACCEPTED]
    trial.minutes(60)
    assert trial.asked == [1_000_000, 200_000], "whatever the pool made of it"


def test_what_the_password_asked_for_counts_as_well() -> None:
    trial = Trial(password="d={difficulty}")
    trial.rate = FAST / 20
    trial.minutes(1)
    assert [each.password for each in trial.pool.live()] == ["d=200000"]


@pytest.mark.no_cover
@pytest.mark.parametrize(("slower", "sure"), [(11, True), (20, False)])
def test_a_rate_that_is_not_sure_or_not_far_lower_changes_nothing(slower: float, sure: bool) -> None:
    trial = Trial()
    trial.rate, trial.sure = FAST / slower, sure
    trial.minutes(30)
    assert trial.asked == [1_000_000]


def test_a_pool_that_is_high_by_itself_keeps_its_connection() -> None:
    trial = Trial()
    trial.rate = FAST / 20
    trial.minutes(1)
    trial.pool.push("mining.set_difficulty", [1e9])
    trial.minutes(60)
    assert trial.asked == [1_000_000, 200_000]


def test_a_miner_that_goes_on_getting_slower_costs_a_connection_in_ten_minutes_at_most() -> None:
    trial = Trial()
    for _ in range(30):
        trial.rate /= 3
        trial.minutes(1)
    before = len(trial.asked)
    assert 3 <= before <= 2 + 30 * 60 / ASK_AGAIN_S
