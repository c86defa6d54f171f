"""Forty miners on few connections to two unlike strict pools: real hashing, switches, new blocks, a changed setting.

The pools check duplicates, count their jobs alike, and leave 8 and 4 bytes of extranonce2.
"""

import asyncio
from collections.abc import Sequence

import pytest

from proxy.simulator.profiles import CGMINER, ESP_MINER, NERDMINER, NERDQAXE
from tests.e2e.books import check_blocks, check_treatment
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy, Write
from tests.e2e.fleet import Fleet
from tests.e2e.pools import TimedPool, row, shares_of
from tests.e2e.process import Metrics, ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S

PROFILES = (ESP_MINER, CGMINER, NERDMINER, NERDQAXE)
MINERS = 40
HASHRATE = 800.0
SHARING = {"connections": "shared", "most_miners": 25, "shares_per_minute": 40.0, "min_difficulty": 1.0}
"""Difficulty 1 is 1,024 hashes here: what NerdMiners suggest would make every hash a share."""


def set_up(pools: Sequence[TimedPool], **of_a: object) -> SetUp:
    fields = {"A": {**SHARING, **of_a}, "B": dict(SHARING)}
    return SetUp(
        pools=[row(pool, **fields[pool.name]) for pool in pools],
        weights={"A": 50, "B": 50},
        min_switch_s=6.0,
        slice_s=3.0,
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
async def test_forty_miners_on_few_connections_find_no_share_twice_and_lose_none(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, write: Write, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=6.0, network_difficulty=150.0) for key in ("A", "B")]
    proxy = await start_proxy(set_up(pools))
    fleet = await start_fleet(
        proxy.stratum, [PROFILES[number % len(PROFILES)] for number in range(MINERS)], hashrate=HASHRATE
    )
    await fleet.in_work()
    await has_happened(proxy, fleet, pools, shares=4)
    connections = (await proxy.metrics()).by("dpmp_upstream_connections", "pool")
    await write(proxy, set_up(pools, connections="own"))
    await has_happened(proxy, fleet, pools, shares=2)
    await fleet.settle()
    metrics = await proxy.metrics()
    measured(
        f"{fleet.summary()}; connections {connections}; {metrics.total('dpmp_shares_work_only_total'):.0f} as work"
    )
    assert all(number <= 6 for number in connections.values())
    assert fleet.without_verdict == 0
    check_treatment(proxy, fleet, pools)
    check_shared_books(metrics, fleet, pools)
    measured(check_blocks(proxy, fleet, pools))
