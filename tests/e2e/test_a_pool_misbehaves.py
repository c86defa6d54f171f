"""Whatever a pool says, refuses or leaves unsaid: miners go on, each submit has one answer, and the books agree."""

import asyncio
import time
from collections.abc import Callable

import pytest

from proxy.simulator.dialect import CKPOOL, DATUM, MININGCORE, NO_ROLLING, PUBLIC_POOL, YIIMP, Dialect
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import AVALON, BRAIINS, CPUMINER, ESP_MINER, NERDMINER, NERDQAXE, NICEHASH, WHATSMINER
from tests.e2e.books import check_books, check_treatment
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import eventually, moved
from tests.e2e.pools import row
from tests.e2e.rows import SetUp

FEW = [CPUMINER, ESP_MINER, NERDQAXE, AVALON, BRAIINS, NICEHASH]
STALL_S = 3.0
BACKOFF_S = 3.0
STEPS: dict[str, Callable[[SimPool], None]] = {
    "reconnect without an address": lambda pool: pool.reconnect(),
    "reconnect to itself": lambda pool: pool.reconnect("127.0.0.1", pool.port),
    "reconnect to somebody else": lambda pool: pool.reconnect("pool.example", 3333),
    "a message": lambda pool: pool.show_message("Please update your firmware"),
    "asks for the version": lambda pool: pool.ask("client.get_version"),
    "pings": lambda pool: pool.ask("mining.ping"),
    "another extranonce1": lambda pool: pool.set_extranonce(),
    "another extranonce2 size": lambda pool: pool.set_extranonce(7),
    "another mask": lambda pool: pool.set_version_mask(0x00FFE000),
    "the mask back": lambda pool: pool.set_version_mask(0x1FFFE000),
    "twice the difficulty": lambda pool: pool.raise_difficulty(4.0),
    "a fractional difficulty": lambda pool: pool.raise_difficulty(3.7),
    "garbage": lambda pool: pool.garbage(),
}


@pytest.mark.slow
async def test_messages_for_the_client_end_at_the_proxy(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await start_pool("A", block_s=None, vardiff=None)
    pool.difficulty = 2.0
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(1)
    for name, misbehave in STEPS.items():
        misbehave(pool)
        await asyncio.sleep(0.2)
        pool.refresh()
        try:
            await fleet.mined(1)
        except TimeoutError:
            pytest.fail(f"not all mine any more after: {name}; {[each.tally for each in fleet.miners]}")
        assert fleet.violations() == [], name
        assert {text for _, text in fleet.wrongly_refused()} <= {FRACTION}, name
    await fleet.settle()
    assert fleet.disconnects == 0
    assert [line["text"] for line in proxy.lines("pool_message")][:1] == ["Please update your firmware"]
    assert {line["honoured"] for line in proxy.lines("pool_redirect", target="pool.example 3333")} <= {False}
    assert proxy.lines("pool_bad_message")
    assert proxy.lines("session_error") == []
    await check_books(proxy, fleet, [pool])


FRACTION = "Low difficulty share (between whole difficulty and the pool's)"


@pytest.mark.slow
async def test_refusals_of_any_shape_reach_the_miner_with_their_meaning(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await start_pool("A", block_s=None)
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER])
    await fleet.mined(1)
    pool.odd_error_shapes()
    pool.chain.new_block()
    await eventually(lambda: fleet.stale >= 8)
    pool.refresh(clean=True)
    await fleet.mined(1)
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, [pool])
    metrics = await proxy.metrics()
    assert metrics.total("dpmp_share_rejects_total", reason="stale", by="pool") == fleet.stale


@pytest.mark.slow
async def test_slow_pool_is_used_and_every_share_gets_its_verdict(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=None) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(1)
    pools[0].slow(2.0)
    await moved(fleet.miners, "B")
    await moved(fleet.miners, "A")
    await fleet.mined(3)
    pools[0].slow(0.0)
    await fleet.settle()
    check_treatment(proxy, fleet)
    assert fleet.without_verdict == 0
    assert proxy.lines("pool_down") == []
    await check_books(proxy, fleet, pools)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["accepts and closes", "refuses our user"])
async def test_pool_that_is_there_but_of_no_use_is_left_and_taken_up_again(
    way: str, start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    a, _ = pools = [await start_pool(key, block_s=None) for key in "AB"]
    proxy = await start_proxy(
        SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}, settings={"backoff_max_s": BACKOFF_S})
    )
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(1)
    await a.until(lambda pool: len(pool.sessions) >= len(fleet))
    connections, began = a.connections, time.monotonic()
    if way == "accepts and closes":
        a.accept_and_close()
    else:
        a.refuse_authorize()
    a.drop_connections()
    await moved(fleet.miners, "B")
    await fleet.mined(2)
    await asyncio.sleep(5)
    tries, took = a.connections - connections, time.monotonic() - began
    measured(f"{way}: {tries} dials of {len(fleet)} miners in the first {took:.0f} s")
    assert tries <= (3 + took / BACKOFF_S) * (len(fleet) + 2)
    if way == "accepts and closes":
        await proxy.until("pool_down", pool="A")
        a.accept_and_close(False)
        await moved(fleet.miners, "A")
        await fleet.mined(1)
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)


@pytest.mark.slow
async def test_pool_that_answers_no_submits_is_told_to_the_miners(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    a, b = pools = [await start_pool(key, block_s=None) for key in "AB"]
    proxy = await start_proxy(
        SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}, settings={"request_stall_s": STALL_S})
    )
    fleet = await start_fleet(proxy.stratum, FEW)
    await fleet.mined(1)
    a.no_answer_to_submits()
    await eventually(lambda: fleet.without_verdict >= len(fleet))
    before = b.accepted
    await eventually(lambda: b.accepted >= before + 2 * len(fleet))
    a.no_answer_to_submits(False)
    await fleet.mined(1)
    await fleet.settle()
    measured(fleet.summary())
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)


@pytest.mark.slow
async def test_every_pool_software_we_know_is_mined_on_without_a_refusal(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    dialects: dict[str, Dialect] = dict(
        zip("CDEFGH", (CKPOOL, PUBLIC_POOL, MININGCORE, DATUM, YIIMP, NO_ROLLING), strict=True)
    )
    pools = []
    for key, dialect in dialects.items():
        pool = await start_pool("A", block_s=None, dialect=dialect)
        pool.name = key
        pools.append(pool)
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={key: 1 for key in dialects}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER, NERDMINER, WHATSMINER])
    for pool in pools:
        await eventually(lambda pool=pool: len(pool.book.workers) >= 3 and pool.accepted >= 6)
    await fleet.settle()
    check_treatment(proxy, fleet)
    await check_books(proxy, fleet, pools)
