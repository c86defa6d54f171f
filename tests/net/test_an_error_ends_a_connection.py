"""An error while a peer's bytes are handled ends its connection, in whichever turn of the loop; it is told, too."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proxy.net.listener import StratumListener
from proxy.net.miner_tls import MinerTls
from proxy.net.transport import LINES_A_TURN, InputBudget, StreamLink
from proxy.ports import Link
from tests.support.patience import PATIENCE_S
from tests.support.tls import CERTIFICATE, KEY, write_certificate
from tests.support.transport import Transport

WIDE = InputBudget(bytes_per_s=10e6, burst=10e6)
RUNS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


class Handler:
    """Cannot do with a line that says boom."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.errors: list[dict[str, Any]] = []
        self.ended = asyncio.Event()
        self.reason = ""
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.errors.append(context))

    def opened(self, link: Link) -> None:
        self.link = link

    def received(self, payload: bytes) -> None:
        for line in payload.splitlines():
            self.lines.append(line)
            if line == b"boom":
                raise RuntimeError("boom")

    def closed(self, reason: str) -> None:
        self.reason = reason
        self.ended.set()

    def earned_lines(self) -> int:
        return 0

    def not_tls(self) -> None:
        raise AssertionError


async def ended(handler: Handler, address: tuple[str, int], sent: bytes, context: ssl.SSLContext | None = None) -> None:
    """Send, and wait for the end; the peer itself never closes."""
    _, writer = await asyncio.open_connection(*address, ssl=context)
    writer.write(sent)
    async with asyncio.timeout(PATIENCE_S):
        await handler.ended.wait()
    writer.close()
    assert handler.reason == "boom"
    assert [str(context["exception"]) for context in handler.errors] == ["boom"]


@RUNS
@pytest.mark.parametrize("budget", [None, WIDE])
@pytest.mark.parametrize("first", [0, 1, LINES_A_TURN + 4])
def test_an_error_closes_the_connection_and_the_rest_is_left(
    run: Callable[..., None], first: int, budget: InputBudget | None
) -> None:
    async def check() -> None:
        handler = Handler()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: StreamLink(handler, budget), "127.0.0.1", 0)
        lines = b"x\n" * first + b"boom\n" + b"y\n" * LINES_A_TURN
        await ended(handler, server.sockets[0].getsockname(), lines)
        assert handler.lines == [b"x"] * first + [b"boom"]
        server.close()

    run(check())


@RUNS
@pytest.mark.parametrize("first", [0, LINES_A_TURN + 4])
def test_it_is_so_with_tls_too(run: Callable[..., None], first: int, tmp_path: Path) -> None:
    async def check() -> None:
        write_certificate(tmp_path, "localhost")
        tls = MinerTls(on_loaded=lambda path, until: None, on_refused=pytest.fail)
        tls.configure(str(tmp_path / CERTIFICATE), str(tmp_path / KEY))
        await tls.refresh()
        handler = Handler()
        listener = StratumListener(lambda peer, through="": handler, WIDE, tls)
        context = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE))
        context.check_hostname = False
        await ended(handler, await listener.start("127.0.0.1", 0), b"x\n" * first + b"boom\n", context)
        await listener.stop()

    run(check())


class Unready(Handler):
    """Cannot do with the connection itself."""

    def opened(self, link: Link) -> None:
        raise RuntimeError("boom")


@RUNS
def test_a_connection_that_cannot_be_opened_is_closed(run: Callable[..., None]) -> None:
    async def check() -> None:
        handler = Unready()
        server = await asyncio.get_running_loop().create_server(lambda: StreamLink(handler), "127.0.0.1", 0)
        await ended(handler, server.sockets[0].getsockname(), b"x\n")
        assert handler.lines == []
        server.close()

    run(check())


@RUNS
def test_a_miner_about_whom_nothing_can_be_decided_is_closed(run: Callable[..., None]) -> None:
    async def check() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))

        def accept(peer: str, through: str = "") -> None:
            raise RuntimeError("boom")

        listener = StratumListener(accept)
        reader, writer = await asyncio.open_connection(*await listener.start("127.0.0.1", 0))
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        assert told == ["boom"]
        writer.close()
        await listener.stop()

    run(check())


async def test_a_pool_is_gone_even_where_its_last_bytes_cannot_be_handled() -> None:
    handler = Handler()
    link = StreamLink(handler)
    link.connection_made(Transport())  # type: ignore[arg-type]
    link.data_received(b"x\n" * LINES_A_TURN + b"boom\n")
    link.connection_lost(None)
    assert handler.reason == "boom"
    assert [str(context["exception"]) for context in handler.errors] == ["boom"]
