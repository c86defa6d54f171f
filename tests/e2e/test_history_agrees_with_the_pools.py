"""Database, metrics and the pools' own books tell the same of every share, after a drain and over a restart."""

from proxy.simulator.profiles import CPUMINER, ESP_MINER, NERDQAXE, NICEHASH, WHATSMINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import Fleet
from tests.e2e.history import check_database, counted_by_pools, counted_by_proxy, differences
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess
from tests.e2e.rows import SetUp

PROFILES = (CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER, NICEHASH)
CREDITED = "dpmp_accepted_difficulty_sum_total"


async def check_metrics(proxy: ProxyProcess, fleet: Fleet, *, before: int = 0) -> None:
    """The counters of this run are what is in the database, less what was in it before (accepted shares)."""
    metrics = await proxy.metrics()
    assert metrics.total("dpmp_shares_accepted_total") == fleet.accepted - before


async def test_database_metrics_and_pools_agree_after_a_drain_and_totals_go_on_after_a_restart(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=4.0) for key in "AB"]
    set_up = SetUp(pools=[row(pool) for pool in pools], weights={"A": 60, "B": 40})
    first = await start_proxy(set_up)
    fleet = await start_fleet(first.stratum, PROFILES)
    await fleet.mined(6)
    await fleet.settle()
    await check_metrics(first, fleet)
    credited = (await first.metrics()).by(CREDITED, "pool")
    code, _ = await first.end()
    assert code == 0
    stored = counted_by_proxy(first.data_dir)
    assert differences(stored, counted_by_pools(pools)) == []
    for pool in pools:
        books = [book for (_, key), book in stored.items() if key == pool.name]
        assert abs(sum(book.credited for book in books) - credited[pool.name]) <= 1e-9 * credited[pool.name]
    check_database(first.data_dir)

    before = fleet.accepted
    second = ProxyProcess(first.environment)
    try:
        await second.start(listen=first.stratum)
        for miner in fleet.miners:
            miner.mining = True
        await fleet.mined(4)
        await fleet.settle()
        await check_metrics(second, fleet, before=before)
        await second.end()
    finally:
        await second.clear_away()
    assert differences(counted_by_proxy(first.data_dir), counted_by_pools(pools)) == []
    check_database(first.data_dir)
    measured(f"{fleet.summary()}; credited {credited}")


async def test_signal_in_the_middle_of_the_work_loses_no_share(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=4.0) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, PROFILES * 2)
    await fleet.mined(3)
    code, took = await proxy.end()
    measured(f"ended in {took:.2f} s; {fleet.summary()}")
    assert code == 0
    assert differences(counted_by_proxy(proxy.data_dir), counted_by_pools(pools)) == []
    check_database(proxy.data_dir)
