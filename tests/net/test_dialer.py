"""Pools are reached over IPv4, IPv6 and TLS, and where not, a sentence says why."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from proxy.config.snapshot import Endpoint, Tls
from proxy.net.dialer import NetDialer
from proxy.scheduling.virtual_clock import VirtualClock
from tests.support.tls import server_context


class Ends:
    """A handler that remembers what it is told."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.open: asyncio.Future[Any] = loop.create_future()
        self.heard: asyncio.Future[bytes] = loop.create_future()
        self.over: asyncio.Future[str] = loop.create_future()

    def opened(self, link: Any) -> None:
        self.open.set_result(link)

    def received(self, payload: bytes) -> None:
        if not self.heard.done():
            self.heard.set_result(payload)

    def closed(self, reason: str) -> None:
        self.over.set_result(reason)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello\n")
    await writer.drain()
    await reader.read()
    writer.close()


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(tmp_path_factory.mktemp("tls"), "somebody")


async def outcome(host: str, *, server: ssl.SSLContext | None, tls: Tls) -> bytes | str:
    """The first bytes heard through a dial, or the reason why there is no connection."""
    listening = await asyncio.start_server(greet, host, 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    ends = Ends()
    NetDialer(timeout_s=lambda: 5.0).dial(Endpoint(host=host, port=port, tls=tls), ends)
    try:
        await asyncio.wait((ends.heard, ends.over), timeout=6, return_when=asyncio.FIRST_COMPLETED)
        if ends.over.done():
            return ends.over.result()
        heard = ends.heard.result()
        ends.open.result().close()
        await asyncio.wait_for(ends.over, 6)
        return heard
    finally:
        listening.close()


def test_a_pool_is_reached_over_ipv4() -> None:
    assert asyncio.run(outcome("127.0.0.1", server=None, tls=Tls.OFF)) == b"hello\n"


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="no IPv6 on this machine")
def test_a_pool_is_reached_over_ipv6() -> None:
    assert asyncio.run(outcome("::1", server=None, tls=Tls.OFF)) == b"hello\n"


def test_a_certificate_of_its_own_is_fine_where_the_owner_asked_for_no_check(server_tls: ssl.SSLContext) -> None:
    assert asyncio.run(outcome("127.0.0.1", server=server_tls, tls=Tls.INSECURE)) == b"hello\n"


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(server_tls: ssl.SSLContext) -> None:
    why = asyncio.run(outcome("127.0.0.1", server=server_tls, tls=Tls.VERIFY))
    assert "the certificate is not accepted" in str(why)


def test_tls_to_a_port_that_speaks_plainly_says_so() -> None:
    assert "is this port for TLS?" in str(asyncio.run(outcome("127.0.0.1", server=None, tls=Tls.INSECURE)))


def test_a_dial_that_is_taken_back_is_never_heard_of() -> None:
    async def main() -> None:
        ends = Ends()
        NetDialer(timeout_s=lambda: 5.0).dial(Endpoint(host="127.0.0.1", port=9), ends)()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not ends.open.done()
        assert not ends.over.done()

    asyncio.run(main())


async def test_a_dial_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    ends = Ends()
    NetDialer(timeout_s=lambda: 0.01).dial(Endpoint(host="127.0.0.1", port=9), ends)
    assert await asyncio.wait_for(ends.over, 6) == "no connection within 0 s"


async def test_a_dial_that_is_taken_back_as_it_is_given_up_is_never_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    clock, ends = VirtualClock(), Ends()
    take_back = NetDialer(timeout_s=lambda: 5.0, deadlines=clock).dial(Endpoint(host="127.0.0.1", port=9), ends)
    await asyncio.sleep(0)
    clock.advance(5.0)
    take_back()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not ends.over.done()


async def test_each_dial_has_the_whole_time_though_one_timer_is_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    clock = VirtualClock()
    dialer, ends = NetDialer(timeout_s=lambda: 10.0, deadlines=clock), [Ends(), Ends(), Ends()]
    taken_back = Ends()
    dialer.dial(Endpoint(host="127.0.0.1", port=9), taken_back)()
    for each in ends:
        dialer.dial(Endpoint(host="127.0.0.1", port=9), each)
        clock.advance(4.0)
    over = []
    for _ in range(4):  # 12, 14, 16 and 18 s after the first
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        over.append([each.over.done() for each in ends])
        clock.advance(2.0)
    assert over == [[True, False, False], *[[True, True, False]] * 2, [True, True, True]]
    assert not taken_back.over.done()


async def test_a_dial_that_is_taken_back_as_it_fails_is_never_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refused)
    ends, take_back = Ends(), lambda: None
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(lambda: take_back()))
    take_back = NetDialer(timeout_s=lambda: 5.0).dial(Endpoint(host="127.0.0.1", port=9), ends)
    for _ in range(4):
        await asyncio.sleep(0)
    assert not ends.over.done()


async def test_an_address_where_nobody_listens_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ends = Ends()
    NetDialer(timeout_s=lambda: 0.2).dial(Endpoint(host="127.0.0.1", port=port), ends)
    assert await asyncio.wait_for(ends.over, 6) == "Connection refused"


async def test_a_fault_of_ours_in_a_dial_is_told_and_not_taken_for_the_pool_s(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def wrong(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", wrong)
    ends = Ends()
    NetDialer(timeout_s=lambda: 5.0).dial(Endpoint(host="127.0.0.1", port=9), ends)
    while not caplog.records:
        await asyncio.sleep(0)
    assert not ends.over.done()
