"""Test pools and miners that are stopped whatever happens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from proxy.net.tasks import spawn
from proxy.simulator.chain import SimChain
from proxy.simulator.miner import SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, Profile
from tests.simulator.scripted import RuleBreakingPool
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

HASHES_PER_DIFFICULTY = 2**8


class PatientPool(SimPool):
    """A pool for which a test waits as long as a busy machine needs."""

    async def until(self, fact: Callable[[SimPool], bool], timeout_s: float = PATIENCE_S) -> None:
        await super().until(fact, timeout_s)


class PatientMiner(SimMiner):
    """The same for a miner."""

    async def until(self, fact: Callable[[SimMiner], bool], timeout_s: float = PATIENCE_S) -> None:
        await super().until(fact, timeout_s)


StartPool = Callable[..., Awaitable[SimPool]]
StartMiner = Callable[..., Awaitable[SimMiner]]


@pytest.fixture
async def start_pool() -> AsyncIterator[StartPool]:
    pools: list[SimPool] = []

    async def start(*, network_difficulty: float = 1e9, **settings: Any) -> SimPool:
        chain = SimChain(hashes_per_difficulty=HASHES_PER_DIFFICULTY, network_difficulty=network_difficulty, seed=3)
        pool = PatientPool(chain=chain, **settings)
        pools.append(pool)
        await pool.start(port=steady_port())
        return pool

    yield start
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def scripted() -> AsyncIterator[RuleBreakingPool]:
    pool = RuleBreakingPool()
    await pool.start()
    yield pool
    await pool.stop()


@pytest.fixture
async def start_miner() -> AsyncIterator[StartMiner]:
    miners: list[SimMiner] = []

    async def start(pool: SimPool, profile: Profile = CPUMINER, *, mining: bool = False, **settings: Any) -> SimMiner:
        settings = {"user": f"wallet.{profile.name}", "hashes_per_difficulty": HASHES_PER_DIFFICULTY, **settings}
        miner = PatientMiner(profile, "127.0.0.1", pool.port, **settings)
        miner.mining = mining
        miners.append(miner)
        miner.start(spawn)
        return miner

    yield start
    for miner in miners:
        await miner.stop()
