"""The listening socket for miners."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any, Protocol, cast

from proxy.config.snapshot import Network
from proxy.net.miner_tls import HANDSHAKE_RECORD, MAX_HELLO, MinerTls, TlsStream, tls_failure
from proxy.net.proxy_header import ProxyHeaderError, read_header
from proxy.net.refused import RefusedConnections
from proxy.net.transport import InputBudget, StreamLink, keep_alive, peer_of
from proxy.peer_address import host_of
from proxy.ports import LinkHandler, Timer

BACKLOG = 8192
"""The system takes less where it allows less (Linux: 4,096). A farm that comes back connects all at once, and whoever
finds the queue full tries again only after a second."""
ACCEPTS_A_TURN = 64
"""libuv, the loop's base, accepts one connection of a listening socket in a turn (src/unix/stream.c, ``uv__server_io``,
since libuv/libuv#3696). Where each turn has work for hundreds of miners, a farm that comes back would wait in the
system's queue for minutes, and whoever found that full for longer: so each listening socket is watched that often."""
HEADER_S = 5.0
"""A load balancer writes its header as soon as it is connected."""
MOST_WAITING_EACH = 8_192
"""Connections of one load balancer without a header: as many as may be taken from the queue before any is read."""
MOST_WAITING = 16_384
"""The same of all of them."""


class MinerHandler(LinkHandler, Protocol):
    """The handler of a miner's connection."""

    @property
    def is_cut_off(self) -> bool:
        """Whether nothing more is to be read of it."""

    def earned_lines(self) -> int:
        """How many shares were accepted since the last call."""

    def not_tls(self) -> None:
        """The peer does not speak TLS where it should; its connection is being closed."""


class Accept(Protocol):
    """Decides about a connection."""

    def __call__(self, peer: str, through: str = "") -> MinerHandler | None:
        """The handler of a connection of ``peer`` (``address:port``), None to refuse it.

        ``through``: the load balancer that said so; "" where the peer itself is connected.
        """


class StratumListener:
    """Accepts miners.

    ``budget`` is what each of them may send. A busy miner sends a few hundred bytes a second; accepted shares are free,
    so that a farm's proxy or rented hash may send hundreds a second on one connection. ``tls``: what they are to speak.
    """

    def __init__(
        self,
        accept: Accept,
        budget: InputBudget | None = None,
        tls: MinerTls | None = None,
        refused: RefusedConnections | None = None,
    ) -> None:
        """``refused``: where those that are not accepted wait; whoever gave it closes it."""
        self.budget = budget or InputBudget()
        self.tls = tls
        """May be changed: it holds for connections from then on."""
        self.balancers: tuple[Network, ...] = ()
        """Where connections begin with a header of the PROXY protocol; may be changed likewise."""
        self.headers: PendingHeaders | None = None
        """Needed where there are balancers."""
        self._accept = accept
        self._refused = refused or RefusedConnections()
        self._server: asyncio.Server | None = None
        self._doubles: list[asyncio.Server] = []
        """The same sockets again."""

    @property
    def started(self) -> bool:
        """Whether it is listening."""
        return self._server is not None

    async def start(
        self, host: str, port: int, inherited: socket.socket | None = None, *, share_port: bool = False
    ) -> tuple[str, int]:
        """Bind and listen, or use ``inherited``; return the address (port 0 asks for any free one).

        With ``share_port`` other processes may listen there too, and the system divides the connections among them.

        Raises:
            OSError: the address cannot be used; the message says which and why.
        """
        loop = asyncio.get_running_loop()
        try:
            where: dict[str, Any] = {"host": host or None, "port": port} if inherited is None else {"sock": inherited}
            if share_port and inherited is None:
                where["reuse_port"] = True
            self._server = await loop.create_server(self._link, backlog=BACKLOG, start_serving=True, **where)
            for sock in (sock for sock in self._server.sockets for _ in range(ACCEPTS_A_TURN - 1)):
                self._doubles.append(await loop.create_server(self._link, sock=sock.dup(), backlog=BACKLOG))
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(error.errno, f"miners cannot connect to {host}:{port}: {why}") from error
        for sock in self._server.sockets:
            keep_alive(sock)
        bound = self._server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    def _link(self) -> asyncio.Protocol:
        if self.balancers and self.headers is not None:
            return _HeaderReader(self.balancers, self.headers, self._miner_link)
        return self._miner_link()

    def _miner_link(self, peer: str = "", through: str = "") -> "_MinerLink":
        """``peer``: who it is, where that is not whoever is connected."""
        accept = partial(self._accept, through=through) if through else self._accept
        if self.tls is not None:
            return _TlsMinerLink(accept, self.budget, self._refused, peer, self.tls)
        return _MinerLink(accept, self.budget, self._refused, peer)

    async def stop(self) -> None:
        """Stop listening; open connections stay."""
        if self._server is not None:
            for server in (self._server, *self._doubles):
                server.close()
            self._doubles.clear()
            self._server = None


