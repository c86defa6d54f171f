"""Serves the dashboard and the metrics through Daphne on the event loop that the proxy runs on.

Daphne's own ``Server.run`` starts Twisted's reactor and takes over the process. Here the loop runs already, under
``daphne.server.twisted_loop.run_until_complete(main())``, and Twisted's reactor runs on it.
"""

import asyncio
import functools
import ipaddress
import logging
import socket
import threading
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import daphne.server  # before all else of Twisted: it installs the reactor that asyncio's loop drives
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry
from twisted.internet import reactor as _installed_reactor
from twisted.internet.error import CannotListenError
from twisted.logger import STDLibLogObserver, globalLogBeginner

from proxy.net.tasks import spawn
from proxy.net.web_turns import Turns, pace

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HTTP_TIMEOUT_S = 60
IDLE_TIMEOUT_S = 60  # of a kept-alive connection without a request
WEBSOCKET_HANDSHAKE_S = 5
WEBSOCKET_ACCEPT_S = 10
PING_INTERVAL_S = 20
PING_TIMEOUT_S = 30
MAX_BODY_BYTES = 1024 * 1024
MAX_MESSAGE_BYTES = 64 * 1024
BACKLOG = 128
MAX_CONNECTIONS = 256
"""Idle ones and WebSockets included, so that pages leave enough descriptors for mining."""
MAX_CONNECTIONS_OF_AN_ADDRESS = 48
"""A browser opens six, and one for each tab. Does not apply to this machine: a reverse proxy connects from it."""
MAX_SCRAPERS = 16

TOO_LARGE = b"Too large: at most %d bytes are taken.\n"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

GRACE_S = 0.8  # open requests may finish
CANCEL_S = 0.6  # cancelled ones may clean up
CLOSE_SERVICE_RESTART = 1012  # one of the codes after which the pages' WebSocket connects again by itself

_reactor: Any = _installed_reactor
_logger = logging.getLogger(__name__)


class _BoundedRequest(WebRequest):
    """A request with a limited body, and without the header by which a client could set the root path."""

    refused = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a request by its Content-Length before the body is read."""
        super().gotLength(length)
        if length is not None and length > self.server.max_body_bytes:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        if self.refused:
            return
        if self.content.tell() + len(data) > self.server.max_body_bytes:
            self._refuse()
            return
        super().handleContentChunk(data)

    def process(self) -> Any:
        if self.refused:
            return None
        self.requestHeaders.removeHeader(b"daphne-root-path")
        processed = super().process()
        if self.transport is None:  # it has become a WebSocket, and its channel would keep it, as it keeps its channel
            self.channel.requests.clear()
        return processed

    def _refuse(self) -> None:
        """Answer 413 and close; a client that keeps sending may get a reset instead."""
        self.refused = True
        if self.channel.requests[0] is not self:  # an earlier request is still being answered
            self.channel.transport.abortConnection()
            return
        body = TOO_LARGE % self.server.max_body_bytes
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        self.channel.loseConnection()


class _TrackedFactory(HTTPFactory):
    """Daphne's factory, with a set of its open connections, idle ones too, to count and close them."""

    def __init__(self, server: daphne.server.Server, most: int, most_of_an_address: int) -> None:
        super().__init__(server)
        self.timeOut = IDLE_TIMEOUT_S
        self.transports: weakref.WeakSet[Any] = weakref.WeakSet()
        self._present: Counter[str] = Counter()
        """Open connections by address."""
        self._most, self._most_of_an_address = most, most_of_an_address

    def buildProtocol(self, addr: Any) -> Any:
        """None (closes the connection at once) where there are too many."""
        if not self._has_room(addr.host):
            return None
        channel = super().buildProtocol(addr)
        if channel is not None:
            channel.requestFactory = _BoundedRequest
            channel.makeConnection = functools.partial(self._connect, channel)
        return channel

    def _has_room(self, host: str) -> bool:
        if self._present.total() >= self._most:
            return False
        return self._present[host] < self._most_of_an_address or _address(host).is_loopback

    def log(self, request: Any) -> None:
        """No line per request: a dashboard polls, and Prometheus scrapes."""

    def _connect(self, channel: Any, transport: Any) -> None:
        del channel.makeConnection  # it refers to the channel: whatever does would have to be found by a collection
        host = transport.getPeer().host
        self.transports.add(transport)
        self._present[host] += 1
        transport.on_lost = functools.partial(self._left, host)
        channel.makeConnection(transport)

    def _left(self, host: str) -> None:
        self._present[host] -= 1
        if not self._present[host]:
            del self._present[host]


