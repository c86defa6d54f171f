"""An asyncio transport as a ``Link``: the thin adapter between sockets and the core, in both directions.

An error in the core's handling of what came closes just that connection: asyncio reports it to the loop's exception
handler (which the service turns into an event) and calls ``connection_lost``.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from proxy.ports import LinkHandler

MAX_UNSENT = 1 << 20
"""Bytes that may wait for a peer that does not read."""
UNSENT_PATIENCE_S = 30.0
KEEP_ALIVE = (
    (socket.SO_KEEPALIVE, socket.SOL_SOCKET, 1),
    (getattr(socket, "TCP_KEEPIDLE", None), socket.IPPROTO_TCP, 60),
    (getattr(socket, "TCP_KEEPINTVL", None), socket.IPPROTO_TCP, 15),
    (getattr(socket, "TCP_KEEPCNT", None), socket.IPPROTO_TCP, 4),
    (getattr(socket, "TCP_USER_TIMEOUT", None), socket.IPPROTO_TCP, 120_000),
)
"""A peer that vanished without a word is noticed after two minutes, whether or not something is on its way to it."""


def keep_alive(sock: socket.socket) -> None:
    """Have the system look after connections on ``sock``; what a listening socket has, those it accepts have too."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        for option, level, value in KEEP_ALIVE:
            if option is not None:
                sock.setsockopt(level, option, value)


class StreamLink(asyncio.Protocol):
    """One connection; ``Link`` for the core, protocol for asyncio."""

    __slots__ = ("_crowded", "_handler", "_loop", "_patience", "_receive", "_transport", "_why", "peer")

    def __init__(self, handler: LinkHandler | None) -> None:
        """``handler`` None: it is found when the peer is known, by ``_find_handler``."""
        self.peer = ""
        self._handler = handler
        self._receive: Callable[[bytes], None] = _ignore
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._crowded = False
        """Whether what waits to be sent is more than the transport likes."""
        self._patience: asyncio.TimerHandle | None = None
        self._why = ""

    def _find_handler(self) -> LinkHandler | None:
        return self._handler

    # --- Link -----------------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """Queue bytes; a peer that lets too many wait is cut off."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(payload)
        if self._crowded and transport.get_write_buffer_size() > MAX_UNSENT:
            self._abort("does not read")

    def close(self) -> None:
        """Close once what is queued has been sent."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.Transport, transport)
        self.peer = _address(transport.get_extra_info("peername"))
        self._handler = self._find_handler()
        if self._handler is None:
            transport.close()
            return
        self._receive = self._handler.received
        self._handler.opened(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._receive(data)

    def pause_writing(self) -> None:
        """The peer reads slowly: give it some time."""
        self._crowded = True
        if self._patience is None:
            self._patience = self._loop.call_later(UNSENT_PATIENCE_S, self._abort, "reads too slowly")

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._crowded = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        self.resume_writing()
        self._transport = None
        if self._handler is not None:
            self._handler.closed(self._why or (str(error) if error else "closed by the other side"))

    def _abort(self, why: str) -> None:
        self._why = why
        if self._transport is not None:
            self._transport.abort()


def _address(peername: object) -> str:
    if not isinstance(peername, tuple) or len(peername) < 2:
        return str(peername or "?")
    host = str(peername[0]).removeprefix("::ffff:")
    return f"[{host}]:{peername[1]}" if ":" in host else f"{host}:{peername[1]}"


def _ignore(payload: bytes) -> None:
    """Nobody is there to take it."""
