"""Fresh dials that fail say nothing against connections that work: many pools limit connections from one address."""

from proxy.observe.events import PoolDown
from tests.support.world import World


def test_a_pool_that_takes_no_more_connections_keeps_those_it_has() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 100.0, "B": 0.0})
    pool = world.pools["A"]
    miners = [world.miner(user=f"addr.r{n}") for n in range(3)]
    world.advance(5)
    pool.reachable = False
    world.miner(user="addr.late")
    for _ in range(4):
        world.advance(15)
        pool.notify()
        for miner in miners:
            miner.submit()
    world.advance(1)
    assert not world.events_of(PoolDown)
    assert [miner.session.current for miner in miners] == ["A"] * 3
    assert len(pool.live()) == 3
    assert len(pool.submits) == 12
