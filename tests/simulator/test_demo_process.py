"""``python -m proxy.simulator``: pools that listen, miners that wait for the proxy, an end when told."""

import asyncio
import json
import signal
import sys
import time

import pytest

from proxy.net.tasks import spawn
from proxy.simulator import demo
from proxy.simulator.chain import SimChain
from proxy.simulator.pool import SimPool
from tests.support.patience import PATIENCE_S, ProcessorWait


async def launched(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.simulator", *arguments, stdin=pipe, stdout=pipe, stderr=pipe
    )


@pytest.mark.parametrize("way", ["sigterm", "stdin"])
async def test_demo_process_says_ready_mines_and_ends_within_a_second(way: str) -> None:
    proxy = SimPool(chain=SimChain(hashes_per_difficulty=2**10), extranonce2_size=4)
    port = await proxy.start()
    process = await launched("--proxy", f"127.0.0.1:{port}", "--hashrate", "20000")
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        assert [row["port"] for row in ready["pools"]] == ready["ports"]
        await proxy.until(lambda p: len(p.sessions) == 6 and p.accepted >= 6, PATIENCE_S)
        assert not proxy.rejected
        started, waited = time.monotonic(), ProcessorWait(process.pid)
        watch = spawn(waited.watch(), name="the process's waits")
        if way == "sigterm":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        assert time.monotonic() - started - waited.look() < 1.5
        watch.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await proxy.stop()


async def test_taken_port_is_named() -> None:
    taken = SimPool(chain=SimChain())
    port = await taken.start()
    process = await launched("--ports", f"0,{port}")
    _, stderr = await process.communicate()
    await taken.stop()
    assert process.returncode == 1
    assert str(port) in stderr.decode()


def test_demo_pools_differ_in_chain_extranonce_size_and_wallet() -> None:
    rows = demo.demo_pools((1111, 2222))
    pools = demo.build_pools()
    assert [row["chain"] for row in rows] == ["BTC", "BCH"]
    assert [pool.extranonce2_size for pool in pools] == [row["extranonce2_size"] for row in rows] == [8, 4]
    assert pools[0].job_id == pools[1].job_id
    assert pools[0].chain.previous_hash != pools[1].chain.previous_hash


def test_demo_fleet_has_six_miners_in_the_ratio_promised() -> None:
    miners = demo.build_miners("127.0.0.1", 1, total_hashrate=94_500)
    assert [round(miner.hashrate) for miner in miners] == [80_000, 6_000, 6_000, 1_000, 1_000, 500]
    assert len({miner.user for miner in miners}) == 6


def test_a_demo_of_many_miners_has_each_name_once_and_the_same_hash_rate() -> None:
    miners = demo.build_miners("127.0.0.1", 1, number=1000)
    assert len({miner.user for miner in miners}) == 1000
    assert sum(miner.hashrate for miner in miners) == pytest.approx(demo.TOTAL_HASHRATE)
    assert min(miner.hashrate for miner in miners) > demo.TOTAL_HASHRATE / 1000 / 4
    assert {miner.profile for miner in miners} == {profile for _, profile, _ in demo.FLEET}


@pytest.mark.parametrize("miners", [51, 1000, demo.MOST_MINERS])
def test_the_shares_of_a_farm_are_bounded_together(miners: int) -> None:
    aim = demo.shares_per_minute(miners)
    assert 0.5 <= aim <= 6 and round(aim * miners) <= demo.FARM_SHARES_PER_MINUTE
