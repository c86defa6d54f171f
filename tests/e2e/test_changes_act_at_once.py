"""What another process saves acts within two seconds and without a restart, and only what changed moves."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import AVALON, CPUMINER, ESP_MINER, NERDMINER
from tests.e2e.books import check_books, check_treatment
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy, Write
from tests.e2e.fleet import Fleet, moved
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess, run_python, wall
from tests.e2e.rows import BCH_WALLET, BTC_WALLET, SetUp
from tests.support.patience import PATIENCE_S, ProcessorWait

ACTS_S = 2.0
FEW = [CPUMINER, ESP_MINER, NERDMINER, AVALON]
DRAINED_S = 40.0
"""A connection that is not wanted any more ends after 10 s at the latest, the miner leaves it first; thrice that."""
PASSWORD = "a long enough password"


async def saved(proxy: ProxyProcess, write: Write, set_up: SetUp, event: str = "config_loaded") -> float:
    """Write the rows; seconds from the commit until the proxy acted, without those it waited for a processor."""
    since = len(proxy.log)
    committed = await write(proxy, set_up)
    waited = ProcessorWait(proxy.pid)
    line = await proxy.until(event, since=since)
    return wall(line) - committed - waited.look()


async def no_clients(pool: SimPool, timeout_s: float = DRAINED_S) -> None:
    """Wait until nobody is connected to ``pool``."""
    await pool.until(lambda each: not each.sessions, timeout_s)


async def all_connections(pools: Sequence[SimPool], fleet: Fleet) -> None:
    """Wait until each miner has its connection to each pool, and no pool is being probed any more."""
    for pool in pools:
        await pool.until(lambda each: len(each.sessions) == len(fleet), PATIENCE_S)


@pytest.mark.slow
async def test_weights_of_0_and_100_work_and_can_be_left_again(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, write: Write, measured: Measured
) -> None:
    a, b = pools = [await start_pool(key, block_s=7.0) for key in "AB"]
    rows = [row(pool) for pool in pools]
    proxy = await start_proxy(SetUp(pools=rows, weights={"A": 100, "B": 0}))
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(2)
    await all_connections([a], fleet)
    await no_clients(b)
    assert b.accepted == 0
    connections = a.connections

    took = await saved(proxy, write, SetUp(pools=rows, weights={"A": 50, "B": 50}))
    reached = await moved(fleet.miners, "B")
    measured(f"100:0 -> 50:50 in force {took:.2f} s after the commit, all miners had been on B {reached:.1f} s later")
    assert took < ACTS_S
    assert a.connections == connections

    took = await saved(proxy, write, SetUp(pools=rows, weights={"A": 0, "B": 100}))
    assert took < ACTS_S
    await no_clients(a)
    accepted = a.accepted
    await fleet.mined(2)
    assert a.accepted == accepted

    await saved(proxy, write, SetUp(pools=rows, weights={"A": 100, "B": 0}))
    await moved(fleet.miners, "A")
    await no_clients(b)
    await fleet.mined(1)
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)


@pytest.mark.slow
async def test_another_address_of_one_pool_moves_its_connections_and_no_others(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, write: Write, measured: Measured
) -> None:
    a, b = pools = [await start_pool(key, block_s=7.0) for key in "AB"]
    other = await start_pool("B", block_s=7.0)
    proxy = await start_proxy(SetUp(pools=[row(a), row(b)], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(2)
    await all_connections([a, b], fleet)
    connections = a.connections

    took = await saved(proxy, write, SetUp(pools=[row(a), row(other)], weights={"A": 50, "B": 50}))
    await other.until(lambda pool: len(pool.sessions) >= len(fleet))
    measured(f"in force {took:.2f} s after the commit")
    assert took < ACTS_S
    await no_clients(b)
    await moved(fleet.miners, "B")
    await fleet.mined(2)
    assert other.accepted > 0
    assert a.connections == connections
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, [*pools, other])


async def test_change_of_nothing_that_matters_opens_no_connection(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, write: Write
) -> None:
    pools = [await start_pool(key) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(1)
    await all_connections(pools, fleet)
    before = [pool.connections for pool in pools]
    await saved(
        proxy, write, SetUp(pools=[row(pool, name=f"Pool {pool.name}") for pool in pools], weights={"A": 50, "B": 50})
    )
    await fleet.mined(1)
    assert [pool.connections for pool in pools] == before
    check_treatment(proxy, fleet)


@pytest.mark.slow
async def test_configuration_that_cannot_be_used_is_refused_visibly_and_the_old_one_goes_on(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, write: Write, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=7.0) for key in "AB"]
    good = SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50})
    proxy = await start_proxy(good)
    code, output = await run_python(proxy.environment | {"DPMP_ADMIN_PASSWORD": PASSWORD}, "manage.py", "bootstrap")
    assert code == 0, output
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(1)
    await all_connections(pools, fleet)
    connections = [pool.connections for pool in pools]

    took = await saved(
        proxy,
        write,
        SetUp(pools=[row(pools[0], ports=()), row(pools[1])], weights={"A": 50, "B": 50}),
        "config_refused",
    )
    measured(f"refused {took:.2f} s after the commit")
    assert took < ACTS_S
    line = proxy.lines("config_refused")[-1]
    assert line["level"] == "ERROR"
    assert "Pool A has no address to connect to." in line["problems"]
    await fleet.mined(2)
    assert [pool.connections for pool in pools] == connections
    assert (await proxy.metrics()).total("dpmp_config_refused_total") == 1
    async with administrator(proxy) as browser, asyncio.timeout(PATIENCE_S):  # the page shows the last snapshot
        while "Pool A has no address to connect to." not in (await browser.get("/")).text:
            await asyncio.sleep(0.2)
        await saved(proxy, write, good)
        await fleet.mined(1)
        while "has no address" in (await browser.get("/")).text:
            await asyncio.sleep(0.2)
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)


@asynccontextmanager
async def administrator(proxy: ProxyProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of an administrator of the dashboard."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{proxy.web}", timeout=PATIENCE_S, follow_redirects=True
    ) as client:
        login = (await client.get("/login/")).text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', login)
        assert found, login
        page = await client.post(
            "/login/", data={"csrfmiddlewaretoken": found[1], "username": "admin", "password": PASSWORD}
        )
        assert page.status_code == 200
        assert "/login/" not in str(page.url)
        yield client


@pytest.mark.slow
async def test_without_a_pool_miners_are_kept_and_work_as_soon_as_there_is_one(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, write: Write, measured: Measured
) -> None:
    proxy = await start_proxy(SetUp())
    fleet = await start_fleet(proxy.stratum)
    for miner in fleet.miners:
        await miner.until(lambda each: each.wire is not None and each.wire.authorized)
    for number in range(len(fleet)):
        line = await proxy.until("miner_waiting", since=number)
        assert "guided start" in line["reason"]
    assert proxy.running

    pools = [await start_pool(key, block_s=7.0) for key in "AB"]
    took = await saved(proxy, write, SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    await fleet.in_work()
    await fleet.mined(1)
    measured(f"in force {took:.2f} s after the commit")
    assert took < ACTS_S
    await moved(fleet.miners, "B")
    await moved(fleet.miners, "A")
    await fleet.mined(1)
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)


async def test_importconfig_configures_a_running_proxy_and_the_second_time_changes_nothing(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    proxy = await start_proxy()
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    pools = [await start_pool(key) for key in "AB"]
    wallets = [row(pool) for pool in pools]
    path = proxy.data_dir / "config_v2.json"
    path.write_text(
        json.dumps(
            {
                "pools": {
                    each.key: {"host": "127.0.0.1", "port": each.ports[0], "chain": each.chain, "wallet": wallet}
                    for each, wallet in zip(wallets, (BTC_WALLET, BCH_WALLET), strict=True)
                },
                "scheduler": {"poolA_weight": 50, "poolB_weight": 50, "min_switch_seconds": 25, "slice_seconds": 12},
            }
        )
    )
    code, output = await run_python(proxy.environment, "manage.py", "importconfig", str(path))
    assert code == 0, output
    await fleet.mined(1)
    since = len(proxy.lines("config_loaded"))
    code, output = await run_python(proxy.environment, "manage.py", "importconfig", str(path))
    assert code == 0, output
    assert "added" not in output
    assert "changed" not in output.replace("unchanged", "")
    await fleet.mined(1)
    assert len(proxy.lines("config_loaded")) == since
    check_treatment(proxy, fleet)
