"""Decisions for good are only taken on a hash rate that rests on enough shares."""

from proxy.scheduling.tuning import DEFAULT_TUNING
from tests.support.world import World


def test_a_hash_rate_is_sure_once_it_rests_on_enough_shares() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    ident = miner.session.id
    for number in range(int(DEFAULT_TUNING.sure_shares) - 1):
        miner.submit(nonce=f"{number:08x}")
        world.advance(1)
    assert world.engine.scheduler.sure_rate(ident) == 0
    for number in range(100, 105):
        miner.submit(nonce=f"{number:08x}")
        world.advance(1)
    rate = world.engine.scheduler.rate(ident)
    assert world.engine.scheduler.sure_rate(ident) == rate > 0
    assert world.engine.scheduler.sure_rate(ident + 99) == 0
