"""Many miners on few connections to two unlike strict pools: real hashing, switches, new blocks, a changed setting.

The pools check duplicates, count their jobs alike, and leave 8 and 4 bytes of extranonce2. ``DPMP_E2E_SECONDS=300`` has
two hundred miners of all firmware, a switch every 25 s and a block every 20 s, for so long.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from proxy.simulator.profiles import CGMINER, ESP_MINER, NERDMINER, NERDQAXE, PROFILES, Profile
from tests.e2e.books import check_blocks, check_treatment
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy, Write
from tests.e2e.fleet import Fleet
from tests.e2e.pools import TimedPool, row, shares_of
from tests.e2e.process import Metrics, ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S

LONG_S = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a run is, and how quick."""

    profiles: Sequence[Profile]
    miners: int
    hashrate: float
    network_difficulty: float
    """So that both pools' miners find a block now and then."""
    shares_per_minute: float
    min_switch_s: float
    block_s: float
    most_connections: int
    """That each pool may have at the end."""


SHORT = Size(
    profiles=(ESP_MINER, CGMINER, NERDMINER, NERDQAXE),
    miners=40,
    hashrate=800.0,
    network_difficulty=150.0,
    shares_per_minute=40.0,
    min_switch_s=6.0,
    block_s=6.0,
    most_connections=6,
)
LONG = Size(
    profiles=tuple(PROFILES.values()),
    miners=200,
    hashrate=600.0,
    network_difficulty=3_000.0,
    shares_per_minute=15.0,
    min_switch_s=25.0,
    block_s=20.0,
    most_connections=30,
)


def set_up(size: Size, pools: Sequence[TimedPool], **of_a: object) -> SetUp:
    sharing = {
        "connections": "shared",
        "most_miners": 25,
        "shares_per_minute": size.shares_per_minute,
        "min_difficulty": 1.0,  # 1,024 hashes here: what NerdMiners suggest would make every hash a share
    }
    fields = {"A": {**sharing, **of_a}, "B": sharing}
    return SetUp(
        pools=[row(pool, **fields[pool.name]) for pool in pools],
        weights={"A": 50, "B": 50},
        min_switch_s=size.min_switch_s,
        slice_s=size.min_switch_s / 2,
    )


async def has_happened(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[TimedPool], *, shares: int) -> None:
    """Wait until every miner has found shares, one of them a block, each pool has had blocks and credited shares, and
    miners have moved."""
    blocks = [len(pool.blocks_at) + 2 for pool in pools]
    await fleet.mined(shares)
    async with asyncio.timeout(PATIENCE_S):
        while any(len(pool.blocks_at) < goal for pool, goal in zip(pools, blocks, strict=True)):
            await asyncio.sleep(0.2)
        while not any(pool.book.blocks for pool in pools):
            await asyncio.sleep(0.2)
        while True:
            metrics = await proxy.metrics()
            credited = metrics.by("dpmp_shares_accepted_total", "pool")
            if (
                metrics.total("dpmp_pool_switches_total") > 2 * len(fleet)
                and min(credited.get("A", 0), credited.get("B", 0)) >= 10
            ):
                return
            await asyncio.sleep(0.3)


def check_shared_books(metrics: Metrics, fleet: Fleet, pools: Sequence[TimedPool]) -> None:
    """Miners, proxy and pools say the same of every share, and of work and credit."""
    work_only = metrics.total("dpmp_shares_work_only_total")
    assert fleet.unbalanced() == []
    assert metrics.total("dpmp_shares_submitted_total") == fleet.submitted
    assert metrics.total("dpmp_shares_accepted_total") + work_only == fleet.accepted
    assert metrics.total("dpmp_share_rejects_total") == fleet.rejected.total()
    for pool in pools:
        accepted, refused = shares_of([pool], without="nobody")
        assert metrics.total("dpmp_shares_accepted_total", pool=pool.name) == accepted
        assert metrics.total("dpmp_shares_rejected_total", pool=pool.name) == refused.total()
        credit = metrics.total("dpmp_accepted_difficulty_sum_total", pool=pool.name)
        assert credit == pytest.approx(sum(tally.work for tally in pool.book.workers.values()))
    proven = sum(miner.tally.work for miner in fleet.miners)
    stale = sum(
        answer.difficulty
        for miner in fleet.miners
        for answer in miner.answers
        if not answer.accepted and answer.code == 21
    )
    assert metrics.total("dpmp_work_difficulty_sum_total") == pytest.approx(proven + stale)
    assert work_only > metrics.total("dpmp_shares_accepted_total")


@pytest.mark.slow
async def test_many_miners_on_few_connections_find_no_share_twice_and_lose_none(
    start_pool: StartPool,
    start_proxy: StartProxy,
    start_fleet: StartFleet,
    write: Write,
    measured: Measured,
    seconds: float,
) -> None:
    size = LONG if seconds >= LONG_S else SHORT
    pools = [
        await start_pool(key, block_s=size.block_s, network_difficulty=size.network_difficulty) for key in ("A", "B")
    ]
    proxy = await start_proxy(set_up(size, pools))
    profiles = [size.profiles[number % len(size.profiles)] for number in range(size.miners)]
    fleet = await start_fleet(proxy.stratum, profiles, hashrate=size.hashrate)
    await fleet.in_work()
    if size is LONG:
        await asyncio.sleep(seconds)
    await has_happened(proxy, fleet, pools, shares=4)
    connections = (await proxy.metrics()).by("dpmp_upstream_connections", "pool")
    await write(proxy, set_up(size, pools, connections="own"))
    await has_happened(proxy, fleet, pools, shares=2)
    await fleet.settle()
    metrics = await proxy.metrics()
    measured(
        f"{fleet.summary()}; connections {connections}; {metrics.total('dpmp_shares_work_only_total'):.0f} as work"
    )
    assert all(number <= size.most_connections for number in connections.values())
    assert fleet.without_verdict == 0
    check_treatment(proxy, fleet, pools)
    check_shared_books(metrics, fleet, pools)
    measured(check_blocks(proxy, fleet, pools))
