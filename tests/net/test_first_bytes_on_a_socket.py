"""Other protocols on the miners' port, over a real socket."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest

from proxy.config.snapshot import Endpoint
from proxy.engine.engine import Engine
from proxy.net.clock import LoopClock
from proxy.net.listener import StratumListener
from proxy.observe.events import EventStream, MinerOtherProtocol
from proxy.ports import LinkHandler
from tests.support.patience import PATIENCE_S


class NoDialer:
    """No pool is ever dialled."""

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        raise AssertionError(endpoint)


@pytest.fixture
async def port() -> AsyncIterator[tuple[int, list[MinerOtherProtocol]]]:
    """An engine without pools that listens, and what it tells of other protocols."""
    events, seen = EventStream(), list[MinerOtherProtocol]()
    events.subscribe(MinerOtherProtocol, seen.append)
    engine = Engine(
        clock=LoopClock(asyncio.get_running_loop()),
        events=events,
        dialer=NoDialer(),
        random=random.Random(1),
        version="test",
    )
    engine.web_bound = ("0.0.0.0", 8901)
    listener = StratumListener(engine.connect)
    _, bound = await listener.start("127.0.0.1", 0)
    yield bound, seen
    await listener.stop()
    engine.close()


async def all_of(port: int, payload: bytes) -> bytes:
    """What comes back until the port closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(payload)
    async with asyncio.timeout(PATIENCE_S):
        got = await reader.read()
    writer.close()
    return got


async def test_other_protocols_are_closed_at_once_and_a_browser_reads_its_page(
    port: tuple[int, list[MinerOtherProtocol]],
) -> None:
    number, seen = port
    began = time.monotonic()
    assert await all_of(number, bytes.fromhex("1603010200010001fc0303") + os.urandom(506)) == b""
    assert await all_of(number, random.Random(7).randbytes(64)) == b""
    page = await all_of(number, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert page.startswith(b"HTTP/1.1 400 ")
    assert b"port 8901" in page
    assert [event.protocol for event in seen] == ["tls", "stratum-v2", "http"]
    assert time.monotonic() - began < PATIENCE_S


async def test_a_subscribe_that_comes_byte_by_byte_is_answered(port: tuple[int, list[MinerOtherProtocol]]) -> None:
    number, seen = port
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    for byte in b'\r\n{"id":1,"method":"mining.subscribe","params":["x/1"]}\n':
        writer.write(bytes([byte]))
        await asyncio.sleep(0.001)
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).startswith(b'{"id":1,"result":[[')
    writer.close()
    assert not seen
