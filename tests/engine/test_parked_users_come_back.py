"""A user that a pool refused is parked for a while, never for ever."""

from proxy.types import PoolStatus
from tests.support.world import World


def test_a_user_whose_parking_ends_while_the_pool_is_down_is_tried_when_it_is_back() -> None:
    world = World({"A": 8})
    pool = world.pools["A"]
    refused, other = world.miner(user="addr.one"), world.miner(user="addr.two")
    world.advance(1)
    pool.refuse = "database not ready"
    next(c for c in pool.live() if c.user.endswith(".one")).link.close("closed by the other side")
    world.advance(2)
    pool.refuse = ""
    pool.reachable = False
    pool.drop()
    world.advance(200)
    assert world.engine.pools["A"].status is PoolStatus.DOWN
    pool.reachable = True
    world.advance(1200)
    assert other.session.current == "A"
    assert refused.session.current == "A"
