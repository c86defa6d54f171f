"""kill -9 in the middle of a run, again and again: at most a second of tallies is gone, and no found block."""

import asyncio
import signal
import time
from collections.abc import Sequence

import pytest

from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER
from tests.e2e.conftest import PROXIES, Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import Fleet
from tests.e2e.history import (
    batches_of,
    blocks_in_database,
    blocks_in_journal,
    blocks_of,
    check_block,
    check_database,
    counted_by_pools,
    counted_by_proxy,
    set_network,
)
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.batch_journal_files import noted_in_journals

MAY_LOSE_S = 1.0
KILLS = 20
SHORT_KILLS = 3
LONG_S = 240.0
NETWORK = 30.0
"""Difficulty of both networks: the fleet finds a block every second or two."""


def accepted_by(pools: Sequence[SimPool], *, since: float = 0.0) -> int:
    """Shares that the pools accepted since then (Unix seconds)."""
    return sum(share.accepted and share.at >= since for pool in pools for share in pool.shares)


@pytest.mark.slow
async def test_kills_lose_a_second_of_tallies_at_most_and_no_block(
    request: pytest.FixtureRequest,
    seconds: float,
    start_pool: StartPool,
    start_proxy: StartProxy,
    start_fleet: StartFleet,
    measured: Measured,
) -> None:
    pools = [await start_pool(key, block_s=None) for key in "AB"]
    for pool in pools:
        set_network(pool, NETWORK)
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER] * 2)
    lost: list[int] = []
    began = time.monotonic()
    try:
        for number in range(KILLS if seconds >= LONG_S else SHORT_KILLS):
            await all_at_work(fleet)
            await asyncio.sleep(0.3 + 0.37 * (number % 4))  # at any moment between two entries of the journal
            lost.append(await kill_and_count(proxy, pools, sum(lost)))
            assert blocks_of(pools).keys() <= blocks_in_journal(proxy.data_dir).keys()
            proxy = await start_again(proxy)
            request.node.stash[PROXIES].append(proxy)
        await all_at_work(fleet)
        await fleet.settle()
        code, _ = await proxy.end()
    finally:
        await proxy.clear_away()
    assert code == 0
    check_after_all(proxy, pools)
    assert sum(lost) == accepted_by(pools) - stored_by(proxy)
    writes = 60 * batches_of(proxy.data_dir) / (time.monotonic() - began)
    measured(
        f"shares lost by each kill: {lost} of {accepted_by(pools)}; {len(blocks_of(pools))} blocks; "
        f"{writes:.1f} batches a minute written to the database"
    )


async def all_at_work(fleet: Fleet) -> None:
    """Every miner is back and has found another share."""
    goals = {miner: miner.tally.accepted + 1 for miner in fleet.miners}
    try:
        await fleet.mined(1)
    except TimeoutError:
        idle = [
            f"{miner.user}: connected {miner.wire is not None}, at work {miner.in_work}, {miner.connections} "
            f"connections, {miner.failed_dials} failed dials, {miner.tally}"
            for miner, goal in goals.items()
            if miner.tally.accepted < goal
        ]
        pytest.fail(f"no share for long: {idle}")


def stored_by(proxy: ProxyProcess) -> int:
    """Accepted shares in the database."""
    return sum(book.accepted for book in counted_by_proxy(proxy.data_dir).values())


async def start_again(proxy: ProxyProcess) -> ProxyProcess:
    """Another process on the same database and port."""
    again = ProxyProcess(proxy.environment)
    await again.start(listen=proxy.stratum)
    return again


async def kill_and_count(proxy: ProxyProcess, pools: Sequence[SimPool], gone: int) -> int:
    """Kill it; return the shares that are lost beside those ``gone`` before: none is older than a second."""
    killed_at = time.time()
    await proxy.end(signal.SIGKILL)
    for pool in pools:  # what was on its way is answered before the pool sees the end of the connection
        await pool.until(lambda each: not each.sessions)
    noted = noted_in_journals(proxy.data_dir, proxy.data_dir / "dpmp.sqlite3")
    lost = accepted_by(pools) - gone - stored_by(proxy) - noted
    assert 0 <= lost <= accepted_by(pools, since=killed_at - MAY_LOSE_S)
    check_database(proxy.data_dir)
    return lost


def check_after_all(proxy: ProxyProcess, pools: Sequence[SimPool]) -> None:
    """The database is whole, has every block of the pools and none that they did not count, and no share twice."""
    check_database(proxy.data_dir)
    rows, theirs = blocks_in_database(proxy.data_dir), blocks_of(pools)
    assert theirs
    assert theirs.keys() <= rows.keys()
    assert {name for name, block in rows.items() if block["verdict"] == "accepted"} <= theirs.keys()
    for block in rows.values():
        check_block(block)
    stored, by_pool = counted_by_proxy(proxy.data_dir), counted_by_pools(pools)
    assert all(book.accepted <= by_pool[key].accepted for key, book in stored.items())
