"""``{difficulty}`` in a pool's password: filled with what suits the miner, or gone with its part."""

from dataclasses import replace

import pytest

from proxy.config.snapshot import PoolConfig
from proxy.types import PoolKey
from tests.support.world import World

POOL = PoolConfig(key=PoolKey("A"), wallet="w", endpoints=())


@pytest.mark.parametrize(
    ("password", "known", "unknown"),
    [
        ("x;d={difficulty}", "x;d=16384", "x"),
        ("d={difficulty}", "d=16384", "x"),
        ("d={difficulty};x", "d=16384;x", "x"),
        ("c=BTC,d={difficulty},m=solo", "c=BTC,d=16384,m=solo", "c=BTC,m=solo"),
        ("x", "x", "x"),
        ("", "", ""),
        ("a;b,d={difficulty};c", "a;b,d=16384;c", "a;b;c"),
        (";d={difficulty}", ";d=16384", "x"),
        ("{other}", "{other}", "{other}"),
    ],
)
def test_the_place_is_filled_or_vanishes_with_its_part(password: str, known: str, unknown: str) -> None:
    pool = replace(POOL, password=password)
    assert pool.password_for(16384.9) == known
    assert pool.password_for(None) == unknown


@pytest.mark.parametrize(
    ("difficulty", "text"), [(1.0, "1"), (1e17, "100000000000000000"), (0.00015, "0.00015"), (0.5, "0.5")]
)
def test_the_number_is_written_plainly(difficulty: float, text: str) -> None:
    assert replace(POOL, password="d={difficulty}").password_for(difficulty) == f"d={text}"


def passwords(world: World) -> list[str]:
    return [
        connection.password for connection in world.pools["A"].connections if not connection.agent.startswith("dpmp/")
    ]


def test_a_miner_of_which_nothing_is_known_logs_in_without_and_then_with_what_it_worked_at() -> None:
    world = World({"A": 8}, difficulty=64)
    pools = {key: replace(pool, password="x;d={difficulty}") for key, pool in world.config.pools.items()}
    world.config = replace(world.config, pools=pools, revision=2)
    world.engine.apply(world.config)
    world.advance(3)
    world.engine.scheduler.rate = lambda session: 0.0  # type: ignore[method-assign,assignment]
    miner = world.miner()
    world.advance(2)
    assert passwords(world) == ["x"]
    miner.submit()
    world.advance(1)
    world.pools["A"].drop()
    world.advance(5)
    assert passwords(world) == ["x", "x;d=64"]
    probes = {
        connection.password for connection in world.pools["A"].connections if connection.agent.startswith("dpmp/")
    }
    assert probes <= {"x"}
