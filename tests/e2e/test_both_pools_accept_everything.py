"""Fifty-fifty over two pools that are unlike in everything, all firmware at once: only true stales are refused."""

import asyncio
import json

import pytest

from tests.e2e.books import check_books, check_treatment
from tests.e2e.conftest import DirectMiners, Measured, StartFleet, StartPool, StartProxy
from tests.e2e.pools import row
from tests.e2e.process import Metrics
from tests.e2e.rows import SetUp

LONG_S = 240.0
"""From here on the tempo is the one that is asked for: a switch every 25 s, a block every 20 s."""


def mean_ms(metrics: Metrics, name: str) -> float:
    return 1e3 * metrics.total(f"{name}_sum") / max(1.0, metrics.total(f"{name}_count"))


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
    await asyncio.sleep(seconds)
    await fleet.settle()
    answer, _ = await asyncio.wait_for(direct.communicate(b""), 30)
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
    assert fleet.stale / fleet.submitted <= compared["stale"] / compared["submitted"] + 0.01
    assert fleet.unjudged == 0
    assert fleet.submitted >= seconds * len(fleet) / 6
    assert switches >= len(fleet) * (seconds / switch_s - 2) * 0.8
    assert 0.3 < parts["A"] / sum(parts.values()) < 0.7
