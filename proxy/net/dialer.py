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
from proxy.net.tasks import spawn
from proxy.net.transport import StreamLink, keep_alive
from proxy.ports import Clock, LinkHandler
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

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        """Start connecting; the outcome reaches the handler in a later turn of the loop."""
        task = spawn(self._connect(endpoint, handler), name=f"dial {endpoint}")

        def cancel() -> None:
            task.cancel()

        return cancel

    async def _connect(self, endpoint: Endpoint, handler: LinkHandler) -> None:
        timeout = asyncio.timeout(None)
        loop = asyncio.get_running_loop()
        deadlines = self._deadlines or LoopClock(loop)
        timer = deadlines.call_at(deadlines.now() + self._timeout_s(), lambda: timeout.reschedule(loop.time()))
        try:
            async with timeout:
                await self._open(endpoint, handler)
        except TimeoutError:
            handler.closed(sentence("no connection within {limit:.0f} s", limit=self._timeout_s()))
        except ssl.SSLCertVerificationError as error:
            handler.closed(sentence("the certificate is not accepted: {why}", why=error.verify_message))
        except ssl.SSLError as error:
            handler.closed(sentence("TLS failed: {why} (is this port for TLS?)", why=str(error.reason or error)))
        except socket.gaierror as error:
            handler.closed(sentence("the name {host} is not known: {why}", host=endpoint.host, why=str(error.strerror)))
        except (OSError, UnicodeError) as error:
            handler.closed(_reason(error))
        finally:
            timer.cancel()

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


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
