"""With PostgreSQL in place of SQLite: history is written, agrees with the pools, outlives a server that goes away."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.simulator.profiles import CPUMINER, ESP_MINER, WHATSMINER
from tests.e2e.conftest import PROXIES, Measured, StartFleet, StartPool
from tests.e2e.fleet import Fleet
from tests.e2e.history import counted_by_pools, differences
from tests.e2e.pools import TimedPool, row
from tests.e2e.postgresql import (  # noqa: F401
    environment_on_postgresql,
    exported,
    migrated_on_postgresql,
    server_of_postgresql,
    writer_on_postgresql,
)
from tests.e2e.process import ProxyProcess, clean_environment, run_python
from tests.e2e.rows import RowWriter, SetUp
from tests.support.postgres import DATABASE, Cluster

PROFILES = (CPUMINER, ESP_MINER, WHATSMINER)
SWEEP = """
import django, time
django.setup()
from proxy.history.retention import sweep
print(sweep(time.time() + {days} * 86400.0).rolled_up)
"""


@pytest.fixture
async def proxy(request: pytest.FixtureRequest, environment: dict[str, str]) -> AsyncIterator[ProxyProcess]:
    made = ProxyProcess(environment)
    request.node.stash[PROXIES] = [made]
    yield made
    await made.clear_away()


async def at_work(
    proxy: ProxyProcess, writer: RowWriter, start_pool: StartPool, start_fleet: StartFleet, *, shares: int
) -> tuple[list[TimedPool], Fleet]:
    """Start two pools, the proxy and its miners, and wait until each has ``shares`` on its books."""
    pools = [await start_pool(key) for key in "AB"]
    writer.write(Path(DATABASE), SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    await proxy.start("--no-web")
    fleet = await start_fleet(proxy.stratum, PROFILES)
    await fleet.mined(shares, 60)
    return pools, fleet


@pytest.mark.slow
async def test_history_agrees_with_the_pools_and_is_rolled_up(
    server: Cluster,
    proxy: ProxyProcess,
    writer: RowWriter,
    start_pool: StartPool,
    start_fleet: StartFleet,
    measured: Measured,
) -> None:
    pools = [await start_pool(key, block_s=4.0) for key in "AB"]
    writer.write(Path(DATABASE), SetUp(pools=[row(pool) for pool in pools], weights={"A": 60, "B": 40}))
    await proxy.start("--no-web")
    fleet = await start_fleet(proxy.stratum, PROFILES)
    await fleet.mined(5, 60)
    await fleet.settle()
    code, took = await proxy.end()
    assert code == 0
    assert differences(await exported(proxy.environment), counted_by_pools(pools)) == []
    assert server.sql("SELECT DISTINCT chain FROM proxy_chaintip ORDER BY chain") == [("BCH",), ("BTC",)]
    code, output = await run_python(
        proxy.environment | {"DJANGO_SETTINGS_MODULE": "dpmp_site.settings"}, "-c", SWEEP.format(days=500)
    )
    assert code == 0, output
    assert int(output.split()[-1]) > 0
    assert server.sql("SELECT DISTINCT step FROM proxy_sharebucket") == [(86400,)]
    assert differences(await exported(proxy.environment), counted_by_pools(pools)) == []
    measured(f"ended in {took:.2f} s; {fleet.summary()}")


@pytest.mark.slow
async def test_server_that_goes_away_and_returns_costs_no_share(
    server: Cluster,
    proxy: ProxyProcess,
    writer: RowWriter,
    start_pool: StartPool,
    start_fleet: StartFleet,
    measured: Measured,
) -> None:
    pools, fleet = await at_work(proxy, writer, start_pool, start_fleet, shares=1)
    server.stop()
    try:
        line = await proxy.until("database_trouble", recovered=False, timeout_s=20)
        await fleet.mined(2, 60)
    finally:
        server.start()
    await proxy.until("database_trouble", recovered=True, timeout_s=20)
    await fleet.mined(1, 60)
    await fleet.settle()
    code, _ = await proxy.end()
    assert code == 0
    assert fleet.wrongly_refused() == {}
    assert fleet.disconnects == 0
    assert differences(await exported(proxy.environment), counted_by_pools(pools)) == []
    measured(f"{line['problem']}; {fleet.summary()}")


@pytest.mark.slow
async def test_locked_table_stops_neither_mining_nor_the_end(
    server: Cluster,
    proxy: ProxyProcess,
    writer: RowWriter,
    start_pool: StartPool,
    start_fleet: StartFleet,
    measured: Measured,
) -> None:
    import psycopg

    pools, fleet = await at_work(proxy, writer, start_pool, start_fleet, shares=1)
    with psycopg.connect(server.url) as other:
        other.execute("LOCK TABLE proxy_sharetotal, proxy_writermark IN ACCESS EXCLUSIVE MODE")
        line = await proxy.until("database_trouble", recovered=False, timeout_s=20)
        await fleet.mined(2, 60)
        await fleet.settle()
        began = time.monotonic()
        code, took = await proxy.end()
        assert code == 0
    measured(f"{line['problem']}; ended in {took:.1f} s under the lock; {time.monotonic() - began:.1f} s")
    again = ProxyProcess(proxy.environment)
    try:
        await again.start("--no-web")
        await again.end()
    finally:
        await again.clear_away()
    assert differences(await exported(proxy.environment), counted_by_pools(pools)) == []


async def test_unreachable_server_is_one_clear_line(tmp_path: Path) -> None:
    environment = clean_environment(tmp_path / "data") | {"DPMP_DATABASE_URL": "postgres://me:secret@127.0.0.1:1/dpmp"}
    pytest.importorskip("psycopg")
    code, output = await run_python(environment, "manage.py", "runproxy", "--no-web")
    assert code == 1
    assert "The database can" in output
    assert "Traceback" not in output
    assert "secret" not in output
