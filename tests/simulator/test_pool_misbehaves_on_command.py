"""What a pool can do wrong, done on command."""

import asyncio

import pytest

from proxy.simulator.dialect import CKPOOL, PUBLIC_POOL
from proxy.simulator.pool import GARBAGE, SimPool
from proxy.simulator.profiles import BFGMINER, CPUMINER, ESP_MINER
from proxy.simulator.strictness import Rule
from tests.simulator.conftest import StartMiner, StartPool


async def raw(pool: SimPool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", pool.port)


async def test_silent_pool_keeps_the_connection_and_speaks_again(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool()
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    pool.go_silent()
    lost = miner.submit_raw(miner.find_share().params(miner.user))
    pool.new_block()
    with pytest.raises(TimeoutError):
        await miner.until(lambda m: m.jobs_received > 1, timeout_s=0.1)
    assert miner.connections == 1
    pool.speak()
    await miner.until(lambda m: m.jobs_received == 2)
    assert not lost.done()
    lost.cancel()


async def test_slow_pool_answers_late_and_in_order(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    pool.slow(0.05)
    answers = [miner.submit_raw(miner.find_share().params(miner.user)) for _ in range(3)]
    assert [(await answer).error for answer in answers] == [None, None, None]
    assert min(answer.latency_s for answer in miner.answers) >= 0.05
    assert not miner.violations


async def test_dropped_miner_comes_back(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await start_miner(pool, time_scale=0.01)
    await miner.until(lambda m: m.in_work)
    pool.drop_connections()
    await miner.until(lambda m: m.connections >= 2 and m.in_work)


async def test_refusing_pool_frees_its_port_and_takes_the_same_one_again(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool()
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    port = pool.port
    await pool.refuse_connections()
    with pytest.raises(ConnectionRefusedError):
        await raw(pool)
    assert miner.in_work
    await pool.accept_connections()
    assert pool.port == port
    _, writer = await raw(pool)
    writer.close()


async def test_pool_accepts_and_closes(start_pool: StartPool) -> None:
    pool = await start_pool()
    pool.accept_and_close()
    reader, writer = await raw(pool)
    assert await reader.read() == b""
    writer.close()


async def test_new_extranonce_is_used_by_firmware_that_knows_the_message(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(extranonce2_size=8)
    miner = await start_miner(pool, ESP_MINER)
    await miner.until(lambda m: m.in_work)
    pool.set_extranonce(5)
    await miner.until(lambda m: m.jobs_received == 2)
    share = miner.find_share()
    assert len(share.extranonce2) == 5
    assert (await miner.submit_raw(share.params(miner.user))).error is None
    assert not miner.violations


async def test_reconnect_and_messages_reach_the_miner(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await start_miner(pool, time_scale=0.01)
    await miner.until(lambda m: m.in_work)
    pool.show_message("hello")
    pool.ask("client.get_version", 7)
    pool.reconnect("127.0.0.1", pool.port)
    await miner.until(lambda m: m.connections >= 2 and m.in_work)
    assert not miner.violations


async def test_garbage_does_not_end_a_miner(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    pool.garbage()
    pool.refresh()
    await miner.until(lambda m: m.jobs_received == 2)
    assert len(miner.violations) >= len(GARBAGE) - 2
    assert miner.connections == 1


async def test_submit_without_an_answer_is_still_booked(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    pool.no_answer_to_submits()
    answer = miner.submit_raw(miner.find_share().params(miner.user))
    await pool.until(lambda p: p.accepted == 1)
    assert miner.unanswered == 1
    pool.drop_connections()
    with pytest.raises(ConnectionError):
        await answer
    assert miner.tally.lost == 1


async def test_refused_authorize_and_its_end(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    pool.refuse_authorize()
    miner = await start_miner(pool, time_scale=0.01)
    await miner.until(lambda m: m.refusals >= 2)
    assert not miner.in_work
    pool.refuse_authorize(on=False)
    await miner.until(lambda m: m.in_work)


async def test_odd_error_shapes_take_turns(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    pool.odd_error_shapes()
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    answers = [await miner.submit_raw([miner.user, "nope", "", "0", "0"]) for _ in range(4)]
    assert {answer.error.text for answer in answers if answer.error} == {"Job not found"}
    assert {repr(answer.result) for answer in answers} == {"None", "False"}


async def test_ckpool_drops_long_lines_and_early_methods_and_ignores_repeats(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=CKPOOL)
    early = await start_miner(pool, BFGMINER, time_scale=0.01)
    await early.until(lambda m: m.connections >= 2)
    assert "mining.suggest_target before subscribe" in pool.drops
    await early.stop()
    miner = await start_miner(pool, CPUMINER)
    await miner.until(lambda m: m.in_work)
    again = miner.call("mining.subscribe", ["again"])
    miner.submit_raw([miner.user, "x" * 1100, "00", "0", "0"])
    with pytest.raises(ConnectionError):
        await again
    assert "line longer than 1024 bytes" in pool.drops


async def test_ckpool_sends_work_before_authorize(start_pool: StartPool) -> None:
    pool = await start_pool(dialect=CKPOOL)
    reader, writer = await raw(pool)
    writer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    lines = [await reader.readline() for _ in range(3)]
    assert b'"id":1' in lines[0]
    assert b"set_difficulty" in lines[1]
    assert b"mining.notify" in lines[2]
    writer.close()


async def test_raised_difficulty_waits_for_a_job_or_brings_one(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    other = await start_pool(dialect=PUBLIC_POOL)
    miners = [await start_miner(pool), await start_miner(other)]
    for miner in miners:
        await miner.until(lambda m: m.in_work)
    pool.raise_difficulty(9)
    other.raise_difficulty(9)
    await miners[0].until(lambda m: m.wire is not None and m.wire.next_difficulty == 9)
    await miners[1].until(lambda m: m.jobs_received == 2)
    assert miners[0].jobs_received == 1


async def test_two_pools_collide_in_their_job_ids_and_differ_in_their_chains(start_pool: StartPool) -> None:
    one, two = await start_pool(name="one"), await start_pool(name="two", extranonce2_size=4)
    assert one.job_id == two.job_id == "1"
    assert one.next_extranonce1() != two.next_extranonce1()


async def test_set_extranonce_is_held_against_the_pool_by_firmware_that_does_not_know_it(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool()
    miner = await start_miner(pool, CPUMINER)
    await miner.until(lambda m: m.in_work)
    pool.set_extranonce()
    await miner.until(lambda m: m.jobs_received == 2)
    assert [violation.rule for violation in miner.violations] == [Rule.SET_EXTRANONCE]
