"""The database is locked while the proxy ends: it ends in time, and the next run has every share."""

import asyncio
import sqlite3

import pytest

from proxy.simulator.profiles import CPUMINER, ESP_MINER, WHATSMINER
from tests.e2e.conftest import PROXIES, Measured, StartFleet, StartPool, StartProxy
from tests.e2e.history import check_database, counted_by_pools, counted_by_proxy, differences
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess
from tests.e2e.rows import SetUp

END_S = 5.0
"""As without the lock."""


@pytest.mark.slow
async def test_shares_that_the_database_did_not_take_at_the_end_are_there_after_the_next_start(
    request: pytest.FixtureRequest,
    start_pool: StartPool,
    start_proxy: StartProxy,
    start_fleet: StartFleet,
    measured: Measured,
) -> None:
    pools = [await start_pool(key) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}), "--no-web")
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, WHATSMINER])
    await fleet.mined(1, 60)
    other = sqlite3.connect(proxy.data_dir / "dpmp.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        await fleet.mined(2, 60)
        await fleet.settle()
        code, took = await proxy.end()
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert code == 0
    assert took < END_S
    assert (proxy.data_dir / "unwritten.jsonl").exists()
    assert "database_trouble" not in [line["event"] for line in proxy.log if line.get("recovered") is True]
    again = ProxyProcess(proxy.environment)
    request.node.stash[PROXIES].append(again)
    try:
        await again.start("--no-web")
        await asyncio.wait_for(again.end(), 20)
    finally:
        await again.clear_away()
    assert not (proxy.data_dir / "unwritten.jsonl").exists()
    assert differences(counted_by_proxy(proxy.data_dir), counted_by_pools(pools)) == []
    check_database(proxy.data_dir)
    measured(f"ended in {took:.1f} s under the lock; {fleet.summary()}")
