"""A miner that never finds a share is let go after twenty times the time that one takes; slow ones are kept."""

import pytest

from proxy.config.snapshot import HealthConfig
from proxy.engine.idle_miners import LEAST_S, overdue_s
from proxy.observe.events import MinerDisconnected
from proxy.stratum.firmware import BY_NAME, PROFILES, UNKNOWN
from tests.support.world import World

DAY = 86_400.0


@pytest.mark.parametrize(
    ("profile", "difficulty", "least", "most"),
    [
        ("antminer", 500.0, LEAST_S, LEAST_S),
        ("antminer", 1e6, 9 * DAY, 11 * DAY),
        ("nerdminer", 0.001, 8_000.0, 9_000.0),
        ("nerdminer", 1.0, 90 * DAY, 110 * DAY),
        ("unknown", 1.0, 90 * DAY, 110 * DAY),
    ],
)
def test_the_difficulty_and_the_firmware_say_when_a_share_is_overdue(
    profile: str, difficulty: float, least: float, most: float
) -> None:
    assert least <= overdue_s(difficulty, BY_NAME[profile]) <= most


def test_every_profile_has_a_hash_rate_and_unknown_firmware_the_least() -> None:
    assert all(profile.least_hashrate >= UNKNOWN.least_hashrate > 0 for profile in PROFILES)


@pytest.mark.parametrize("mask", [None, pytest.param("1fffe000", marks=pytest.mark.no_cover)])
def test_an_asic_without_any_share_is_let_go_after_ten_minutes(mask: str | None) -> None:
    world = World({"A": 8})
    idle, works = world.miner("bmminer/2.0"), world.miner("bmminer/2.0", "addr.other", mask=mask)
    world.advance(1)
    works.submit(bits=mask and "00002000")
    world.advance(590)
    assert not idle.link.closed
    world.advance(120)
    assert idle.link.closed and not works.link.closed
    assert world.events_of(MinerDisconnected)[0].reason.startswith("no share in 1")
    world.advance(DAY)
    assert not works.link.closed


@pytest.mark.no_cover
def test_a_lottery_miner_is_kept_for_hours() -> None:
    world = World({"A": 8})
    nerd = world.miner("NerdMinerV2/1.8")
    world.advance(8 * 3_600.0)
    assert not nerd.link.closed


def test_time_without_work_does_not_count() -> None:
    world = World({}, health=HealthConfig(no_pool_minutes=0.0))
    idle = world.miner("bmminer/2.0")
    world.advance(3_000)
    assert not idle.link.closed
