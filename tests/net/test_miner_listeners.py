"""All ports for miners, over real sockets: load balancers' headers, ports that come and go, ports that are in use."""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

import pytest

from proxy.config.snapshot import ConfigSnapshot, Endpoint, Limits, ListenerConfig, MinerAccess
from proxy.engine import engine
from proxy.engine.engine import Engine
from proxy.net import listener as listener_module
from proxy.net import miner_listeners
from proxy.net.clock import LoopClock
from proxy.net.miner_listeners import MinerListeners
from proxy.observe.events import (
    Event,
    EventStream,
    ListenerClosed,
    ListenerFailed,
    ListenerOpened,
    MinerConnected,
    MinerDisconnected,
    MinerOtherProtocol,
    MinerRefused,
)
from proxy.ports import LinkHandler
from proxy.types import MAIN_LISTENER, ListenerId
from tests.net.test_proxy_header import V4, header
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port
from tests.support.tls import CERTIFICATE, KEY, write_certificate

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["x/1"]}\n'
LOOPBACK = (ip_network("127.0.0.0/8"),)
RACK = ListenerId(7)


Kind = TypeVar("Kind", bound=Event)


class NoDialer:
    """No pool is ever dialled."""

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        raise AssertionError(endpoint)


class Proxy:
    """An engine without pools behind its listeners, and what they told."""

    def __init__(self) -> None:
        clock, events = LoopClock(asyncio.get_running_loop()), EventStream()
        self.told: list[Event] = []
        for kind in (
            MinerConnected, MinerDisconnected, MinerRefused, MinerOtherProtocol, ListenerOpened, ListenerClosed,
            ListenerFailed,
        ):  # fmt: skip
            events.subscribe(kind, self.told.append)
        self.engine = Engine(clock=clock, events=events, dialer=NoDialer(), random=random.Random(1), version="test")
        self.ports = MinerListeners(
            self.engine.connect,
            clock=clock,
            events=events,
            refused=self.engine.connection_control.refused_header,
            miners=lambda listener: self.engine.miners_through[listener],
            let_go=self.engine.let_go,
        )

    def configure(self, *listeners: ListenerConfig, **fields: object) -> None:
        self.engine.apply(ConfigSnapshot(miner_listeners=listeners, **fields))  # type: ignore[arg-type]
        self.ports.configure(listeners)

    async def opened(self, *listeners: ListenerConfig, **fields: object) -> int:
        """Open them all; the port of the first."""
        self.configure(*listeners, **fields)
        await self.ports.start()
        return self.port(listeners[0].id)

    def port(self, ident: ListenerId = RACK) -> int:
        bound = self.ports.address(ident)
        assert bound is not None
        return bound[1]

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.told if isinstance(event, kind)]

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not fact():
                await asyncio.sleep(0.001)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    yield made
    await made.ports.stop()
    made.engine.close()


def rack(**fields: object) -> ListenerConfig:
    fields = {"id": RACK, "name": "Rack", "host": "127.0.0.1", "port": steady_port(), **fields}
    return ListenerConfig(**fields)  # type: ignore[arg-type]


def balanced(**fields: object) -> ListenerConfig:
    return rack(**{"proxy_networks": LOOPBACK, **fields})


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.open_connection("127.0.0.1", port)


async def line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readline()


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionResetError):
            return await reader.read()
    return b""


# --- The PROXY protocol ------------------------------------------------------------------------------------------


async def test_a_miner_behind_a_load_balancer_counts_by_its_own_address(proxy: Proxy) -> None:
    reader, writer = await connect(await proxy.opened(balanced()))
    writer.write(header() + SUBSCRIBE)
    assert b'"result"' in await line(reader)
    [told] = proxy.of(MinerConnected)
    assert (told.peer, told.listener) == ("203.0.113.7:40001", "Rack")
    assert told.through.startswith("127.0.0.1:")
    [session] = proxy.engine.sessions.values()
    assert session.address == "203.0.113.7" and session.downstream.peer == "203.0.113.7:40001"
    writer.close()


async def test_a_header_may_come_byte_by_byte(proxy: Proxy) -> None:
    reader, writer = await connect(await proxy.opened(balanced()))
    for byte in header(V4 + b"\x04\x00\x01x") + SUBSCRIBE:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert b'"result"' in await line(reader)
    assert proxy.of(MinerConnected)[0].peer == "203.0.113.7:40001"
    writer.close()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (SUBSCRIBE, "no PROXY protocol header"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + SUBSCRIBE, "version 1"),
        (b"\x16\x03\x01\x02\x00", "no PROXY protocol header"),
        (header(length=0xFFFF), "are allowed"),
        (header(family=0x31), "not for TCP"),
    ],
)
async def test_a_trusted_peer_without_a_right_header_is_closed_and_told(proxy: Proxy, sent: bytes, why: str) -> None:
    reader, writer = await connect(await proxy.opened(balanced()))
    writer.write(sent)
    assert await rest(reader) == b""
    await proxy.until(lambda: proxy.of(MinerRefused))
    [told] = proxy.of(MinerRefused)
    assert why in told.limit and told.listener == "Rack"
    assert not proxy.of(MinerConnected)
    writer.close()


