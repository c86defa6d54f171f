"""What a newcomer can make happen in the demo, on command."""

import asyncio

import pytest

from proxy.devices.facts import Api
from proxy.devices.pools import put_back, use
from proxy.devices.reader import DeviceReader, make_client
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


async def test_miners_of_the_demo_tell_what_they_are_and_mine_elsewhere_when_they_are_told_to():
    pools = demo.build_pools()
    here, there = await demo.start_pools(pools)
    miners = demo.build_miners("127.0.0.1", here, total_hashrate=1.0)
    for miner in miners:
        miner.time_scale = 0.01
    apis = demo.build_apis(miners, demo.DEMO_HASHES_PER_DIFFICULTY)
    devices = await demo.start_apis(apis)
    commands = demo.commands_of(pools, miners)
    running = spawn(demo.run_demo("127.0.0.1", here, pools, commands), name="demo")
    try:
        await pools[0].until(lambda pool: len(pool.sessions) == 6, 20)
        assert [device["worker"] for device in devices] == ["garage", "attic", "kitchen", "shelf"]
        async with make_client() as client:
            reader = DeviceReader(client)
            facts = [await reader.facts(Api(device["api"]), "127.0.0.1", device["port"]) for device in devices]
            assert all(each.hashrate and each.power_w for each in facts)
            assert [each.fan_stopped for each in facts] == [False, False, False, True]
            attic, kitchen = devices[1], devices[2]
            for one, api in ((attic, Api.CGMINER), (kitchen, Api.AXEOS)):
                before = await use(reader, api, "127.0.0.1", one["port"], ("127.0.0.1", there))
                await pools[1].until(lambda pool: len(pool.sessions) == 1, 20)
                await put_back(reader, api, "127.0.0.1", one["port"], before)
                await pools[1].until(lambda pool: len(pool.sessions) == 0, 20)
                await pools[0].until(lambda pool: len(pool.sessions) == 6, 20)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for api in apis.values():
            await api.stop()


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
