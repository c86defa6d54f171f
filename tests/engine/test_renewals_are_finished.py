"""Another wallet or address is in force on every connection in the end, whatever goes wrong on the way."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.world import Connection, World


def pay_to(world: World, **wallets: str) -> None:
    pools = {key: replace(pool, wallet=wallets.get(key, pool.wallet)) for key, pool in world.config.pools.items()}
    world.config = replace(world.config, pools=pools, revision=world.config.revision + 1)
    world.engine.apply(world.config)


def users(world: World, key: str) -> list[str]:
    return [connection.user for connection in world.pools[key].live()]


def test_a_renewal_that_failed_is_tried_again() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(1)
    world.pools["A"].reachable = False
    pay_to(world, A="newer")
    world.advance(0.5)
    world.pools["A"].reachable = True
    world.advance(120)
    assert users(world, "A") == ["newer.rig"]


def test_the_newest_wallet_counts_when_it_is_corrected_while_connections_are_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(1)
    usual = Connection.answer

    def answer(self: Connection, message: dict[str, Any]) -> None:
        wait = 0.2 if message["method"] == "mining.authorize" else 0.0
        world.clock.call_at(world.clock.now() + wait, lambda: usual(self, message))

    monkeypatch.setattr(Connection, "answer", answer)
    pay_to(world, A="typo")
    world.advance(0.1)
    pay_to(world, A="right")
    world.advance(120)
    assert users(world, "A") == ["right.rig"]


def test_a_pool_that_gets_weight_again_while_it_drains_pays_to_its_newest_wallet() -> None:
    world = World({"A": 8, "B": 8})
    world.miner()
    world.advance(40)
    world.slider(A=100.0, B=0.0)
    world.advance(1)
    pay_to(world, B="newer")
    world.advance(1)
    world.slider(A=50.0, B=50.0)
    world.advance(120)
    assert users(world, "B") == ["newer.rig"]
