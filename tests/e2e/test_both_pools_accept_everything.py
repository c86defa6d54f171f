"""Fifty-fifty over two pools that are unlike in everything, all firmware at once: only true stales are refused.

Each run has another pair of pools, and both pairs have jobs with bits inside the version mask, which firmware reports
and pools read in three ways. Every header that is a block reaches its pool.
"""

import asyncio
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from proxy.simulator.dialect import BTCPOOL, CKPOOL, DATUM, PUBLIC_POOL
from proxy.simulator.profiles import ESP_MINER, HAN_SOLO, NERDMINER, NICEHASH, PROFILES
from proxy.simulator.shares import Refusal
from tests.e2e.books import check_blocks, check_books, check_treatment
from tests.e2e.conftest import DirectMiners, Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import Fleet
from tests.e2e.pools import VARDIFF, TimedPool, row
from tests.e2e.process import Metrics, ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S, ProcessorWait

LONG_S = 240.0
"""From here on the tempo is the one that is asked for: a switch every 25 s, a block every 20 s."""
SHARES, BLOCKS, SWITCHES = 4, 2, 2
"""What a short run waits for: of each miner, of each pool, of each miner."""
NETWORK, LONG_NETWORK = 100.0, 500.0
"""So that the fleet finds a block every few seconds, and a few less often in a long run."""
LARGE = 5_200
"""Bytes of a coinbase that ESP-Miner dies of."""
CANNOT_HASH_LARGE = {profile.name for profile in (ESP_MINER, NERDMINER, HAN_SOLO, NICEHASH)}

PAIRS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "ckpool and public-pool": {
        "A": {"dialect": CKPOOL, "version": 0x20006000},
        "B": {
            "dialect": PUBLIC_POOL,
            "version": 0x2000A000,
            "large_coinbase": LARGE,
            "large_every": 6,
            "vardiff": replace(
                VARDIFF,
                whole=False,
                powers_of_two=True,
                window_s=12.0,
                window_shares=30,
                idle_divisor=6.0,
                early_shares=5,
            ),
        },
    },
    "DATUM and btcpool": {
        "A": {"dialect": DATUM, "version": 0x20100000, "vardiff": replace(VARDIFF, powers_of_two=True)},
        "B": {"dialect": BTCPOOL, "version": 0x20004000},
    },
}


def mean_ms(metrics: Metrics, name: str) -> float:
    return 1e3 * metrics.total(f"{name}_sum") / max(1.0, metrics.total(f"{name}_count"))


def excess(stale: int, of: int, stale_directly: int, of_directly: int) -> float:
    """By how much the part of stale shares is above that of miners without a proxy, less three standard errors."""
    usual = (stale + stale_directly) / (of + of_directly)
    return stale / of - stale_directly / of_directly - 3 * math.sqrt(usual * (1 - usual) * (1 / of + 1 / of_directly))


def part_of_a(metrics: Metrics) -> float:
    """Of the work that was accepted."""
    parts = metrics.by("dpmp_accepted_difficulty_sum_total", "pool")
    return parts.get("A", 0.0) / max(1.0, sum(parts.values()))


def kept_out(proxy: ProxyProcess) -> set[str]:
    """Profiles that pool B's coinbase was too large for."""
    return {line["worker"].rpartition("-")[0] for line in proxy.lines("pool_excluded", pool="B")}


async def all_has_happened(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[TimedPool]) -> None:
    """Wait until all miners have worked on whatever they can work on, and over new blocks, and have found one."""
    blocks = [len(pool.blocks_at) + BLOCKS for pool in pools]
    movers = len(fleet) - (len(CANNOT_HASH_LARGE) if pools[1].chain.large_every else 0)
    await fleet.mined(SHARES)
    async with asyncio.timeout(PATIENCE_S):
        while any(len(pool.blocks_at) < goal for pool, goal in zip(pools, blocks, strict=True)):
            await asyncio.sleep(0.2)
        while not any(pool.book.blocks for pool in pools):
            await asyncio.sleep(0.2)
        while pools[1].chain.large_every and kept_out(proxy) != CANNOT_HASH_LARGE:
            await asyncio.sleep(0.2)
        while True:
            metrics = await proxy.metrics()
            switches = metrics.total("dpmp_pool_switches_total") - len(fleet)
            if switches >= SWITCHES * movers and 0.3 < part_of_a(metrics) < 0.8:
                return
            await asyncio.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
