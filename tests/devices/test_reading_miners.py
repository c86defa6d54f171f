"""Miners are read over the wire; one that answers without end, late or nonsense costs bounded time and memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from proxy.devices import reader as reader_module
from proxy.devices.cgminer import pools_of
from proxy.devices.facts import Api, NoAnswer, Nonsense, NotAllowed
from proxy.devices.pools import put_back, use
from proxy.devices.reader import DeviceReader, make_client
from proxy.simulator.axeos_api import AxeOsApi
from proxy.simulator.cgminer_api import CgminerApi
from proxy.simulator.device import SimDevice

HERE = "127.0.0.1"


@pytest.fixture
async def reader() -> AsyncIterator[DeviceReader]:
    async with make_client() as client:
        yield DeviceReader(client)


@pytest.fixture
async def device_that() -> AsyncIterator[
    Callable[[Callable[..., Coroutine[Any, Any, None]]], Coroutine[Any, Any, int]]
]:
    """Listens and treats a connection as it is told."""
    servers = []

    async def listen(does: Callable[..., Coroutine[Any, Any, None]]) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await does(reader, writer)
            except OSError:
                pass
            finally:
                writer.transport.abort()

        servers.append(await asyncio.start_server(serve, HERE, 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield listen
    for server in servers:
        server.close()


async def test_axeos_is_read(reader):
    api = AxeOsApi(SimDevice(watts=14.5, celsius=61.0))
    port = await api.start()
    facts = await reader.facts(Api.AXEOS, HERE, port)
    await api.stop()
    assert (facts.power_w, facts.temperature_c, facts.hashrate) == (14.5, 61.0, pytest.approx(1.2e12))


async def test_cgminers_api_is_read(reader):
    api = CgminerApi(SimDevice(model="Avalon Nano3s", watts=133, celsius=95, rpm=1520))
    port = await api.start()
    facts = await reader.facts(Api.CGMINER, HERE, port)
    await api.stop()
    assert (facts.model, facts.power_w, facts.temperature_c) == ("Avalon Nano3s", 133, 95)
    assert (facts.fans_rpm, facts.user) == ((1520,), "demo.worker")


async def test_a_new_pool_of_axeos_is_written_and_used(reader):
    moved = []
    api = AxeOsApi(SimDevice(moved=lambda host, port: moved.append((host, port))))
    port = await api.start()
    await reader.patch(HERE, port, {"stratumURL": "10.0.0.5", "stratumPort": 3351})
    await api.stop()
    assert moved == [("10.0.0.5", 3351)]


async def test_a_pool_that_may_not_be_changed_stays(reader):
    api = CgminerApi(SimDevice(privileged=False))
    port = await api.start()
    with pytest.raises(NotAllowed):
        await use(reader, Api.CGMINER, HERE, port, ("10.0.0.5", 3351))
    assert not api.device.pools
    await api.stop()


async def test_a_user_that_would_be_taken_for_more_than_a_user_is_not_written(reader):
    api = CgminerApi(SimDevice(user="a,stratum+tcp://evil:1,x"))
    port = await api.start()
    with pytest.raises(Nonsense):
        await use(reader, Api.CGMINER, HERE, port, ("10.0.0.5", 3351))
    assert not api.device.pools
    await api.stop()


@pytest.mark.parametrize(("api", "before"), [(Api.CGMINER, {"url": "gone", "user": "x"}), (Api.AXEOS, {"host": 5})])
async def test_what_the_miner_no_longer_has_is_not_put_back(reader, api, before):
    miner = CgminerApi(SimDevice())
    port = await miner.start()
    with pytest.raises(Nonsense):
        await put_back(reader, api, HERE, port, before)
    await miner.stop()


async def test_a_command_with_a_parameter_reaches_cgminer(reader):
    api = CgminerApi(SimDevice())
    port = await api.start()
    await reader.command(HERE, port, "addpool", "stratum+tcp://10.0.0.5:3351,user,x")
    answers = await reader.answers(HERE, port)
    await api.stop()
    assert [pool.url for pool in pools_of(answers)][1] == "stratum+tcp://10.0.0.5:3351"


@pytest.mark.parametrize("api", list(Api))
async def test_nobody_there_is_no_answer(reader, api, device_that):
    async def leaves(_reader, _writer):
        return

    with pytest.raises((NoAnswer, Nonsense)):
        await reader.facts(api, HERE, await device_that(leaves))


@pytest.mark.parametrize("api", list(Api))
async def test_silence_is_no_answer(reader, api, device_that, monkeypatch):
    monkeypatch.setattr(reader_module, "READ_S", 0.2)

    async def says_nothing(reader, _writer):
        await reader.read()

    with pytest.raises(NoAnswer):
        await reader.facts(api, HERE, await device_that(says_nothing))


async def test_an_answer_without_end_is_cut(reader, device_that):
    sent = 0

    async def babbles(_reader, writer):
        nonlocal sent
        while True:
            writer.write(b" " * 65_536)
            sent += 65_536
            await writer.drain()

    with pytest.raises(Nonsense):
        await reader.facts(Api.CGMINER, HERE, await device_that(babbles))
    assert sent < 20_000_000, "the kernel's buffers, and what was read"


async def test_an_endless_page_is_cut(reader, device_that):
    async def babbles(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    with pytest.raises(Nonsense):
        await reader.facts(Api.AXEOS, HERE, await device_that(babbles))


@pytest.mark.parametrize(
    "said, error",
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", NotAllowed),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", NotAllowed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[]\r\n", Nonsense),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Nonsense),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NoAnswer),
    ],
)
async def test_whoever_is_no_axeos_is_not_followed_and_not_believed(reader, device_that, said, error):
    async def says(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    with pytest.raises(error):
        await reader.facts(Api.AXEOS, HERE, await device_that(says))


async def test_a_command_whose_answer_is_nonsense_leaves_the_rest(reader, device_that):
    async def knows_summary_alone(reader, writer):
        asked = await reader.read(1000)
        known = {b"version": b'{"STATUS":"E"}', b"summary": b'{"SUMMARY":[{"MHS av":1000}]}'}
        writer.write(next((answer for name, answer in known.items() if name in asked), b"what?") + b"\x00")
        await writer.drain()

    facts = await reader.facts(Api.CGMINER, HERE, await device_that(knows_summary_alone))
    assert facts.hashrate == pytest.approx(1e9)


async def test_whose_summary_is_nonsense_is_no_miner(reader, device_that):
    async def knows_its_version_alone(reader, writer):
        writer.write(b'{"VERSION":[]}\x00' if b"version" in await reader.read(1000) else b"what?\x00")
        await writer.drain()

    with pytest.raises(Nonsense):
        await reader.facts(Api.CGMINER, HERE, await device_that(knows_its_version_alone))
