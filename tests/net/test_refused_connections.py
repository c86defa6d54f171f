"""A refused connection is slowed down: it stays open for a moment, unread and unanswered."""

import asyncio
from contextlib import suppress

import pytest

from proxy.net import listener
from proxy.net.listener import StratumListener
from proxy.net.tasks import spawn


async def refused(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    return reader, writer  # the writer is kept: without it the connection ends


def test_it_is_held_a_while_and_then_closed_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HOLD_S", 0.3)

    async def run() -> None:
        stratum = StratumListener(lambda peer, through="": None)
        _, port = await stratum.start("127.0.0.1", 0)
        began = asyncio.get_running_loop().time()
        reader, _writer = await refused(port)
        with suppress(ConnectionResetError):  # what it sent was never read
            assert await asyncio.wait_for(reader.read(), 10) == b""
        assert asyncio.get_running_loop().time() - began >= 0.25
        await stratum.stop()

    asyncio.run(run())


def test_more_than_can_be_held_are_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HOLD_S", 3600.0)
    monkeypatch.setattr(listener, "MAX_HELD", 2)

    async def run() -> None:
        stratum = StratumListener(lambda peer, through="": None)
        _, port = await stratum.start("127.0.0.1", 0)
        streams = [await refused(port) for _ in range(3)]
        ends = [spawn(reader.read(), name="read") for reader, _ in streams]
        done, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert len(done) == 1 and len(waiting) == 2
        await stratum.stop()
        await asyncio.wait_for(asyncio.gather(*ends, return_exceptions=True), 10)

    asyncio.run(run())
