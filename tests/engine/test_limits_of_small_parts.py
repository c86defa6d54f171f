"""Bounds and edges of the engine's small parts, each by itself."""

import pytest

from proxy.config.snapshot import Endpoint, PoolConfig
from proxy.engine import jobs
from proxy.engine.assigned_difficulty import suitable_difficulty
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.refusals import Refusals
from proxy.observe.events import EventStream, MinerRefused
from proxy.types import PoolKey
from tests.support.clock import VirtualClock
from tests.support.world import World


def test_the_operators_cap_holds_for_what_a_pool_is_asked_for() -> None:
    pool = PoolConfig(
        key=PoolKey("A"), wallet="w", endpoints=(Endpoint(host="pool.test", port=1),), max_difficulty=100.0
    )
    asked = suitable_difficulty(5_000.0, 0.0, pool, hashrate=0.0, hashes_per_difficulty=1.0, estimated=False)
    assert asked == 100.0


def test_a_difficulty_that_nobody_worked_at_holds_nobody() -> None:
    assert ProductiveDifficulty().held(1.0, 5.0) == 0.0


def test_what_was_not_reported_yet_is_reported_at_the_end() -> None:
    events, seen = EventStream(), list[MinerRefused]()
    events.subscribe(MinerRefused, seen.append)
    refusals = Refusals(VirtualClock(), events)
    for _ in range(3):
        refusals.add("10.0.0.1", "10.0.0.1:4000", "max_sessions")
    refusals.close()
    assert [event.connections for event in seen] == [1, 2]


def test_shares_and_times_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_SHARES_REMEMBERED", 2)
    world = World({"A": 4})
    miner = world.miner()
    world.advance(2)
    for number in range(1, 6):
        miner.submit(nonce=f"{number:08x}")
    world.advance(1)
    assert len(world.pools["A"].submits) == 5
    for _ in range(2 * jobs.MAX_CONTENTS):
        world.pools["A"].notify(new_block=True)
    table = miner.session.jobs
    assert table is not None and len(table._ntimes) <= jobs.MAX_CONTENTS