class PendingHeaders:
    """Connections of load balancers that have not said yet whose they are: no miner, so bounded here."""

    def __init__(self, call_later: Callable[[float, Callable[[], None]], Timer], refused: Callable[[str, str], None]):
        """``call_later`` is the clock of deadlines, ``refused(peer, why)`` hears of those that are closed."""
        self._call_later = call_later
        self._refused = refused
        self._waiting: dict[str, dict[_HeaderReader, Timer]] = {}
        self._count = 0

    def add(self, address: str, reader: "_HeaderReader") -> None:
        """``reader`` waits from now on; where there are too many, the one that has waited longest is closed."""
        if len(self._waiting.get(address, ())) >= MOST_WAITING_EACH:
            next(iter(self._waiting[address])).refuse(f"{MOST_WAITING_EACH} connections without a PROXY header")
        elif self._count >= MOST_WAITING:
            next(iter(next(iter(self._waiting.values())))).refuse(f"{MOST_WAITING} connections without a PROXY header")
        self._waiting.setdefault(address, {})[reader] = self._call_later(HEADER_S, reader.is_late)
        self._count += 1

    def remove(self, address: str, reader: "_HeaderReader") -> None:
        """``reader`` waits no more; does nothing the second time."""
        timer = self._waiting.get(address, {}).pop(reader, None)
        if timer is None:
            return
        timer.cancel()
        self._count -= 1
        if not self._waiting[address]:
            del self._waiting[address]

    def refuse(self, peer: str, why: str) -> None:
        """Tell of a connection that is closed."""
        self._refused(peer, why)


class _HeaderReader(asyncio.Protocol):
    """Reads the header that a load balancer begins with, then makes way for the miner's own connection."""

    def __init__(
        self,
        balancers: tuple[Network, ...],
        pending: PendingHeaders,
        miner_link: "Callable[[str, str], _MinerLink]",
    ) -> None:
        self._balancers = balancers
        self._pending = pending
        self._miner_link = miner_link
        self._transport: asyncio.Transport | None = None
        self._peer = self._address = ""
        self._octets = b""
        self._is_complete = False
        """Whether the header is there, and only the miner is waited for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_of(transport)
        self._address = host_of(self._peer)
        if _is_in(self._address, self._balancers):
            self._pending.add(self._address, self)
        else:
            self._hand_over("", b"")

    def data_received(self, data: bytes) -> None:
        """Go on with the header. Where it says nothing of a miner, the miner's first byte is waited for, too: health
        checks are no miners."""
        if self._transport is None or self._transport.is_closing():
            return
        self._octets += data
        try:
            header = read_header(self._octets)
        except ProxyHeaderError as error:
            self.refuse(str(error))
            return
        self._is_complete = header is not None
        if header is not None and (header.source or len(self._octets) > header.size):
            rest, self._octets = self._octets[header.size :], b""
            self._pending.remove(self._address, self)
            self._hand_over(header.source, rest)

    def _hand_over(self, source: str, rest: bytes) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None
        link = self._miner_link(source, self._peer if source else "")
        transport.set_protocol(link)
        link.connection_made(transport)
        if rest and link.is_accepted:
            link.data_received(rest)

    def is_late(self) -> None:
        """No header, or no miner behind it, in time."""
        self.refuse(f"no PROXY protocol header within {HEADER_S:g} s", report=not self._is_complete)

    def refuse(self, why: str, *, report: bool = True) -> None:
        """Close at once."""
        self._pending.remove(self._address, self)
        transport, self._transport = self._transport, None
        if transport is not None:
            if report:
                self._pending.refuse(self._peer, why)
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """It left again, as a health check does."""
        self._pending.remove(self._address, self)
        self._transport = None


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


class _MinerLink(StreamLink):
    """A connection whose handler is chosen when the peer is known."""

    __slots__ = ("_accept", "_miner", "_peer", "_refused")

    def __init__(self, accept: Accept, budget: InputBudget, refused: RefusedConnections, peer: str) -> None:
        super().__init__(None, budget)
        self._peer = peer
        """Empty until it is known."""
        self._accept = accept
        self._refused = refused
        self._miner: MinerHandler | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether it has a handler."""
        return self._miner is not None

    @property
    def peer(self) -> str:
        """``address:port`` of the miner, also once it is gone."""
        return self._peer

    def _find_handler(self, transport: asyncio.Transport) -> LinkHandler | None:
        self._peer = self._peer or peer_of(transport)
        self._miner = self._accept(self._peer)
        return self._miner

    def _refuse(self, transport: asyncio.Transport) -> None:
        """Close a while later, without an answer."""
        self._refused.hold(transport)

    def _earned_lines(self) -> int:
        return self._miner.earned_lines() if self._miner is not None else 0

    def _is_heard(self) -> bool:
        return self._miner is not None and not self._miner.is_cut_off


