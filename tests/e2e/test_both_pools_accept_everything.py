"""Fifty-fifty over two pools that are unlike in everything, all firmware at once: only true stales are refused."""

import asyncio
import json
import math
import os

import pytest

from tests.e2e.books import check_books, check_treatment
from tests.e2e.conftest import DirectMiners, Measured, StartFleet, StartPool, StartProxy
from tests.e2e.pools import row
from tests.e2e.process import Metrics
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S, ProcessorWait

LONG_S = 240.0
"""From here on the tempo is the one that is asked for: a switch every 25 s, a block every 20 s."""


def mean_ms(metrics: Metrics, name: str) -> float:
    return 1e3 * metrics.total(f"{name}_sum") / max(1.0, metrics.total(f"{name}_count"))


def excess(stale: int, of: int, stale_directly: int, of_directly: int) -> float:
    """By how much the part of stale shares is above that of miners without a proxy, less three standard errors."""
    usual = (stale + stale_directly) / (of + of_directly)
    return stale / of - stale_directly / of_directly - 3 * math.sqrt(usual * (1 - usual) * (1 / of + 1 / of_directly))


@pytest.mark.slow
async def test_fifty_fifty_with_all_firmware_refuses_nothing(
    seconds: float, start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet,
    direct_miners: DirectMiners, measured: Measured,
) -> None:
    block_s, switch_s = (20.0, 25.0) if seconds >= LONG_S else (7.0, 6.0)
    pools = [await start_pool(key, block_s=block_s) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50},
                                    min_switch_s=switch_s, slice_s=switch_s / 2))
    fleet = await start_fleet(proxy.stratum)
    direct = await direct_miners(pools, 3)
    await fleet.in_work()
    waited = ProcessorWait(os.getpid())
    await asyncio.sleep(seconds)
    starved = min(1.0, waited.look() / seconds)
    await fleet.settle()
    answer, _ = await asyncio.wait_for(direct.communicate(b""), PATIENCE_S)
    compared = json.loads(answer)
    metrics = await proxy.metrics()
    switches = metrics.total("dpmp_pool_switches_total") - len(fleet)
    parts = metrics.by("dpmp_accepted_difficulty_sum_total", "pool")
    measured(f"{fleet.summary()}; {switches:.0f} switches; work {parts}; directly on the pools: {compared}")
    ages = [age for pool in pools for age in pool.stale_ages_ms()]
    measured(f"stale shares came so many ms after their block: {sorted(ages)}; a new block's job was passed on after "
             f"{mean_ms(metrics, 'dpmp_new_block_latency_seconds'):.2f} ms on average, a verdict came after "
             f"{mean_ms(metrics, 'dpmp_share_latency_seconds'):.2f} ms, loop lag "
             f"{mean_ms(metrics, 'dpmp_loop_lag_seconds'):.2f} ms")
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)
    more = excess(fleet.stale, fleet.submitted, compared["stale"], compared["submitted"])
    measured(f"without a processor {starved * 100:.0f} % of the time; {more * 100:.1f} % more stale than directly")
    assert fleet.outdated == 0
    assert more <= 0.01 + 0.1 * starved  # a block is told late where nobody is there to tell it
    assert fleet.unjudged == 0
    assert fleet.submitted >= seconds * len(fleet) / 6
    assert switches >= len(fleet) * (seconds / switch_s - 2) * 0.8
    assert 0.3 < parts["A"] / sum(parts.values()) < 0.7
