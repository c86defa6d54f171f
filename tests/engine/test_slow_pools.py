"""A pool that answers late is slow, not silent; what it says late still counts."""

import pytest

from proxy.observe.events import PoolDisconnected, PoolDown, ShareResult
from proxy.types import PoolKey, PoolStatus, Verdict
from tests.support.world import World


def stalls(world: World) -> list[str]:
    return [event.reason for event in world.events_of(PoolDisconnected) if not event.wanted]


def test_a_pool_that_always_answers_after_twelve_seconds_is_used() -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].delay_s = 12.0
    miner = world.miner()
    world.advance(120)
    assert not stalls(world)
    for nonce in range(10):
        miner.submit(nonce=f"{nonce:08x}")
        world.advance(20)
        world.pools["A"].notify()
    shares = world.events_of(ShareResult)
    assert [share.verdict for share in shares] == [Verdict.ACCEPTED] * 10
    assert not stalls(world)
    assert not world.events_of(PoolDown)


def test_a_slow_pool_that_falls_silent_is_found_within_a_minute() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 100.0, "B": 0.001})
    world.pools["A"].delay_s = 12.0
    miner = world.miner()
    world.advance(120)
    for nonce in range(3):
        miner.submit(nonce=f"{nonce:08x}")
        world.advance(15)
    assert miner.session.current == "A"
    world.pools["A"].silent = True
    miner.submit(nonce="0000ffff")
    world.advance(61)
    assert miner.session.current == "B"
    assert world.engine.pools[PoolKey("A")].status is not PoolStatus.UP


def test_a_pool_that_became_slow_while_it_was_down_is_reached_again() -> None:
    world = World({"A": 8})
    world.advance(1)
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    miner = world.miner()
    world.advance(30)
    world.pools["A"].reachable, world.pools["A"].delay_s = True, 25.0
    world.advance(600)
    assert miner.session.current == "A"


@pytest.mark.parametrize("agent", ["cgminer/4.11.1", "bitaxe/BM1370/v2.9.0"])
def test_an_answer_to_configure_that_comes_late_reaches_the_miners_to_come(agent: str) -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].mask, world.pools["A"].configure_delay_s = 0x00FFE000, 4.0
    first = world.miner(agent, mask="ffffffff")
    world.advance(10)
    assert first.answers(1)[0]["result"] == {"version-rolling": True, "version-rolling.mask": "1fffe000"}
    assert first.all("mining.set_version_mask")[-1] == ["00ffe000"]
    assert first.all("mining.notify")
    assert world.engine.pools[PoolKey("A")].version_mask == 0x00FFE000
    second = world.miner(agent, user="addr.two", mask="ffffffff")
    assert second.answers(1)[0]["result"] == {"version-rolling": True, "version-rolling.mask": "00ffe000"}


def test_a_pool_that_never_says_whether_it_rolls_does_not_keep_an_avalon_out() -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].configure_delay_s = None
    world.advance(10)
    assert world.engine.pools[PoolKey("A")].version_mask is None
    miner = world.miner("cgminer/4.11.1", mask="1fffe000")
    world.advance(10)
    assert miner.answers(1)[0]["result"] == {"version-rolling": True, "version-rolling.mask": "1fffe000"}
    assert miner.all("mining.notify")
    miner.submit(bits="00002000")
    world.advance(1)
    assert world.pools["A"].submits[-1][5:] == ["00002000"]


def test_firmware_that_may_not_stop_rolling_leaves_a_pool_that_has_not_said_alone_while_another_has_work() -> None:
    world = World({"A": 8, "B": 8}, settle=False)
    world.pools["A"].configure_delay_s = None
    world.advance(10)
    miner = world.miner("cgminer/4.11.1", mask="1fffe000")
    world.advance(200)
    assert {miner.pool_of(job) for job in miner.all("mining.notify")} == {"B"}
    assert "has not said" in miner.session.facts()[PoolKey("A")]
    world.pools["B"].reachable = False
    world.pools["B"].drop()
    world.advance(1)
    world.pools["A"].notify()
    world.advance(1)
    assert miner.pool_of(miner.job) == "A"


def test_firmware_that_can_stop_rolling_waits_with_it_until_the_pool_has_said() -> None:
    world = World({"A": 8}, settle=False)
    world.pools["A"].configure_delay_s = 30.0
    miner = world.miner("bitaxe/BM1370/v2.9.0", mask="ffffffff")
    world.advance(10)
    assert miner.all("mining.set_version_mask") == [["00000000"]]
    assert miner.all("mining.notify")
    world.advance(30)
    world.pools["A"].notify()
    world.advance(1)
    assert miner.all("mining.set_version_mask")[-1] == ["1fffe000"]


def test_a_mask_that_a_pool_changes_later_is_offered_to_the_miners_to_come() -> None:
    world = World({"A": 8})
    first = world.miner(mask="1fffe000")
    world.advance(2)
    world.pools["A"].push("mining.set_version_mask", ["1ff00000"])
    world.advance(1)
    assert first.all("mining.set_version_mask") == [["1ff00000"]]
    second = world.miner(user="addr.two", mask="1fffe000")
    assert second.answers(1)[0]["result"]["version-rolling.mask"] == "1ff00000"


def test_a_timeout_does_not_undo_what_the_pool_said_before() -> None:
    world = World({"A": 8})
    assert world.engine.pools[PoolKey("A")].version_mask == 0x1FFFE000
    world.pools["A"].configure_delay_s = None
    world.miner(mask="1fffe000")
    world.advance(10)
    assert world.engine.pools[PoolKey("A")].version_mask == 0x1FFFE000