class _TlsMinerLink(_MinerLink):
    """A connection that speaks TLS. Its place counts from the first byte on, and so does the time for its handshake."""

    __slots__ = ("_queued", "_stream", "_tls")

    def __init__(
        self,
        accept: Accept,
        budget: InputBudget,
        refused: RefusedConnections,
        peer: str,
        tls: MinerTls,
    ) -> None:
        super().__init__(accept, budget, refused, peer)
        self._tls = tls
        self._stream: TlsStream | None = None
        self._queued = False

    def data_received(self, data: bytes) -> None:
        """Decrypt what the network brought; the handshake goes on when it is its turn."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        stream = self._stream or self._begin(data)
        if stream is None:
            return
        stream.feed(data)
        if stream.ready:
            self._decrypt(stream, len(data))
        elif stream.fed > MAX_HELLO:
            self._abort("TLS failed (too much before the handshake)")
        elif not self._queued:
            self._queued = True
            self._tls.take_turn(self._shake)

    def _begin(self, data: bytes) -> TlsStream | None:
        self._tls.look()
        if data[:1] != HANDSHAKE_RECORD:
            if self._miner is not None:
                self._miner.not_tls()
            self._end("it does not speak TLS")
        elif self._tls.context is None:
            self._end("there is no certificate that can be used")
        else:
            self._stream = TlsStream(self._tls.context)
        return self._stream

    def _shake(self) -> None:
        self._queued = False
        stream, transport = self._stream, self._transport
        if stream is None or transport is None or transport.is_closing():
            return
        try:
            ready = stream.shake()
        except ssl.SSLError as error:
            self._end(tls_failure(error))
            return
        super().send(stream.pending())
        if ready:
            self._decrypt(stream, 0)

    def _decrypt(self, stream: TlsStream, octets: int) -> None:
        try:
            plain = stream.read()
        except ssl.SSLError as error:
            self._end(tls_failure(error))
            return
        if answer := stream.pending():
            super().send(answer)
        self._spent += max(0, octets - len(plain))  # records without content are work, too
        if plain or self._spent > self._burst:
            super().data_received(plain)
        if stream.ended:
            super().close()

    def _end(self, why: str) -> None:
        """Close once what TLS has to say about it has been sent."""
        self._abort_reason = why
        if self._stream is not None:
            super().send(self._stream.pending())
        super().close()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        if self._stream is not None and not self._stream.ready and not self._abort_reason:
            self._abort_reason = "left during the TLS handshake: it may not trust the certificate"
        super().connection_lost(error)

    def send(self, payload: bytes) -> None:
        """Encrypt and queue bytes; nothing once it is being closed, for TLS has said that nothing follows."""
        transport, stream = self._transport, self._stream
        if stream is not None and stream.ready and transport is not None and not transport.is_closing():
            super().send(stream.write(payload))

    def close(self) -> None:
        """Say that nothing follows, and close once what is queued has been sent."""
        if self._stream is not None and self._stream.ready:
            super().send(self._stream.farewell())
        super().close()
