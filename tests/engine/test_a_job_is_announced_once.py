"""What a pool sends on a thousand connections is told once; what each connection works on, once a block."""

from proxy.observe.events import ConnectionTipChanged, PoolNotify
from tests.support.world import World


def test_a_job_on_many_connections_is_told_once_and_reaches_every_miner() -> None:
    world = World({"A": 8})
    miners = [world.miner(user=f"addr.{number}") for number in range(20)]
    world.advance(3)
    told = len(world.events_of(PoolNotify))
    jobs = [len(miner.all("mining.notify")) for miner in miners]
    params = world.pools["A"].notify()
    world.advance(1)
    assert [event.job for event in world.events_of(PoolNotify)[told:]] == [params[0]]
    assert [len(miner.all("mining.notify")) for miner in miners] == [count + 1 for count in jobs]


def test_a_new_block_is_told_for_each_connection_and_another_job_on_it_for_none() -> None:
    world = World({"A": 8})
    for number in range(5):
        world.miner(user=f"addr.{number}")
    world.advance(3)
    tips = len(world.events_of(ConnectionTipChanged))
    world.pools["A"].notify()
    world.advance(1)
    assert len(world.events_of(ConnectionTipChanged)) == tips
    world.pools["A"].notify(new_block=True)
    world.advance(1)
    new = world.events_of(ConnectionTipChanged)[tips:]
    assert len({event.connection for event in new}) == len(new) == 5


def test_the_coinbases_that_connections_work_on_are_known() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(3)
    (pool,) = world.engine.pools.values()
    assert list(pool.coinbases()) == [bytes.fromhex("ffffffff" * 4)]
