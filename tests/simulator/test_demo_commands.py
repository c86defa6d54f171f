"""What a newcomer can make happen in the demo, on command."""

import asyncio

import pytest

from proxy.net.tasks import spawn
from proxy.simulator import demo
from proxy.simulator.commands import Lines


async def answers(port: int) -> bool:
    """Whether something listens on ``port``."""
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_pool_goes_and_comes_back_and_a_worker_too():
    pools = demo.build_pools()
    ports = await demo.start_pools(pools)
    miners = demo.build_miners("127.0.0.1", ports[0], total_hashrate=1.0)
    for miner in miners:
        miner.time_scale = 0.01
    commands = demo.commands_of(pools, miners)
    running = spawn(demo.run_demo("127.0.0.1", ports[0], pools, commands), name="demo")
    try:
        await pools[0].until(lambda pool: len(pool.sessions) == 6, 20)
        assert await commands.obey("kill a") == "pool A is gone"
        assert not await answers(ports[0]) and await answers(ports[1])
        assert await commands.obey("revive A") == "pool A is back"
        await pools[0].until(lambda pool: len(pool.sessions) == 6, 20)
        assert await commands.obey("drop desk") == await commands.obey("drop  desk") == "worker desk is off"
        await pools[0].until(lambda pool: len(pool.sessions) == 5, 20)
        assert await commands.obey("return desk") == await commands.obey("return desk") == "worker desk is on"
        await pools[0].until(lambda pool: len(pool.sessions) == 6, 20)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("line", ["", "kill", "kill C", "drop nobody", "format A", "x" * 10_000])
async def test_what_is_not_understood_says_what_would_be(line):
    commands = demo.commands_of(demo.build_pools(), demo.build_miners("127.0.0.1", 1))
    assert (await commands.obey(line)).startswith("say one of: kill A")


def test_lines_are_cut_where_they_end():
    said = []
    lines = Lines(said.append)
    for data in (b"kill", b" A\n\nrevive A\ndr", b"op desk\n", b"y" * 500, b""):
        lines.received(data)
    assert said == ["kill A", "revive A", "drop desk"]
