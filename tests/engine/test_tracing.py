"""Raw traffic of one worker: switched on and off while it is connected, over by itself, on all its connections."""

from dataclasses import replace

from proxy.config.snapshot import Connections
from proxy.observe.events import DownstreamTraffic, UpstreamTraffic
from proxy.types import PoolKey, WorkerName
from tests.support.world import World

A, B = PoolKey("A"), PoolKey("B")


def trace(world: World, seconds: float | None, worker: str = "rig") -> None:
    until = {} if seconds is None else {WorkerName(worker): world.clock.wall() + seconds}
    world.config = replace(world.config, revision=world.config.revision + 1, trace_workers=until)
    world.engine.apply(world.config)


def heard(world: World) -> list[DownstreamTraffic | UpstreamTraffic]:
    return [event for event in world.seen if isinstance(event, DownstreamTraffic | UpstreamTraffic)]


def talk(world: World) -> int:
    """Let both sides speak; returns how many lines of it were heard."""
    before = len(heard(world))
    for pool in world.pools.values():
        pool.notify()
    world.advance(1)
    return len(heard(world)) - before


def test_nobody_is_heard_without_being_asked_for() -> None:
    world = World()
    world.miner()
    world.advance(3)
    assert talk(world) == 0
    assert heard(world) == []


def test_connected_worker_is_heard_from_the_moment_it_is_asked_for_and_no_other() -> None:
    world = World()
    miner = world.miner()
    world.miner(user="addr.other")
    world.advance(3)
    trace(world, 600)
    miner.submit()
    world.advance(1)
    assert talk(world) > 0
    both = heard(world)
    assert {event.session for event in both} == {miner.session.id}
    assert {event.direction for event in both if isinstance(event, DownstreamTraffic)} == {"rx", "tx"}
    assert any(isinstance(event, UpstreamTraffic) and "mining.submit" in event.line for event in both)


def test_jobs_that_a_miner_gets_as_all_of_a_shared_connection_do_are_heard() -> None:
    world = World({"A": 8}, options={"A": {"connections": Connections.SHARED}})
    for number in range(2):
        world.miner("cgminer/4.11.1", f"addr.rig{number}", mask="1fffe000")
    world.advance(3)
    trace(world, 600, "rig1")
    for _ in range(3):
        talk(world)
    assert sum("mining.notify" in event.line for event in heard(world) if isinstance(event, DownstreamTraffic)) == 3


def test_connections_to_all_pools_are_heard_also_the_one_it_does_not_work_on() -> None:
    world = World()
    world.miner()
    world.advance(3)
    trace(world, 600)
    talk(world)
    assert {event.pool for event in heard(world) if isinstance(event, UpstreamTraffic)} == {A, B}


def test_worker_that_connects_later_is_heard_with_the_pools_handshake() -> None:
    world = World()
    trace(world, 600)
    world.miner()
    world.advance(3)
    lines = [event.line for event in heard(world) if isinstance(event, UpstreamTraffic)]
    assert any("mining.authorize" in line for line in lines)
    assert any("mining.notify" in line for line in lines)


def test_it_ends_by_itself_when_its_time_is_over() -> None:
    world = World()
    world.miner()
    world.advance(3)
    trace(world, 60)
    world.advance(58)
    assert talk(world) > 0
    world.advance(2)
    assert talk(world) == 0


def test_it_ends_at_its_time_also_where_the_wall_clock_lags_behind() -> None:
    world = World()
    world.miner()
    world.advance(3)
    trace(world, 60)
    world.clock.set_wall(world.clock.wall() - 30)
    world.advance(70)
    assert talk(world) > 0, "20 seconds of the wall clock are left"
    world.advance(25)
    assert talk(world) == 0


def test_it_ends_at_once_when_the_operator_takes_it_back() -> None:
    world = World()
    world.miner()
    world.advance(3)
    trace(world, 600)
    assert talk(world) > 0
    trace(world, None)
    assert talk(world) == 0


def test_two_traces_end_each_at_its_own_time() -> None:
    world = World()
    first, second = world.miner(), world.miner(user="addr.other")
    world.advance(3)
    wall = world.clock.wall()
    world.engine.apply(
        replace(world.config, revision=2, trace_workers={WorkerName("rig"): wall + 30, WorkerName("other"): wall + 90})
    )
    world.advance(31)
    world.seen.clear()
    assert talk(world) > 0
    assert {event.session for event in heard(world)} == {second.session.id} != {first.session.id}
    world.advance(60)
    assert talk(world) == 0


def test_renewed_connection_is_heard_too() -> None:
    world = World()
    miner = world.miner()
    world.advance(3)
    trace(world, 600)
    miner.session.renew(A)
    world.advance(10)
    world.seen.clear()
    talk(world)
    assert A in {event.pool for event in heard(world) if isinstance(event, UpstreamTraffic)}