class _PageSocket(WebSocketProtocol):
    """A WebSocket of a page. The limits on messages are for what a browser sends; pages are as large as they are."""

    maxMessagePayloadSize: int
    maxFramePayloadSize: int

    def serverSend(self, content: Any, binary: bool = False) -> None:
        """Send; nothing to a page that is leaving, whose end the application is about to hear of."""
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            return
        limits = self.maxMessagePayloadSize, self.maxFramePayloadSize
        self.maxMessagePayloadSize = self.maxFramePayloadSize = 0
        try:
            super().serverSend(content, binary)
        finally:
            self.maxMessagePayloadSize, self.maxFramePayloadSize = limits

    def connectionLost(self, reason: Any) -> None:
        """The connection is over. Its deferred holds this protocol as its result."""
        super().connectionLost(reason)
        self.is_closed = None


class _GuestServer(daphne.server.Server):
    """Daphne's server, without running or stopping the reactor."""

    def __init__(self, application: Application, max_body_bytes: int, most: int, most_of_an_address: int) -> None:
        super().__init__(
            application,
            endpoints=["unused: the listening socket is opened by ListeningServer"],
            signal_handlers=False,
            http_timeout=HTTP_TIMEOUT_S,
            websocket_timeout=-1,  # a dashboard on a wall stays open for months
            websocket_connect_timeout=WEBSOCKET_ACCEPT_S,
            websocket_handshake_timeout=WEBSOCKET_HANDSHAKE_S,
            websocket_max_message_size=MAX_MESSAGE_BYTES,
            websocket_max_frame_size=MAX_MESSAGE_BYTES,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            application_close_timeout=2,
            server_name="",
        )
        self.max_body_bytes = max_body_bytes
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = _TrackedFactory(self, most, most_of_an_address)
        self.ws_factory = WebSocketFactory(self, server="")
        self.ws_factory.protocol = _PageSocket
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=PING_TIMEOUT_S,
            allowNullOrigin=True,  # autobahn's own check; dpmp_site.hosts decides
            openHandshakeTimeout=WEBSOCKET_HANDSHAKE_S,
            maxMessagePayloadSize=MAX_MESSAGE_BYTES,
            maxFramePayloadSize=MAX_MESSAGE_BYTES,
        )

    def stop(self) -> None:
        """Called by Daphne when an application raises KeyboardInterrupt: must not end the process."""
        _logger.error("A request asked the web server to stop; ignored.")

    def start_checks(self) -> None:
        _reactor.callLater(1, self.application_checker)
        _reactor.callLater(2, self.timeout_checker)

    def stop_checks(self) -> None:
        checks = (self.application_checker, self.timeout_checker)
        for call in _reactor.getDelayedCalls():
            if call.func in checks:
                call.cancel()

    def websockets(self) -> list[WebSocketProtocol]:
        return [
            protocol
            for protocol, details in self.connections.items()
            if isinstance(protocol, WebSocketProtocol) and "disconnected" not in details
        ]

    def applications(self) -> set[asyncio.Task[None]]:
        """The running applications, one per open request or WebSocket."""
        found = (details.get("application_instance") for details in self.connections.values())
        return {task for task in found if task is not None and not task.done()}

    async def close_connections(self) -> None:
        """Close all connections; abort, one turn of the loop later, those whose peer does not read."""
        for transport in list(self.http_factory.transports):
            transport.loseConnection()
        await asyncio.sleep(0)
        for transport in list(self.http_factory.transports):
            transport.abortConnection()


def _start_reactor() -> None:
    """Mark Twisted's reactor as running, once per process: its loop runs already."""
    if _reactor.running:
        return
    observer: Any = STDLibLogObserver("twisted")
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
    # The reactor is never stopped, so its threads would keep the process from ending.
    _reactor.getThreadPool().threadFactory = functools.partial(threading.Thread, daemon=True)
    _reactor.startRunning(installSignalHandlers=False)


