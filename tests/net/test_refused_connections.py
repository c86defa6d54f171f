"""A refused connection is slowed down: it stays open for a moment, unread and unanswered."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest
import uvloop

from proxy.net import refused
from proxy.net.listener import StratumListener
from proxy.net.refused import HOLD_S, LET_GO_PER_S, RefusedConnections
from proxy.net.tasks import spawn
from tests.support.patience import PATIENCE_S


async def refused_peer(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    return reader, writer  # the writer is kept: without it the connection ends


def test_it_is_held_a_while_and_then_closed_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused, "HOLD_S", 0.3)

    async def run() -> None:
        stratum = StratumListener(lambda peer, through="": None)
        _, port = await stratum.start("127.0.0.1", 0)
        began = asyncio.get_running_loop().time()
        reader, _writer = await refused_peer(port)
        with suppress(ConnectionResetError):  # what it sent was never read
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        assert asyncio.get_running_loop().time() - began >= 0.25
        await stratum.stop()

    asyncio.run(run())


def test_more_than_can_be_held_are_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused, "HOLD_S", 3600.0)

    async def run() -> None:
        held = RefusedConnections()
        held.most = 2
        ports = [StratumListener(lambda peer, through="": None, refused=held) for _ in range(3)]
        streams = [await refused_peer((await stratum.start("127.0.0.1", 0))[1]) for stratum in ports]
        ends = [spawn(reader.read(), name="read") for reader, _ in streams]
        done, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        assert len(done) == 1 and len(waiting) == 2, "they count together, whichever port they came to"
        for stratum in ports:
            await stratum.stop()
        held.close()
        await asyncio.wait_for(asyncio.gather(*ends, return_exceptions=True), PATIENCE_S)

    asyncio.run(run())


class Transport:
    """Notes whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False
        self.limits: list[int] = []

    def pause_reading(self) -> None:
        pass

    def get_extra_info(self, name: str) -> "Transport":
        return self

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.limits.append(value)

    def close(self) -> None:
        self.is_closed = True


async def test_where_many_are_held_each_stays_longer_so_that_they_come_again_at_a_bounded_rate() -> None:
    held, transports = RefusedConnections(), [Transport() for _ in range(2_000)]
    held.most = 1_500
    began = asyncio.get_running_loop().time()
    for transport in transports:
        held.hold(transport)  # type: ignore[arg-type]
    assert [transport.is_closed for transport in transports] == [False] * 1_500 + [True] * 500
    stay_s = [timer.when() - began for timer in held._held.values()]
    assert min(stay_s) >= HOLD_S and max(stay_s) >= 1_499 / LET_GO_PER_S
    assert all(number / LET_GO_PER_S <= stay for number, stay in enumerate(stay_s))
    held.close()
    assert all(transport.is_closed for transport in transports) and not held._held


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_kernel_keeps_little_of_what_a_refused_connection_sends(run: Callable[..., None]) -> None:
    async def check() -> None:
        held = RefusedConnections()
        stratum = StratumListener(lambda peer, through="": None, refused=held)
        _, port = await stratum.start("127.0.0.1", 0)
        _, writer = await refused_peer(port)
        async with asyncio.timeout(PATIENCE_S):
            while not held._held:
                await asyncio.sleep(0)
        [transport] = held._held
        size = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert size <= 2 * max(refused.UNREAD, 2_304), "Linux keeps twice what it is told, its least is 2,304"
        await stratum.stop()
        held.close()
        writer.close()

    run(check())
