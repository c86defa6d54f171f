"""The database is locked, or the disk is full: mining goes on, people are told, and nothing is lost afterwards."""

import asyncio
import resource
import sqlite3
from collections.abc import Sequence

import httpx
import pytest

from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, ESP_MINER, WHATSMINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import Fleet
from tests.e2e.history import check_database, counted_by_pools, counted_by_proxy, differences
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess, run_python
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S

LOGIN = """
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
browser = Client()
browser.force_login(User.objects.create_superuser("ann"), backend="django.contrib.auth.backends.ModelBackend")
print(browser.cookies["dpmp_session"].value)
"""


async def log_in(proxy: ProxyProcess) -> httpx.AsyncClient:
    """A browser of an administrator."""
    environment = proxy.environment | {"DJANGO_SETTINGS_MODULE": "dpmp_site.settings"}
    code, output = await run_python(environment, "-c", LOGIN)
    assert code == 0, output
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{proxy.web}",
        trust_env=False,
        timeout=PATIENCE_S,
        cookies={"dpmp_session": output.split()[-1]},
    )


async def mines_on(proxy: ProxyProcess, fleet: Fleet, browser: httpx.AsyncClient) -> float:
    """Two shares from every miner while the database is away; returns the age of what waits (seconds)."""
    await fleet.mined(2)
    async with browser, asyncio.timeout(PATIENCE_S):  # pages and gauges show the last snapshot
        while "History cannot be written" not in (await browser.get("/")).text:
            await asyncio.sleep(0.2)
    async with asyncio.timeout(PATIENCE_S):
        while not (metrics := await proxy.metrics()).total("dpmp_queue_size", queue="database") > 0:
            await asyncio.sleep(0.2)
    assert metrics.total("dpmp_database_errors_total") >= 1
    return metrics.total("dpmp_database_write_lag_seconds")


async def check_nothing_lost(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[SimPool]) -> None:
    """All that was mined is in the database in the end."""
    await fleet.mined(1)
    await fleet.settle()
    code, _ = await proxy.end()
    assert code == 0
    assert fleet.wrongly_refused() == {}
    assert fleet.disconnects == 0
    assert differences(counted_by_proxy(proxy.data_dir), counted_by_pools(pools)) == []
    check_database(proxy.data_dir)


@pytest.mark.slow
async def test_database_locked_for_eight_seconds_loses_nothing(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, WHATSMINER])
    await fleet.mined(1)
    browser = await log_in(proxy)
    other = sqlite3.connect(proxy.data_dir / "dpmp.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        line = await proxy.until("database_trouble", recovered=False)
        assert "locked" in line["problem"]
        lag = await mines_on(proxy, fleet, browser)
    finally:
        other.execute("ROLLBACK")
        other.close()
    await proxy.until("database_trouble", recovered=True)
    measured(f"oldest entry waited {lag:.1f} s; {fleet.summary()}")
    await check_nothing_lost(proxy, fleet, pools)


@pytest.mark.slow
async def test_full_disk_loses_nothing(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, WHATSMINER])
    await fleet.mined(1)
    browser = await log_in(proxy)
    pid = proxy.pid
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, usual[1]))  # no file of the process can grow any more
    try:
        line = await proxy.until("database_trouble", recovered=False)
        lag = await mines_on(proxy, fleet, browser)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
    await proxy.until("database_trouble", recovered=True)
    measured(f"{line['problem']}; oldest entry waited {lag:.1f} s; {fleet.summary()}")
    await check_nothing_lost(proxy, fleet, pools)
