"""At a tiny network difficulty: every block that a pool counts is in the records, and none that it does not."""

from collections.abc import Sequence
from pathlib import Path

from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.history import blocks_in_database, blocks_of, check_block, read, set_network
from tests.e2e.pools import CHAINS, row
from tests.e2e.rows import SetUp

NETWORK = 40.0
BLOCKS = 8


async def test_every_block_of_the_pools_is_recorded_and_no_other(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=None) for key in "AB"]
    for pool in pools:
        set_network(pool, NETWORK)
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER] * 2)
    for pool in pools:
        await pool.until(lambda each: len(each.book.blocks) >= BLOCKS // 2)
    await fleet.settle()
    found = {pool.name: len(pool.book.blocks) for pool in pools}
    metrics = await proxy.metrics()
    code, _ = await proxy.end()
    assert code == 0

    theirs = {block.hash: (pool.name, block) for pool in pools for block in pool.book.blocks}
    rows = blocks_in_database(proxy.data_dir)
    accepted = {name: entry for name, entry in rows.items() if entry["verdict"] == "accepted"}
    measured(f"{found} blocks, {len(rows) - len(accepted)} more candidates that the pool refused; {fleet.summary()}")
    assert accepted.keys() == theirs.keys() == blocks_of(pools).keys()
    for name, entry in rows.items():
        check_block(entry)
        assert (entry["verdict"] == "accepted") == (name in theirs)
    for name, (key, block) in theirs.items():
        entry = rows[name]
        assert (entry["pool"], entry["header"], entry["coinbase"], entry["height"]) == (
            key,
            block.header.hex(),
            block.coinbase.hex(),
            block.height,
        )
        assert entry["worker"] == block.worker.rpartition(".")[2]
    assert metrics.by("dpmp_blocks_found_total", "pool") == found
    assert metrics.total("dpmp_block_candidates_total") == len(rows)
    assert {line["header_hash"] for line in proxy.lines("block_found", accepted=True)} == set(theirs)
    marks = {mark["scope"]: mark["blocks"] for mark in read(proxy.data_dir, "SELECT * FROM proxy_blockmark")}
    assert marks == {f"pool:{key}": number for key, number in found.items()} | {
        f"chain:{CHAINS[key][0]}": number for key, number in found.items()
    }
    check_records(proxy.data_dir, pools)


def check_records(data_dir: Path, pools: Sequence[SimPool]) -> None:
    """Each worker's best share on each chain is the pool's own best of that worker, to 12 digits."""
    best = {
        (entry["worker"], entry["chain"]): entry["best"]
        for entry in read(
            data_dir, "SELECT worker, chain, MAX(true_difficulty) AS best FROM proxy_bestshare GROUP BY worker, chain"
        )
    }
    for pool in pools:
        for user, tally in pool.book.workers.items():
            if tally.accepted:
                ours = best[user.rpartition(".")[2], CHAINS[pool.name][0]]
                assert abs(ours - tally.best) <= 1e-12 * tally.best
