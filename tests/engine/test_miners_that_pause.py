"""Small miners that come and go at random on shared connections: each share has its reply."""

import random

import pytest

from proxy.config.snapshot import Connections
from proxy.observe.events import PoolDisconnected
from tests.support.world import ScriptedMiner, World

HOUR_S = 3_600.0
SHARED = {"connections": Connections.SHARED}


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_every_share_of_an_hour_is_answered(number: int, seed: int) -> None:
    rng = random.Random(seed)
    world = World({"A": 8, "B": 8}, options={"A": SHARED, "B": SHARED}, difficulty=1e12, seed=seed)
    for pool in world.pools.values():
        pool.nbits = "1a00ffff"
    miners = [world.miner("cpuminer/2.5.1", f"account.rig{index}") for index in range(number)]
    world.advance(2)
    sent: list[tuple[ScriptedMiner, int]] = []
    working, until = set(miners), dict.fromkeys(miners, 0.0)
    end, nonce = world.clock.now() + HOUR_S, 0
    while world.clock.now() < end:
        world.advance(rng.uniform(1.0, 8.0))
        if rng.random() < 0.1:
            rng.choice(list(world.pools.values())).notify()
        for miner in miners:
            if world.clock.now() > until[miner]:
                until[miner] = world.clock.now() + rng.choice([20.0, 120.0, 900.0])
                working ^= {miner}
            for _ in range(rng.randrange(1, 4) if miner in working else 0):
                nonce += 1
                sent.append((miner, miner.submit(nonce=f"{nonce:08x}")))
    world.advance(60)
    assert len(sent) > 100
    for miner in miners:
        idents = [ident for each, ident in sent if each is miner]
        replies = [line["id"] for line in miner.lines if "method" not in line and line["id"] > 10]
        assert sorted(replies) == idents
    assert {event.reason for event in world.events_of(PoolDisconnected)} == {"probe done"}
