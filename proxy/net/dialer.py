"""Opens connections to pools: resolves names off the loop, races IPv4 and IPv6, does TLS."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from aiohappyeyeballs import start_connection

from proxy.config.snapshot import Endpoint, Tls
from proxy.net.clock import LoopClock
from proxy.net.resolver import AddressInfo, Resolver
from proxy.net.tasks import log_failure, spawn
from proxy.net.transport import StreamLink, keep_alive
from proxy.ports import Clock, LinkHandler, Timer
from proxy.sentence import sentence

RACE_DELAY_S = 0.25
TLS_SHUTDOWN_S = 1.0
"""TLS close_notify timeout."""


class NetDialer:
    """``Dialer`` on real sockets."""

    def __init__(self, *, timeout_s: Callable[[], float], deadlines: Clock | None = None) -> None:
        """``deadlines``: its time tells when a dial has taken longer than ``timeout_s``; None: the loop's own does."""
        self._timeout_s = timeout_s
        self._deadlines = deadlines
        self._resolver = Resolver()
        self._contexts: dict[Tls, ssl.SSLContext | None] = {Tls.OFF: None}
        self._under_way: dict[_Dial, float] = {}
        """Until when each has time, the one that began first before the others: one timer is enough for all."""
        self._timer: Timer | None = None

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        """Start connecting; the outcome reaches the handler in a later turn of the loop."""
        addresses = self._resolver.known(endpoint.host, endpoint.port)
        if addresses is not None and len(addresses) == 1 and endpoint.tls in self._contexts:
            return _Dial(self, endpoint, handler, addresses[0]).cancel
        task = spawn(self._connect(endpoint, handler), name=f"dial {endpoint}")

        def cancel() -> None:
            task.cancel()

        return cancel

    async def _connect(self, endpoint: Endpoint, handler: LinkHandler) -> None:
        timeout = asyncio.timeout(None)
        loop = asyncio.get_running_loop()
        deadlines = self._clock()
        timer = deadlines.call_at(deadlines.now() + self._timeout_s(), lambda: timeout.reschedule(loop.time()))
        try:
            async with timeout:
                await self._open(endpoint, handler)
        except TimeoutError:
            handler.closed(self.why_late())
        except (OSError, UnicodeError) as error:
            handler.closed(_reason(error, endpoint))
        finally:
            timer.cancel()

    def began(self, dial: "_Dial") -> None:
        """``dial`` has the usual time from now on."""
        deadlines = self._clock()
        self._under_way[dial] = due = deadlines.now() + self._timeout_s()
        if self._timer is None:
            self._timer = deadlines.call_at(due, self._look)

    def ended(self, dial: "_Dial") -> None:
        """Nobody waits for ``dial`` any more."""
        self._under_way.pop(dial, None)
        if not self._under_way:
            self._under_way = {}  # an emptied table keeps the size that it had for a whole fleet

    def _look(self) -> None:
        """Give up what has taken too long."""
        deadlines, self._timer = self._clock(), None
        now = deadlines.now() + 1e-3
        for dial, due in list(self._under_way.items()):
            if due > now:
                self._timer = deadlines.call_at(due, self._look)
                return
            self.ended(dial)
            dial.give_up()

    def _clock(self) -> Clock:
        return self._deadlines or LoopClock(asyncio.get_running_loop())

    def why_late(self) -> str:
        """Why a dial that has taken too long ended."""
        return sentence("no connection within {limit:.0f} s", limit=self._timeout_s())

    def failed(self, endpoint: Endpoint) -> None:
        """The address that was found for ``endpoint`` did not work."""
        self._resolver.forget(endpoint.host, endpoint.port)

    def tls_options(self, endpoint: Endpoint) -> dict[str, Any]:
        """The TLS arguments of ``create_connection``, where the context is there."""
        return _tls_options(self._contexts[endpoint.tls], endpoint.host)

    async def _open(self, endpoint: Endpoint, handler: LinkHandler) -> None:
        loop = asyncio.get_running_loop()
        context = await self._context(endpoint.tls)
        tls = _tls_options(context, endpoint.host)
        addresses = await self._resolver.addresses(endpoint.host, endpoint.port)
        try:
            if len(addresses) == 1:
                host, port, *_ = addresses[0][4]
                transport, _ = await loop.create_connection(lambda: StreamLink(handler), host, port, **tls)
            else:
                transport = await self._race(addresses, handler, tls)
        except OSError:
            self._resolver.forget(endpoint.host, endpoint.port)
            raise
        if not transport.is_closing():  # the handler may have closed it at once
            keep_alive(transport.get_extra_info("socket"))

    @staticmethod
    async def _race(addresses: list[AddressInfo], handler: LinkHandler, tls: dict[str, Any]) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        sock = await start_connection(addresses, happy_eyeballs_delay=RACE_DELAY_S, loop=loop)
        try:
            transport, _ = await loop.create_connection(lambda: StreamLink(handler), sock=sock, **tls)
        except BaseException:
            sock.close()
            raise
        return transport

    async def _context(self, tls: Tls) -> ssl.SSLContext | None:
        """The context for ``tls``, made once and in a thread: loading the CA certificates takes a tenth of a second."""
        if tls not in self._contexts:
            self._contexts[tls] = await asyncio.to_thread(_make_context, tls)
        return self._contexts[tls]


