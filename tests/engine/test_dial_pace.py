"""Pools are dialled at a pace for strangers, and at once for miners that have had an accepted share."""

from dataclasses import replace

import pytest

from proxy.config.snapshot import Limits
from proxy.engine.dial_pace import _PURGE_LEAST, ALL_ADDRESSES, MAX_BUCKETS, NAME_BURST, DialPace, Waiting, _Buckets
from proxy.types import WorkerName
from tests.support.clock import VirtualClock
from tests.support.world import ScriptedMiner, World

PER_S = Limits().dials_per_s
OPEN = Limits(max_sessions=100_000, max_sessions_per_address=100_000, connects_per_minute=100_000)


def world_of(**options: object) -> World:
    world = World(**options)  # type: ignore[arg-type]
    world.engine.apply(replace(world.config, limits=OPEN, revision=2))
    world.dialer.dials.clear()
    return world


def come(world: World, count: int, *, address: str = "192.0.2.1", name: str = "rig") -> list[ScriptedMiner]:
    """Miners that connect and log in at the same moment."""
    miners = []
    for number in range(count):
        world.next_peer = f"{address}:{10_000 + world.miners % 50_000}"
        miners.append(world.miner(user=f"addr.{name}{number}"))
    return miners


def dials(world: World, pool: int = 0) -> int:
    return world.dialer.dials.count(1000 + pool)


def in_work(miners: list[ScriptedMiner]) -> int:
    return sum(bool(miner.all("mining.notify")) for miner in miners)


def test_strangers_that_come_and_go_by_the_hundred_cause_few_dials() -> None:
    world = world_of()
    for _ in range(50):
        for stranger in come(world, 30):
            stranger.leave()
        world.advance(0.1)
    assert dials(world, 0) <= 5 * PER_S + PER_S + 1
    assert dials(world, 1) <= 5 * PER_S + PER_S + 1
    world.advance(60)
    assert world.engine.pools["A"]._pace.waiting == 0  # type: ignore[index]


def test_many_addresses_together_have_a_pace_as_well_and_take_turns() -> None:
    world = world_of()
    waves = [come(world, 30, address=f"192.0.2.{number}", name=f"x{number}y") for number in range(15)]
    newcomer = come(world, 1, address="198.51.100.7", name="honest")
    world.advance(0.5)
    assert dials(world) <= ALL_ADDRESSES * PER_S * 1.5 + 1
    world.advance(1.5)
    assert in_work(newcomer) == 1
    world.advance(10)
    assert all(in_work(miners) == 30 for miners in waves)


def test_many_addresses_have_their_pace_also_where_none_has_used_up_its_own() -> None:
    world = world_of()
    miners = [
        miner for number in range(6) for miner in come(world, 17, address=f"192.0.2.{number}", name=f"x{number}y")
    ]
    assert dials(world) == ALL_ADDRESSES * PER_S < len(miners)
    world.advance(1)
    assert in_work(miners) == len(miners)


@pytest.mark.no_cover
def test_a_new_farm_behind_one_address_is_at_work_in_seconds_for_one_pool_comes_before_two() -> None:
    world = world_of()
    farm = come(world, 200)
    world.advance(5)
    assert in_work(farm) == 200
    world.advance(6)
    assert all(len(pool.live()) == 200 for pool in world.pools.values())


def test_a_home_with_six_miners_never_waits() -> None:
    world = world_of()
    home = come(world, 6)
    world.advance(0.1)
    assert in_work(home) == 6
    assert all(len(pool.live()) == 6 for pool in world.pools.values())


@pytest.mark.no_cover
def test_a_farm_that_was_there_before_comes_back_at_once_also_while_strangers_wait() -> None:
    world = world_of()
    farm = come(world, 100, name="asic")
    world.advance(15)
    for miner in farm:
        miner.submit()
    world.advance(1)
    for miner in farm[:50]:
        miner.leave()  # the others vanish without a word: their connections stand for a while
    come(world, 100, name="stranger")
    again = come(world, 100, name="asic")
    world.advance(0.2)
    assert in_work(again) == 100


@pytest.mark.no_cover
def test_a_fleet_that_has_earned_moves_to_a_pool_without_connections_at_once() -> None:
    world = world_of(pools={"A": 8, "B": 8}, weights={"A": 100})
    farm = come(world, 200)
    world.advance(15)
    for miner in farm:
        miner.submit()
    world.advance(1)
    assert world.pools["B"].live() == []
    world.slider(B=100)
    world.engine.apply(replace(world.config, limits=OPEN, revision=9))
    world.advance(2)
    assert len(world.pools["B"].live()) == 200


@pytest.mark.no_cover
def test_a_known_name_is_no_way_around_the_pace() -> None:
    world = world_of()
    known = come(world, 1, address="10.1.1.1", name="attic")
    world.advance(1)
    known[0].submit()
    world.advance(1)
    known[0].leave()
    world.advance(1)
    world.dialer.dials.clear()
    for _ in range(300):
        come(world, 1, name="attic")
    world.advance(0.01)
    assert dials(world) <= PER_S + NAME_BURST


@pytest.mark.no_cover
def test_the_pace_follows_the_setting() -> None:
    world = world_of()
    world.engine.apply(replace(world.config, limits=replace(OPEN, dials_per_s=200.0), revision=3))
    farm = come(world, 200)
    world.advance(0.1)
    assert in_work(farm) == 200


def test_a_bounded_number_of_keys_is_remembered() -> None:
    buckets = _Buckets()
    for number in range(2 * MAX_BUCKETS):
        assert buckets.has_left(str(number), 0.0, per_s=1.0, burst=1.0)
        buckets.count(str(number))
    assert len(buckets._spent) == MAX_BUCKETS


def test_whose_dials_count_no_more_takes_no_room() -> None:
    buckets = _Buckets()
    for number in range(1000):
        assert buckets.has_left(str(number), 0.1 * number, per_s=1.0, burst=1.0)
        buckets.count(str(number))
    assert len(buckets._spent) <= 12
    assert not buckets.has_left("999", 100.0, per_s=1.0, burst=1.0)


def test_names_get_their_dials_back_in_time() -> None:
    world = World()
    pace = DialPace(world.clock, lambda: 1.0)
    assert sum(pace.is_free_for(WorkerName("attic")) for _ in range(100)) == NAME_BURST
    world.advance(10)
    assert sum(pace.is_free_for(WorkerName("attic")) for _ in range(100)) == pytest.approx(2)


class Ending:
    """What ``DialPace`` asks a connection."""

    def __init__(self) -> None:
        self.ended = False


def test_an_address_whose_connections_all_ended_while_they_waited_is_forgotten() -> None:
    pace = DialPace(VirtualClock(), lambda: 1.0)
    dialled: list[Ending] = []

    def wait(address: str) -> Ending:
        connection = Ending()
        pace.dial_in_turn(address, Waiting(connection, lambda: False, lambda: dialled.append(connection)))  # type: ignore[arg-type]
        return connection

    strangers = [wait("192.0.2.1") for _ in range(_PURGE_LEAST + 1)]
    for stranger in strangers:
        stranger.ended = True
    wait("192.0.2.2")
    assert list(pace._queues) == ["192.0.2.2"] and pace.waiting == 1
    assert dialled == strangers[:1]
