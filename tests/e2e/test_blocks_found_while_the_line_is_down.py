"""Blocks found while the line is down, or whose answer is lost, reach a pool that resumes sessions exactly once."""

import asyncio
import signal
from collections import Counter
from dataclasses import replace

import pytest

from proxy.simulator.dialect import CKPOOL
from proxy.simulator.profiles import CPUMINER
from proxy.simulator.shares import Refusal
from tests.e2e.books import check_treatment
from tests.e2e.conftest import PROXIES, Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import Fleet
from tests.e2e.history import blocks_in_database, set_network
from tests.e2e.pools import TimedPool, row
from tests.e2e.process import Line, ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S

EVERY_SHARE = 4.0
"""Difficulty of the network and of the pool: each share is a block."""
SIX = 6


async def easy_pool(start_pool: StartPool, *, resumes: bool) -> TimedPool:
    """A pool like ckpool whose every share is a block, and whose chain stands still so that none of them gets stale."""
    pool = await start_pool("A", block_s=None, vardiff=None, dialect=replace(CKPOOL, resumes=resumes))
    set_network(pool, EVERY_SHARE)
    pool.new_block = lambda block_hash=None: None  # type: ignore[method-assign]
    return pool


async def find_six(proxy: ProxyProcess, fleet: Fleet) -> list[str]:
    """Let the fleet mine until it has found six blocks (or more) that nobody answers; their hashes."""

    def find() -> list[str] | None:
        answered = {line["header_hash"] for line in proxy.lines("block_found")}
        new = [
            str(line["header_hash"]) for line in proxy.lines("block_candidate") if line["header_hash"] not in answered
        ]
        return new if len(new) >= SIX else None

    for miner in fleet.miners:
        miner.mining = True
    await proxy.has(find, "six candidates")
    for miner in fleet.miners:
        miner.mining = False
    await asyncio.sleep(1)  # for what is on its way
    return await proxy.has(find, "six candidates")


async def told_of(proxy: ProxyProcess, event: str, hashes: list[str]) -> list[Line]:
    """The lines that say what became of each of ``hashes``, once they are all there."""

    def find() -> list[Line] | None:
        lines = [line for line in proxy.lines(event) if line["header_hash"] in hashes]
        return lines if len(lines) >= len(hashes) else None

    return await proxy.has(find, event)


def checked(pool: TimedPool, hashes: list[str]) -> Counter[tuple[str, Refusal | None]]:
    """How often the pool checked each of ``hashes``, and how."""
    return Counter((share.hash, share.refusal) for share in pool.shares if share.hash in hashes)


@pytest.mark.slow
async def test_six_of_six_found_while_the_line_is_down_reach_the_pool_once(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pool = await easy_pool(start_pool, resumes=True)
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 100}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    await fleet.mined(2)
    await fleet.settle()
    await pool.refuse_connections()
    pool.drop_connections()
    await proxy.until("pool_down", pool="A")
    hashes = await find_six(proxy, fleet)
    assert checked(pool, hashes) == Counter()
    await pool.accept_connections()
    lines = await told_of(proxy, "block_delivered", hashes)
    await fleet.settle()
    measured(f"{len(hashes)} blocks found while the line was down, {len(lines)} delivered")
    assert checked(pool, hashes) == Counter({(each, None): 1 for each in hashes})
    assert {line["fate"] for line in lines} == {"accepted"}
    check_treatment(proxy, fleet)
    code, _ = await proxy.end()
    assert code == 0
    rows = blocks_in_database(proxy.data_dir)
    assert {(rows[each]["verdict"], rows[each]["fate"]) for each in hashes} == {("accepted", "accepted")}
    assert Counter(line["header_hash"] for line in proxy.lines("block_found", accepted=True)) == Counter(rows.keys())


@pytest.mark.slow
async def test_six_of_six_without_an_answer_are_known_to_have_arrived_after_a_kill(
    request: pytest.FixtureRequest, start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await easy_pool(start_pool, resumes=True)
    patient = {"request_stall_s": PATIENCE_S}  # the end is to come before the proxy gives the pool up
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 100}, settings=patient))
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    await fleet.mined(2)
    await fleet.settle()
    pool.no_answer_to_submits()
    hashes = await find_six(proxy, fleet)
    await pool.until(lambda each: len(checked(pool, hashes)) == len(hashes))
    await proxy.end(signal.SIGKILL)
    await pool.until(lambda each: not each.sessions)
    pool.no_answer_to_submits(False)
    again = ProxyProcess(proxy.environment)
    request.node.stash[PROXIES].append(again)
    await again.start(listen=proxy.stratum)
    lines = await told_of(again, "block_delivered", hashes)
    assert {line["fate"] for line in lines} == {"arrived"}
    assert checked(pool, hashes) == Counter({(each, None): 1 for each in hashes})
    assert pool.rejected == Counter({Refusal.DUPLICATE: len(hashes)})
    code, _ = await again.end()
    assert code == 0
    rows = blocks_in_database(again.data_dir)
    assert {(rows[each]["verdict"], rows[each]["fate"]) for each in hashes} == {("accepted", "arrived")}