class _Dial:
    """A dial to one address with nothing else to wait for, as nearly all are: just the task that connects.

    A coroutine of ours around it, with a timeout of its own, cost as much as the connecting.
    """

    __slots__ = ("_dialer", "_endpoint", "_handler", "_is_late", "_is_wanted", "_task")

    def __init__(self, dialer: NetDialer, endpoint: Endpoint, handler: LinkHandler, address: AddressInfo) -> None:
        self._dialer = dialer
        self._endpoint = endpoint
        self._handler = handler
        self._is_late = False
        self._is_wanted = True
        host, port, *_ = address[4]
        connecting = asyncio.get_running_loop().create_connection(
            self._link, host, port, **dialer.tls_options(endpoint)
        )
        self._task = spawn(connecting, name="dial", report=self._failed)
        self._task.add_done_callback(self._done)
        dialer.began(self)

    def cancel(self) -> None:
        """The handler does not want it any more, and hears nothing, not even that it took too long."""
        self._dialer.ended(self)
        self._is_wanted = False
        self._task.cancel()

    def _link(self) -> StreamLink:
        return StreamLink(self._handler)

    def give_up(self) -> None:
        """It has taken too long."""
        self._is_late = self._task.cancel()

    def _failed(self, name: str, error: BaseException) -> None:
        """An error that is no answer of the network is one of ours, and told as such."""
        if not isinstance(error, OSError | UnicodeError):
            log_failure(name, error)
            return
        self._dialer.failed(self._endpoint)
        if self._is_wanted:
            self._handler.closed(_reason(error, self._endpoint))

    def _done(self, task: asyncio.Task[tuple[asyncio.Transport, StreamLink]]) -> None:
        self._dialer.ended(self)
        if task.cancelled():
            if self._is_late and self._is_wanted:
                self._handler.closed(self._dialer.why_late())
        elif task.exception() is None:
            transport, _ = task.result()
            if not transport.is_closing():  # the handler may have closed it at once
                keep_alive(transport.get_extra_info("socket"))


def _tls_options(context: ssl.SSLContext | None, host: str) -> dict[str, Any]:
    """The TLS arguments of ``create_connection``."""
    return {"ssl": context, "server_hostname": host, "ssl_shutdown_timeout": TLS_SHUTDOWN_S} if context else {}


def _make_context(tls: Tls) -> ssl.SSLContext:
    if tls is Tls.VERIFY:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError | UnicodeError, endpoint: Endpoint) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return sentence("the certificate is not accepted: {why}", why=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return sentence("TLS failed: {why} (is this port for TLS?)", why=str(error.reason or error))
    if isinstance(error, socket.gaierror):
        return sentence("the name {host} is not known: {why}", host=endpoint.host, why=str(error.strerror))
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
