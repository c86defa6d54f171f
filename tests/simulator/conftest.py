"""Test pools and miners that are stopped whatever happens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from proxy.runtime.tasks import spawn
from proxy.simulator.chain import SimChain
from proxy.simulator.miner import SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, Profile
from tests.simulator.scripted import ScriptedPool

HASHES_PER_DIFFICULTY = 2**8

StartPool = Callable[..., Awaitable[SimPool]]
StartMiner = Callable[..., Awaitable[SimMiner]]


@pytest.fixture
async def start_pool() -> AsyncIterator[StartPool]:
    pools: list[SimPool] = []

    async def start(*, network_difficulty: float = 1e9, **settings: Any) -> SimPool:
        chain = SimChain(hashes_per_difficulty=HASHES_PER_DIFFICULTY, network_difficulty=network_difficulty, seed=3)
        pool = SimPool(chain=chain, **settings)
        pools.append(pool)
        await pool.start()
        return pool

    yield start
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedPool]:
    pool = ScriptedPool()
    await pool.start()
    yield pool
    await pool.stop()


@pytest.fixture
async def start_miner() -> AsyncIterator[StartMiner]:
    miners: list[SimMiner] = []

    async def start(
        pool: SimPool | ScriptedPool, profile: Profile = CPUMINER, *, mining: bool = False, **settings: Any
    ) -> SimMiner:
        settings = {"user": f"wallet.{profile.name}", "hashes_per_difficulty": HASHES_PER_DIFFICULTY, **settings}
        miner = SimMiner(profile, "127.0.0.1", pool.port, **settings)
        miner.mining = mining
        miners.append(miner)
        miner.start(spawn)
        return miner

    yield start
    for miner in miners:
        await miner.stop()