async def test_fifty_fifty_with_all_firmware_refuses_nothing(
    pair: str,
    seconds: float,
    start_pool: StartPool,
    start_proxy: StartProxy,
    start_fleet: StartFleet,
    direct_miners: DirectMiners,
    measured: Measured,
) -> None:
    is_long = seconds >= LONG_S
    block_s, switch_s, network = (20.0, 25.0, LONG_NETWORK) if is_long else (5.0, 6.0, NETWORK)
    pools = [
        await start_pool(key, block_s=block_s, network_difficulty=network, **settings)
        for key, settings in PAIRS[pair].items()
    ]
    proxy = await start_proxy(
        SetUp(
            pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}, min_switch_s=switch_s, slice_s=switch_s / 2
        )
    )
    fleet = await start_fleet(proxy.stratum, [*PROFILES.values(), HAN_SOLO])
    direct = await direct_miners(pools, 3)
    await fleet.in_work()
    waited, began = ProcessorWait(os.getpid()), time.monotonic()
    if is_long:
        await asyncio.sleep(seconds)
    else:
        await all_has_happened(proxy, fleet, pools)
    seconds = time.monotonic() - began
    starved = min(1.0, waited.look() / seconds)
    await fleet.settle()
    answer, _ = await asyncio.wait_for(direct.communicate(b""), PATIENCE_S)
    compared = json.loads(answer)
    metrics = await proxy.metrics()
    switches = metrics.total("dpmp_pool_switches_total") - len(fleet)
    parts = metrics.by("dpmp_accepted_difficulty_sum_total", "pool")
    measured(f"{pair}: {fleet.summary()}; {switches:.0f} switches; work {parts}; directly on the pools: {compared}")
    ages = [age for pool in pools for age in pool.stale_ages_ms()]
    measured(f"mined for {seconds:.1f} s")
    measured(
        f"stale shares came so many ms after their block: {sorted(ages)}; a new block's job was passed on after "
        f"{mean_ms(metrics, 'dpmp_new_block_latency_seconds'):.2f} ms on average, a verdict came after "
        f"{mean_ms(metrics, 'dpmp_share_latency_seconds'):.2f} ms, loop lag "
        f"{mean_ms(metrics, 'dpmp_loop_lag_seconds'):.2f} ms"
    )
    measured(
        f"refused otherwise: "
        f"{[share for pool in pools for share in pool.shares if share.refusal not in (None, Refusal.STALE)]}"
    )
    check_treatment(proxy, fleet, pools)
    measured(check_blocks(proxy, fleet, pools))
    await check_books(proxy, fleet, pools)
    more = excess(fleet.stale, fleet.submitted, compared["stale"], compared["submitted"])
    measured(f"without a processor {starved * 100:.0f} % of the time; {more * 100:.1f} % more stale than directly")
    assert fleet.outdated == 0
    assert more <= 0.01 + 0.1 * starved  # a block is told late where nobody is there to tell it
    assert fleet.without_verdict == 0
    assert fleet.submitted >= (seconds * len(fleet) / 6 if is_long else SHARES * len(fleet))
    assert 0.3 < part_of_a(metrics) < 0.8
    if pools[1].chain.large_every:
        assert kept_out(proxy) == CANNOT_HASH_LARGE
    else:
        assert switches >= len(fleet) * ((seconds / switch_s - 2) * 0.8 if is_long else SWITCHES)
