"""Firmware that cannot start, or cannot hash, with what others are given."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.config.snapshot import FirmwareRule
from proxy.observe.events import MinerSubscribed, PoolExcluded
from tests.support.world import ScriptedMiner, World

RELATIVES = (
    "NerdMinerV2/1.8.2",
    "HAN_SOLOminer/1.2",
    "NerdNOS/1.0",
    "HeliosMiner/1.0",
    "LuckyMiner/V1.0",
    "Nerd Miner/1",
    "MvIiIaX_Nerd/1",
)


def nerdminer_starts(miner: ScriptedMiner) -> bool:
    """What NerdMiner v2 makes of its subscription (src/stratum.cpp, src/utils.cpp)."""
    extranonce1, size = miner.subscribed()
    return bool(extranonce1) and size in (2, 4, 8)


@pytest.mark.no_cover
@pytest.mark.parametrize("pools", [{"A": 4}, {"A": 8}, {"A": 8, "B": 4}, {"A": 5}, {"A": 3}])
@pytest.mark.parametrize("agent", RELATIVES)
def test_nerdminer_and_its_relatives_start(agent: str, pools: dict[str, int]) -> None:
    world = World(pools)
    miner = world.miner(agent)
    assert nerdminer_starts(miner)
    world.advance(1)
    assert miner.all("mining.notify")


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("agent", "pools", "expected"),
    [
        ("never heard of/1.0", {"A": 4}, (1, 3)),
        ("", {"A": 4}, (1, 3)),
        ("never heard of/1.0", {"A": 8}, (2, 4)),
        ("never heard of/1.0", {"A": 8, "B": 4}, (1, 3)),
        ("never heard of/1.0", {"A": 5}, (1, 4)),
        ("never heard of/1.0", {"A": 3}, (1, 2)),
        ("never heard of/1.0", {"A": 2}, (0, 2)),
        ("bitaxe/BM1370/v2.15.0", {"A": 4}, (1, 3)),
        ("whatsminer/v1.1", {"A": 4}, (1, 3)),
        ("cgminer/4.11.1", {"A": 4}, (0, 4)),
        ("NerdQAxe++/BM1370/v1.0.36", {"A": 4}, (0, 4)),
        ("NiceHash/1.0.0", {"A": 4}, (0, 4)),
        ("Antminer S19/1.0", {"A": 4}, (0, 4)),
        ("bfgminer/5.5", {"A": 4}, (0, 4)),
        ("cgminer/4.11.1", {"A": 3}, (0, 3)),
        ("NerdQAxe++/BM1370/v1.0.36", {"A": 3}, (0, 3)),
    ],
)
def test_only_firmware_known_to_accept_an_empty_extranonce1_is_given_one_where_another_would_do(
    agent: str, pools: dict[str, int], expected: tuple[int, int]
) -> None:
    world = World(pools)
    miner = world.miner(agent)
    extranonce1, size = miner.subscribed()
    assert (len(extranonce1) // 2, size) == expected
    world.advance(1)
    assert miner.all("mining.notify")
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


def test_nerdqaxe_is_not_sent_to_a_pool_that_leaves_two_bytes() -> None:
    world = World({"A": 8, "B": 2})
    miner = world.miner("NerdQAxe++/BM1370/v1.0.36")
    world.advance(1)
    assert miner.subscribed()[1] == 4
    (event,) = world.events_of(PoolExcluded)
    assert event.pool == "B"


class Coinbase:
    """Pool B sends jobs of a shape that is to be tried."""

    def __init__(self, agent: str, *, coinb1: int = 36, coinb2: int = 16, branches: int = 1) -> None:
        self.world = World({"A": 8, "B": 8})
        pool = self.world.pools["B"]
        made = pool.job

        def job(**options: Any) -> list[Any]:
            params = made(**options)
            return [*params[:2], "01000000" + "42" * (coinb1 - 4), "ff" * coinb2, ["ab" * 32] * branches, *params[5:]]

        pool.job = job  # type: ignore[method-assign]
        self.miner = self.world.miner(agent)
        self.world.advance(1)

    @property
    def left_out(self) -> str:
        reasons = [event.reason for event in self.world.events_of(PoolExcluded)]
        assert (self.miner.session.facts().get("B", "") != "") is bool(reasons)  # type: ignore[call-overload]
        return reasons[0] if reasons else ""


# Of the pool's 4 + 8 bytes of extranonce the miner's own 2 + 4 stand between the parts: 6 more are before them.
@pytest.mark.parametrize(
    ("agent", "shape", "left_out"),
    [
        ("bitaxe/BM1370/v2.15.0", {"coinb2": 4_952}, False),
        ("bitaxe/BM1370/v2.15.0", {"coinb2": 4_953}, True),
        ("NMAxe/1", {"coinb2": 4_953}, True),
        ("NerdQAxe++/1", {"coinb2": 5_500}, False),
        ("SparkMiner/2.9", {"coinb1": 250, "coinb2": 128, "branches": 16}, False),
        ("SparkMiner/2.9", {"coinb1": 251}, True),
        ("SparkMiner/2.9", {"coinb2": 129}, True),
        ("SparkMiner/2.9", {"branches": 17}, True),
        ("cgminer/4.11.1", {"branches": 30}, False),
        ("cgminer/4.11.1", {"branches": 31}, True),
        ("Antminer S21|LUXminer 2025.1", {"coinb2": 703}, True),
        ("xminer-1.2.6", {"coinb2": 703}, True),
        ("sm-miner/1", {"coinb2": 703}, True),
        ("BHB42601", {"coinb2": 702}, False),
        ("never heard of/1.0", {"coinb2": 6_000, "branches": 32}, False),
    ],
)
def test_a_pool_whose_jobs_do_not_fit_the_firmware_is_left_out_visibly(
    agent: str, shape: dict[str, int], left_out: bool
) -> None:
    trial = Coinbase(agent, **shape)
    assert bool(trial.left_out) is left_out
    assert {trial.miner.pool_of(job) for job in trial.miner.all("mining.notify")} <= ({"A"} if left_out else {"A", "B"})


def test_job_ids_stay_within_the_fifteen_characters_of_sparkminer() -> None:
    world = World({"A": 8})
    miners = [world.miner("SparkMiner/2.9", f"addr.{n}") for n in range(3)]
    world.advance(1)
    for _ in range(40):
        world.pools["A"].notify()
        world.advance(1)
    assert max(len(job[0]) for miner in miners for job in miner.all("mining.notify")) <= 15


def test_a_rule_of_the_operator_holds_for_miners_that_connect_from_then_on() -> None:
    world = World({"A": 4})
    before = world.miner("odd/1.0")
    rules = (FirmwareRule(agent="odd", profile="avalon"),)
    world.config = replace(world.config, revision=2, firmware=rules)
    world.engine.apply(world.config)
    after = world.miner("odd/1.0", "addr.other")
    world.advance(1)
    assert before.subscribed()[1] == 3
    assert after.subscribed() == ("", 4)
    assert [event.profile for event in world.events_of(MinerSubscribed)] == ["unknown", "avalon"]
    assert not before.link.closed


@pytest.mark.parametrize("agent", ["MiningRigRentals/1.0", "mrr/2", "NiceHash/1.0.0"])
def test_rented_hash_gets_four_bytes_of_extranonce2_at_pools_of_four(agent: str) -> None:
    world = World({"A": 4, "B": 4})
    miner = world.miner(agent)
    world.advance(1)
    assert miner.subscribed()[1] == 4