class ListeningServer:
    """An ASGI application on one address; ``start`` and ``stop`` once each, on the running Twisted-asyncio loop."""

    max_body_bytes = MAX_BODY_BYTES
    max_connections = MAX_CONNECTIONS

    def __init__(self, application: Application, most_of_an_address: int = MAX_CONNECTIONS_OF_AN_ADDRESS) -> None:
        self._server = _GuestServer(application, self.max_body_bytes, self.max_connections, most_of_an_address)
        self._turns = Turns()
        self._port: Any = None

    @property
    def address(self) -> tuple[str, int]:
        """The bound address and port, also after ``start(host, 0)``."""
        if self._port is None:
            raise RuntimeError("the server does not listen")
        bound = self._port.getHost()
        return bound.host, bound.port

    async def start(self, host: str, port: int, inherited: socket.socket | None = None) -> None:
        """Listen on ``host`` (an IPv4 or IPv6 address) and ``port`` (0: any free one), or on ``inherited``.

        Raises:
            OSError: it failed; the message names the address and the reason.
        """
        _start_reactor()
        interface = host.strip("[]")
        if inherited is not None:
            self._port = _reactor.adoptStreamPort(inherited.fileno(), inherited.family, self._server.http_factory)
            inherited.close()  # the reactor has a descriptor of its own
            self._begin()
            return
        try:
            self._port = _reactor.listenTCP(port, self._server.http_factory, BACKLOG, interface)
        except CannotListenError as error:
            cause = error.socketError
            reason = getattr(cause, "strerror", None) or str(cause)
            raise OSError(getattr(cause, "errno", None), f"cannot listen on {host}:{port}: {reason}") from error
        self._begin()

    def _begin(self) -> None:
        pace(self._port, self._turns)
        self._server.start_checks()

    async def stop(self) -> None:
        """Stop listening, give open requests a moment to finish, close all connections. Takes less than 2 seconds."""
        if self._port is None:
            return
        port, self._port = self._port, None
        stopped = port.stopListening()
        if stopped is not None:
            await stopped.asFuture(asyncio.get_running_loop())
        for websocket in self._server.websockets():
            websocket.sendCloseFrame(code=CLOSE_SERVICE_RESTART)
        await self._finish_applications()
        self._server.stop_checks()
        await self._server.close_connections()

    async def _finish_applications(self) -> None:
        if applications := self._server.applications():
            await asyncio.wait(applications, timeout=GRACE_S)
        if applications := self._server.applications():
            for application in applications:
                application.cancel()
            await asyncio.wait(applications, timeout=CANCEL_S)


class WebServer(ListeningServer):
    """Serves the dashboard and the admin.

    ``one_front``: all visitors come through one web server, whose address has no limit of its own.
    """

    def __init__(self, application: Application, *, one_front: bool = False) -> None:
        super().__init__(application, self.max_connections if one_front else MAX_CONNECTIONS_OF_AN_ADDRESS)


class MetricsServer(ListeningServer):
    """``/metrics`` for Prometheus, on a port of its own, without a login.

    Answers ``networks`` (empty: all) and this machine, if ``is_allowed`` accepts the Host header: otherwise a web page
    could read it through a browser on the network (DNS rebinding).
    """

    max_body_bytes = 4096
    max_connections = MAX_SCRAPERS

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        networks: Sequence[Network] = (),
        is_allowed: Callable[[str], bool] = lambda host: True,
        settle: Callable[[], Awaitable[None]] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        """``settle`` is awaited before each scrape; ``ready`` answers /readyz, where it is given."""
        super().__init__(self._answer)
        self._settle, self._ready = settle, ready
        self._exposition = _Exposition(registry)
        self._networks = networks
        self._is_allowed = is_allowed

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: GET and HEAD of /metrics; the rest is 404 or 405, a WebSocket is refused."""
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close"})
        elif not self._may_ask(scope["client"][0]):
            await _answer(send, 403, b"This address may not read the metrics: see Proxy settings in the admin.\n")
        elif not self._is_allowed(_host(scope)):
            await _answer(send, 400, b"This name is not allowed. Ask by the IP address, or see DPMP_ALLOWED_HOSTS.\n")
        elif scope["path"] == "/readyz" and self._ready is not None:
            await (_answer(send, 200, b"ready\n") if self._ready() else _answer(send, 503, b"not ready\n"))
        elif scope["path"] != "/metrics":
            await _answer(send, 404, b"Metrics are at /metrics.\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"GET or HEAD.\n")
        else:
            if self._settle is not None:
                await self._settle()
            accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
            await _answer(send, 200, *await self._exposition.text(accept.decode("latin-1")))

    def _may_ask(self, client: str) -> bool:
        address = _address(client)
        return not self._networks or address.is_loopback or any(address in network for network in self._networks)


class _Exposition:
    """Encodes the metrics in a thread; concurrent scrapes of the same format share the result."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._running: dict[str, asyncio.Task[bytes]] = {}

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their content type, for an Accept header."""
        encode, content_type = choose_encoder(accept)
        task = self._running.get(content_type)
        if task is None:
            task = spawn(asyncio.to_thread(encode, self._registry), name="metrics")
            self._running[content_type] = task
            task.add_done_callback(lambda _: self._running.pop(content_type, None))
        return await asyncio.shield(task), content_type


def _host(scope: Scope) -> str:
    """The Host header; without one (HTTP/1.0) the local address of the connection."""
    found = next((value for name, value in scope["headers"] if name == b"host"), None)
    return str(scope["server"][0]) if found is None else found.decode("latin-1")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A peer's address; IPv4-mapped IPv6 becomes IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


async def _answer(send: Send, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
