"""A pool is killed, falls silent and returns under the feet of its miners: they work on, and none is disconnected."""

import os

import pytest

from tests.e2e.books import check_books, check_treatment
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import eventually, moved
from tests.e2e.pools import row
from tests.e2e.rows import SetUp
from tests.support.patience import ProcessorWait

STALL_S = 3.0


@pytest.mark.slow
async def test_closed_silent_and_returning_pools_cost_no_miner_its_connection(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    a, b = pools = [await start_pool(key, block_s=7.0) for key in "AB"]
    proxy = await start_proxy(
        SetUp(
            pools=[row(pool) for pool in pools],
            weights={"A": 50, "B": 50},
            settings={"request_stall_s": STALL_S, "backoff_max_s": 4.0},
        )
    )
    fleet = await start_fleet(proxy.stratum)
    await fleet.mined(2)

    await eventually(lambda: len(fleet.on("A")) >= 3)
    there = fleet.on("A")
    others = [miner for miner in fleet.miners if miner not in there]
    before = {miner: miner.jobs_received for miner in others}
    waited, made = ProcessorWait(os.getpid()), b.jobs
    await a.refuse_connections()
    a.drop_connections()
    closed_s = await moved(there, "B")
    measured(f"connection closed: {len(there)} miners at work on the other pool after {closed_s * 1e3:.0f} ms")
    assert closed_s - waited.look() < 1.0
    assert all(miner.jobs_received - before[miner] <= 2 + b.jobs - made for miner in others)
    await proxy.until("pool_down", pool="A")
    await fleet.mined(2)
    assert len(fleet.on("B")) == len(fleet)

    since = len(proxy.log)
    await a.accept_connections()
    await proxy.until("pool_reconnected", pool="A", since=since)
    back_s = await moved(fleet.miners, "A")
    measured(f"returned: all {len(fleet)} miners had work of it again {back_s:.1f} s after it counted as up")

    await eventually(lambda: len(fleet.on("B")) >= 3)
    there = fleet.on("B")
    since = len(proxy.log)
    b.go_silent()
    silent_s = await moved(there, "A", 2 * STALL_S + 5.0)
    measured(f"silent (stall time {STALL_S:g} s): {len(there)} miners at work on the other pool after {silent_s:.1f} s")
    await proxy.until("pool_down", pool="B", since=since)
    await moved(fleet.miners, "A")
    await fleet.mined(1)
    b.speak()
    await proxy.until("pool_reconnected", pool="B", since=since)
    await moved(fleet.miners, "B")

    await fleet.settle()
    measured(fleet.summary())
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)


@pytest.mark.slow
async def test_all_pools_down_keeps_the_miners_and_the_first_job_is_work_again(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=7.0) for key in "AB"]
    proxy = await start_proxy(
        SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}, settings={"backoff_max_s": 3.0})
    )
    fleet = await start_fleet(proxy.stratum)
    await fleet.mined(1)
    for pool in pools:
        await pool.refuse_connections()
        pool.drop_connections()
    for pool in pools:
        await proxy.until("pool_down", pool=pool.name)
    await eventually(lambda: len({line["worker"] for line in proxy.lines("miner_waiting")}) == len(fleet))
    await pools[0].accept_connections()
    before = fleet.accepted
    took = await moved(fleet.miners, "A")
    measured(f"all work again {took:.1f} s after the pool listened again")
    await fleet.mined(1)
    assert fleet.accepted > before
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)
