"""A pool that pays somebody else is flagged with its first job, excluded, and used again when it pays right."""

import asyncio
import os
import time
from pathlib import Path

from proxy.net.tasks import spawn
from proxy.simulator.chain import BTC_DEMO_SCRIPT
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, ESP_MINER, WHATSMINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import Fleet, eventually, moved, works_on
from tests.e2e.history import counted_by_pools, counted_by_proxy, differences, read
from tests.e2e.pools import row
from tests.e2e.process import wall
from tests.e2e.rows import SetUp
from tests.support.patience import ProcessorWait

REWARD = 312_500_000
STRANGER = b"\x00\x14" + bytes(range(20))
HONEST = ((BTC_DEMO_SCRIPT, REWARD),)
STOLEN = ((STRANGER, REWARD * 98 // 100), (BTC_DEMO_SCRIPT, REWARD * 2 // 100))
SOLO = {"solo": True, "payout_action": "take-out"}


def pay(pool: SimPool, outputs) -> float:
    """The next job pays ``outputs``; returns when it was sent (Unix seconds)."""
    pool.chain.outputs = outputs
    at = pool.clock()
    pool.refresh()
    return at


async def test_stolen_coinbase_is_flagged_with_one_job_and_takes_the_pool_out_until_it_is_right(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    a, b = pools = [await start_pool(key, block_s=None) for key in "AB"]
    set_up = SetUp(pools=[row(a, **SOLO), row(b)], weights={"A": 50, "B": 50}, settings={"returns_per_s": 10})
    proxy = await start_proxy(set_up)
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, WHATSMINER])
    await fleet.mined(1)
    await proxy.until("payout_checked", pool="A", ok=True, percent=100.0)
    await eventually(lambda: bool(fleet.on("A")))

    since, waited = len(proxy.log), ProcessorWait(os.getpid())
    stolen_at = pay(a, STOLEN)
    away_s = await moved(fleet.miners, "B")
    told = await proxy.until("payout_checked", pool="A", ok=False, since=since)
    assert (wall(told) - stolen_at) - waited.look() < 1.0
    assert told["percent"] == 2.0
    told_ms = (wall(told) - stolen_at) * 1e3
    await nothing_on_its_way(fleet)
    worked = a.accepted
    await fleet.mined(2)
    assert fleet.on("A") == []
    assert a.accepted == worked

    since = len(proxy.log)
    right_at = pay(a, HONEST)
    back = await proxy.until("payout_checked", pool="A", ok=True, since=since)
    await first_of(fleet, "A")
    back_s = time.time() - right_at
    measured(
        f"told after {told_ms:.0f} ms, all miners elsewhere after {away_s * 1e3:.0f} ms; back in work "
        f"{back_s:.1f} s after the right job"
    )
    assert back["percent"] == 100.0
    await fleet.settle()
    await proxy.end()
    check_rows(proxy.data_dir)
    assert fleet.disconnects == 0
    assert fleet.wrongly_refused() == {}
    assert differences(counted_by_proxy(proxy.data_dir), counted_by_pools(pools)) == []


async def test_pool_that_steals_from_the_start_gets_no_work(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    a, b = [await start_pool(key, block_s=None) for key in "AB"]
    pay(a, STOLEN)
    proxy = await start_proxy(SetUp(pools=[row(a, **SOLO), row(b)], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER])
    await proxy.until("payout_checked", pool="A", ok=False)
    await fleet.mined(3)
    assert fleet.on("A") == []
    assert a.accepted <= len(fleet)  # the first shares may be quicker than the first look at the coinbase
    assert b.accepted >= 2 * len(fleet)


async def nothing_on_its_way(fleet: Fleet) -> None:
    """Return when every miner has had a moment with an answer to each of its shares."""
    await asyncio.gather(*(miner.until(lambda each: not each.unanswered) for miner in fleet.miners))


async def first_of(fleet: Fleet, pool: str) -> None:
    """Return when the first miner works on ``pool``."""
    waiting = [spawn(miner.until(lambda each: works_on(each, pool)), name="look") for miner in fleet.miners]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await done.pop()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def check_rows(data_dir: Path) -> None:
    """The history tells it too, with the stranger's address."""
    rows = [entry for entry in read(data_dir, "SELECT * FROM proxy_payoutrecord ORDER BY id") if entry["pool"] == "A"]
    assert [bool(entry["ok"]) for entry in rows] == [True, False, True]
    assert "bc1q" in rows[1]["outputs"]