async def test_a_second_header_is_no_stratum(proxy: Proxy) -> None:
    reader, writer = await connect(await proxy.opened(balanced()))
    writer.write(header() + header() + SUBSCRIBE)
    assert await rest(reader) == b""
    assert proxy.of(MinerOtherProtocol)[0].protocol == "proxy"
    writer.close()


@pytest.mark.parametrize("sent", [header() + SUBSCRIBE, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"], ids=["v2", "v1"])
async def test_a_peer_that_is_not_trusted_cannot_say_who_it_is(proxy: Proxy, sent: bytes) -> None:
    port = await proxy.opened(balanced(proxy_networks=(ip_network("192.0.2.0/24"),)))
    reader, writer = await connect(port)
    writer.write(sent)
    assert await rest(reader) == b""
    assert [event.protocol for event in proxy.of(MinerOtherProtocol)] == ["proxy"]
    assert proxy.of(MinerConnected)[0].peer.startswith("127.0.0.1:")
    writer.close()


async def test_a_peer_that_is_not_trusted_mines_without_a_header(proxy: Proxy) -> None:
    port = await proxy.opened(balanced(proxy_networks=(ip_network("192.0.2.0/24"),)))
    reader, writer = await connect(port)
    writer.write(SUBSCRIBE)
    assert b'"result"' in await line(reader)
    assert proxy.of(MinerConnected)[0].through == ""
    writer.close()


async def test_a_health_check_is_no_miner_and_is_not_told(proxy: Proxy) -> None:
    port = await proxy.opened(balanced())
    local = header(b"", command=0x20, family=0)
    for sent in (b"", local, header(V4, command=0x20)[:20], header()[:9]):
        _, writer = await connect(port)
        writer.write(sent)
        await writer.drain()
        writer.close()
    reader, writer = await connect(port)
    writer.write(local + SUBSCRIBE)  # whoever speaks after LOCAL speaks for itself
    assert b'"result"' in await line(reader)
    assert [(type(event), event.peer.rpartition(":")[0]) for event in proxy.told if hasattr(event, "peer")] == [
        (MinerConnected, "127.0.0.1")
    ]
    writer.close()


async def test_a_slow_header_ends_and_a_health_check_that_stays_is_closed_silently(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "HEADER_S", 0.05)
    port = await proxy.opened(balanced())
    staying, first = await connect(port)
    first.write(header(b"", command=0x20, family=0))
    assert await rest(staying) == b""
    assert not proxy.of(MinerRefused)
    slow, second = await connect(port)
    second.write(header()[:20])
    assert await rest(slow) == b""
    assert "within" in proxy.of(MinerRefused)[0].limit
    first.close()
    second.close()


async def test_connections_without_a_header_are_bounded_and_the_oldest_makes_room(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "MOST_WAITING_EACH", 3)
    port = await proxy.opened(balanced())
    waiting = [await connect(port) for _ in range(4)]
    assert await rest(waiting[0][0]) == b""
    for reader, writer in waiting[1:]:
        writer.write(header() + SUBSCRIBE)
        assert b'"result"' in await line(reader)
    monkeypatch.setattr(listener_module, "MOST_WAITING", 1)
    one, other = await connect(port), await connect(port)
    assert await rest(one[0]) == b""
    for _, writer in (*waiting, one, other):
        writer.close()


async def test_limits_and_allow_lists_hold_for_the_address_in_the_header(proxy: Proxy) -> None:
    """A load balancer's own machine is not this one: its loopback address in a header opens nothing."""
    access = MinerAccess(networks=(ip_network("203.0.113.0/24"),))
    port = await proxy.opened(balanced(access=access), limits=Limits(connects_per_minute=1))
    loopback = header(socket.inet_aton("127.0.0.1") + V4[4:])
    elsewhere = header(socket.inet_aton("198.51.100.1") + V4[4:])
    for sent, is_served in ((header(), True), (header(), False), (loopback, False), (elsewhere, False)):
        reader, writer = await connect(port)
        writer.write(sent + SUBSCRIBE)
        if is_served:
            assert b'"result"' in await line(reader)
        else:
            count = len(proxy.of(MinerRefused))
            await proxy.until(lambda count=count: len(proxy.of(MinerRefused)) > count)
            writer.close()
    assert [event.peer for event in proxy.of(MinerConnected)] == ["203.0.113.7:40001"]
    assert "new connections" in proxy.of(MinerRefused)[0].limit
    assert [event.limit for event in proxy.of(MinerRefused)[1:]] == ["not an address that may mine here"] * 2


async def test_the_header_comes_before_tls(proxy: Proxy, tmp_path: Path) -> None:
    write_certificate(tmp_path, "localhost")
    files = {"certificate": str(tmp_path / CERTIFICATE), "key": str(tmp_path / KEY)}
    port = await proxy.opened(balanced(tls=True, **files))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
            plain.sendall(header())
            with context.wrap_socket(plain) as sock:
                sock.sendall(SUBSCRIBE)
                return sock.recv(4096)

    assert b'"result"' in await asyncio.to_thread(talk)
    assert proxy.of(MinerConnected)[0].peer == "203.0.113.7:40001"
    reader, writer = await connect(port)
    writer.write(header() + SUBSCRIBE)
    assert await rest(reader) == b""
    assert proxy.of(MinerOtherProtocol)[0].protocol == "plain"
    writer.close()


# --- Ports that come and go --------------------------------------------------------------------------------------


async def test_listeners_open_move_and_close_while_it_runs(proxy: Proxy) -> None:
    first = rack()
    port = await proxy.opened(first)
    reader, writer = await connect(port)
    writer.write(SUBSCRIBE)
    assert await line(reader)
    other = rack(id=ListenerId(8), name="Other")
    proxy.configure(first, other)
    await proxy.until(lambda: proxy.ports.address(ListenerId(8)))
    (await connect(other.port))[1].close()
    moved = replace(first, port=steady_port())
    proxy.configure(moved, other)
    await proxy.until(lambda: proxy.ports.address(RACK) == ("127.0.0.1", moved.port))
    assert not proxy.of(MinerDisconnected)[1:], "who is connected stays where only the port has changed"
    assert proxy.of(ListenerClosed)[0].miners == 0
    with pytest.raises(OSError):
        await connect(port)
    proxy.configure(replace(moved, enabled=False), other)
    assert await rest(reader) == b""
    assert proxy.of(ListenerClosed)[1].miners == 1 and proxy.ports.address(RACK) is None
    proxy.configure(moved)
    await proxy.until(lambda: proxy.ports.address(RACK) and not proxy.ports.address(ListenerId(8)))
    assert [event.listener for event in proxy.of(ListenerOpened)] == ["Rack", "Other", "Rack", "Rack"]
    writer.close()


async def test_a_listener_that_is_switched_on_again_keeps_the_miners_that_are_left(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LEAST_LEAVING_PER_S", 1.0)
    wanted = rack()
    port = await proxy.opened(wanted)
    miners = [await connect(port) for _ in range(3)]
    await proxy.until(lambda: len(proxy.engine.sessions) == 3)
    proxy.configure(replace(wanted, enabled=False))
    await proxy.until(lambda: proxy.of(MinerDisconnected))
    proxy.configure(wanted)
    left = 3 - len(proxy.of(MinerDisconnected))
    await proxy.until(lambda: proxy.ports.address(RACK))
    proxy.engine.let_go(RACK)
    await asyncio.sleep(0)
    assert len(proxy.engine.sessions) == proxy.engine.miners_through[RACK] == left
    for _, writer in miners:
        writer.close()


async def test_a_port_in_use_is_told_once_keeps_no_other_from_opening_and_is_tried_again(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(miner_listeners, "RETRY_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = rack(id=ListenerId(8), name="Busy", port=taken.getsockname()[1])
        proxy.configure(busy, rack())
        await proxy.ports.start()
        assert proxy.ports.address(RACK) and proxy.ports.address(ListenerId(8)) is None
        assert "Address already in use" in proxy.ports.problem(ListenerId(8))
        await asyncio.sleep(0.05)
    await proxy.until(lambda: proxy.ports.address(ListenerId(8)))
    assert not proxy.ports.problem(ListenerId(8))
    [told] = proxy.of(ListenerFailed)
    assert told.listener == "Busy" and "Address already in use" in told.problem


async def test_a_port_of_the_settings_stays_where_it_was_opened_and_can_be_switched_off(proxy: Proxy) -> None:
    main = ListenerConfig(id=MAIN_LISTENER, name="miners", host="127.0.0.1", port=1)
    proxy.configure(main)
    await proxy.ports.open_fixed(MAIN_LISTENER, "127.0.0.1", 0)
    await proxy.ports.start()
    port = proxy.port(MAIN_LISTENER)
    proxy.configure(replace(main, port=2))
    proxy.configure()
    await proxy.until(lambda: proxy.ports._task is not None and proxy.ports._task.done())
    assert proxy.port(MAIN_LISTENER) == port
    proxy.configure(replace(main, enabled=False))
    await proxy.until(lambda: proxy.ports.address(MAIN_LISTENER) is None)
    assert not proxy.ports.problem(MAIN_LISTENER) and not proxy.ports.problem(ListenerId(99))
    assert await proxy.ports.open_fixed(MAIN_LISTENER, "127.0.0.1", 0) is None
