"""Lines are counted where they pass, by side, and a connection that ends takes nothing back."""

from proxy.types import PoolKey
from tests.support.world import World

A = PoolKey("A")


def test_what_a_miner_and_a_pool_say_is_counted_once_on_each_side() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(3)
    miners, pool = world.engine.lines, world.engine.pool_lines[A]
    before = (miners.received, miners.sent, pool.received, pool.sent)
    miner.submit()
    world.advance(1)
    assert (miners.received, miners.sent, pool.received, pool.sent) == tuple(count + 1 for count in before)


def test_counts_do_not_fall_when_connections_end_or_a_pool_is_removed() -> None:
    world = World()
    miner = world.miner()
    world.advance(3)
    miner.leave()
    world.advance(20)
    counts = [(lines.received, lines.sent) for lines in (world.engine.lines, world.engine.pool_lines[A])]
    assert all(received and sent for received, sent in counts)
    config = world.snapshot(revision=2)
    del config.pools[A]
    world.engine.apply(config)
    world.engine.apply(world.snapshot(revision=3))
    world.advance(5)
    again = world.engine.pool_lines[A]
    assert again.received > counts[1][0] and again.sent > counts[1][1]
