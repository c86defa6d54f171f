"""A miner that could work if it were set up otherwise is set up otherwise, in place of being kept without work."""

import pytest

from tests.support.world import World


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "agent",
    ["Antminer S19/1.0", "whatsminer/v1.1", "bosminer-plus-tuner 1", "cgminer/4.12.0", "NiceHash/1.0.0", "somebody/1"],
)
def test_where_no_pool_rolls_versions_the_miner_is_told_so_and_works(agent: str) -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].mask = None
    world.advance(5)
    miner = world.miner(agent, mask="1fffe000")
    world.advance(5)
    assert miner.answers(1)[0]["result"] == {"version-rolling": False}
    assert miner.all("mining.notify")
    assert not miner.all("mining.set_version_mask")


def test_firmware_that_takes_a_mask_only_by_message_is_told_to_roll_nothing() -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].mask = None
    world.advance(5)
    miner = world.miner("bitaxe/BM1370/v2.9.0", mask="ffffffff")
    world.advance(5)
    assert miner.all("mining.set_version_mask") == [["00000000"]]
    assert miner.all("mining.notify")


def test_a_miner_that_no_pool_has_room_for_is_let_go_so_that_it_comes_back_and_fits() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(2)
    world.pools["A"].size = 4
    world.pools["A"].drop()
    world.advance(10)
    assert miner.link.closed
    again = world.miner()
    world.advance(10)
    assert again.all("mining.notify")
    assert not again.link.closed


def test_a_miner_that_would_not_fit_the_next_time_either_is_kept() -> None:
    world = World({"A": 8})
    miner = world.miner("NiceHash/1.0.0")
    world.advance(2)
    world.pools["A"].size = 2
    world.pools["A"].drop()
    world.advance(60)
    assert not miner.link.closed


@pytest.mark.parametrize("delay_s", [0.0, 10.0])
def test_a_miner_told_of_rolling_before_its_only_pool_refuses_it_gets_work_or_is_let_go(delay_s: float) -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].mask = None
    world.pools["A"].configure_delay_s = delay_s
    if delay_s:
        world.advance(5)
    miner = world.miner("SomeFirmware/1.0", mask="1fffe000")
    world.advance(300)
    world.pools["A"].notify(clean=True)
    world.advance(30)
    assert miner.link.closed or miner.session.current is not None


@pytest.mark.parametrize(
    "agent", ["whatsminer/v1.1", "Antminer S19/1", "Braiins OS 24", "cgminer/4.11.1", "SomeFirmware/1.0"]
)
def test_a_miner_whose_only_pool_stops_rolling_is_let_go_to_be_told_so(agent: str) -> None:
    world = World({"A": 8})
    miner = world.miner(agent, mask="1fffe000")
    world.advance(3)
    assert miner.session.current == "A"
    world.pools["A"].mask = None
    world.pools["A"].push("mining.set_version_mask", ["00000000"])
    world.advance(30)
    world.pools["A"].notify()
    world.advance(1)
    assert miner.link.closed
    again = world.miner(agent, mask="1fffe000")
    world.advance(1)
    assert again.answers(1)[0]["result"]["version-rolling"] is False
    assert again.all("mining.notify"), "firmware that goes on without rolling works"


def test_an_avalon_goes_at_once_to_the_only_pool_left_though_it_is_silent_about_masks() -> None:
    world = World({"A": 8, "B": 8}, settle=False)
    world.pools["B"].configure_delay_s = None
    world.advance(10)
    miner = world.miner("cgminer/4.11.1", mask="ffffffff")
    world.advance(20)
    assert miner.session.current == "A"
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(5)
    assert miner.session.current == "B", miner.session.waiting
