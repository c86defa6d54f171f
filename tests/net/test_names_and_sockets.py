"""Connections to pools: names asked once for all who dial together, addresses tried in turn, sockets looked after."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from proxy.config.snapshot import Endpoint
from proxy.net.dialer import NetDialer
from proxy.net.listener import StratumListener
from proxy.net.resolver import KEPT_S, Resolver

PATIENCE_S = 30.0


class Ends:
    """One connection's handler; its two ends as futures."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.open: asyncio.Future[Any] = loop.create_future()
        self.over: asyncio.Future[str] = loop.create_future()
        self.payload = b""

    def opened(self, link: Any) -> None:
        self.open.set_result(link)

    def received(self, payload: bytes) -> None:
        self.payload += payload

    def closed(self, reason: str) -> None:
        self.over.set_result(reason)

    async def link(self) -> Any:
        return await asyncio.wait_for(self.open, PATIENCE_S)

    async def reason(self) -> str:
        return await asyncio.wait_for(self.over, PATIENCE_S)


class Names:
    """A resolver's answers, in place of the system's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[int], Any]) -> None:
        self.asked: list[str] = []
        self.let_go = asyncio.Event()
        self.let_go.set()
        self._answer = answer
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Answer names; addresses are asked for by asyncio itself."""
        if host in ("127.0.0.1", "127.0.0.2"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked.append(host)
        await self.let_go.wait()
        return self._answer(len(self.asked))


def at(*hosts: str, port: int) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


async def a_pool() -> tuple[asyncio.Server, int]:
    """A server on loopback that accepts and says nothing."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def dialer() -> NetDialer:
    return NetDialer(timeout_s=lambda: PATIENCE_S)


async def test_a_name_is_asked_for_once_however_many_dial_together(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = await a_pool()
    names = Names(monkeypatch, lambda _: at("127.0.0.1", port=port))
    names.let_go.clear()
    dials, ends = dialer(), [Ends() for _ in range(20)]
    for each in ends:
        dials.dial(Endpoint(host="pool.test", port=port), each)
    await asyncio.sleep(0)
    names.let_go.set()
    for each in ends:
        (await each.link()).close()
    assert names.asked == ["pool.test"]
    server.close()


async def test_who_gives_up_does_not_spoil_it_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = await a_pool()
    names = Names(monkeypatch, lambda _: at("127.0.0.1", port=port))
    names.let_go.clear()
    dials, gone, stays = dialer(), Ends(), Ends()
    cancel = dials.dial(Endpoint(host="pool.test", port=port), gone)
    dials.dial(Endpoint(host="pool.test", port=port), stays)
    while not names.asked:
        await asyncio.sleep(0)
    cancel()
    await asyncio.sleep(0)
    names.let_go.set()
    (await stays.link()).close()
    assert not gone.open.done()
    assert names.asked == ["pool.test"]
    server.close()


async def test_an_address_that_does_not_work_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = await a_pool()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    names = Names(monkeypatch, lambda times: at("127.0.0.1", port=dead if times == 1 else port))
    dials, first, second = dialer(), Ends(), Ends()
    dials.dial(Endpoint(host="pool.test", port=port), first)
    assert await first.reason() == "Connection refused"
    dials.dial(Endpoint(host="pool.test", port=port), second)
    (await second.link()).close()
    assert names.asked == ["pool.test", "pool.test"]
    server.close()


async def test_a_name_that_nobody_knows_is_told_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names = Names(monkeypatch, unknown)
    dials = dialer()
    for _ in range(2):
        ends = Ends()
        dials.dial(Endpoint(host="nowhere.test", port=1), ends)
        assert await ends.reason() == "the name nowhere.test is not known: Name or service not known"
    assert names.asked == ["nowhere.test", "nowhere.test"]


async def test_the_second_address_is_tried_where_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = await a_pool()
    Names(monkeypatch, lambda _: at("127.0.0.2", "127.0.0.1", port=port))
    ends = Ends()
    dialer().dial(Endpoint(host="pool.test", port=port), ends)
    link = await ends.link()
    assert link.peer == f"127.0.0.1:{port}"
    link.close()
    server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2001:db8::7"])
async def test_an_address_needs_no_resolver(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    names = Names(monkeypatch, lambda _: [])
    found = await Resolver().addresses(host, 3333)
    assert [address[4][:2] for address in found] == [(host, 3333)]
    assert names.asked == []


async def test_answers_grow_old_and_are_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, now = asyncio.get_running_loop(), 1000.0
    names = Names(monkeypatch, lambda _: at("127.0.0.1", port=1))
    monkeypatch.setattr(loop, "time", lambda: now)
    resolver = Resolver()
    for number in range(50):
        await resolver.addresses(f"pool{number}.test", 1)
        now += KEPT_S / 4
    assert len(resolver._lookups) <= 5
    await resolver.addresses("pool49.test", 1)
    assert len(names.asked) == 50
    now += KEPT_S
    await resolver.addresses("pool49.test", 1)
    assert len(names.asked) == 51


async def test_both_ends_are_looked_after_by_the_system() -> None:
    accepted: list[Ends] = []

    def accept(_: str) -> Ends:
        accepted.append(Ends())
        return accepted[-1]

    listener = StratumListener(accept)
    host, port = await listener.start("127.0.0.1", 0)
    ends = Ends()
    dialer().dial(Endpoint(host=host, port=port), ends)
    near = await ends.link()
    while not accepted:
        await asyncio.sleep(0)
    far = await accepted[0].link()
    async with asyncio.timeout(PATIENCE_S):
        while not near._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
            await asyncio.sleep(0)
    for link in (near, far):
        sock = link._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    near.send(b"hello\n")
    near.close()
    assert await accepted[0].reason() == "closed by the other side"
    assert accepted[0].payload == b"hello\n"
    await listener.stop()


async def test_who_is_refused_at_the_door_is_only_closed() -> None:
    listener = StratumListener(lambda peer, through="": None)
    host, port = await listener.start("127.0.0.1", 0)
    ends = Ends()
    dialer().dial(Endpoint(host=host, port=port), ends)
    (await ends.link()).send(b"let me in\n")
    await ends.reason()
    await listener.stop()


class Declines(Ends):
    """Wants the connection no more when it opens."""

    def opened(self, link: Any) -> None:
        super().opened(link)
        link.close()


async def test_a_connection_that_is_closed_as_it_opens_ends_once() -> None:
    server, port = await a_pool()
    ends = Declines()
    dialer().dial(Endpoint(host="127.0.0.1", port=port), ends)
    assert await ends.reason() == "closed by the other side"
    for _ in range(20):
        await asyncio.sleep(0)
    server.close()
