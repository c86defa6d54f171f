"""The listening socket for miners."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Protocol

from proxy.config.snapshot import Limits
from proxy.net.transport import InputBudget, StreamLink, keep_alive
from proxy.ports import LinkHandler

BACKLOG = 8192
"""The system takes less where it allows less (Linux: 4,096). A farm that comes back connects all at once, and whoever
finds the queue full tries again only after a second."""
HOLD_S = 5.0
"""A refused connection stays open for so long, unread: firmware that connects again at once would do nothing else."""
MAX_HELD = 256
"""More than these are closed at once."""


class MinerHandler(LinkHandler, Protocol):
    """The handler of a miner's connection."""

    def earned_lines(self) -> int:
        """How many shares were accepted since the last call."""


class StratumListener:
    """Accepts miners; ``accept(peer)`` returns the handler of a connection, None to refuse it.

    ``budget`` is what each of them may send. A busy miner sends a few hundred bytes a second; accepted shares are free,
    so that a farm's proxy or rented hash may send hundreds a second on one connection.
    """

    def __init__(self, accept: Callable[[str], MinerHandler | None], budget: InputBudget | None = None) -> None:
        self.budget = budget or InputBudget()
        self._accept = accept
        self._held: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    def limit_input(self, limits: Limits) -> None:
        """Set what each miner may send, those included that are connected."""
        self.budget.bytes_per_s = float(limits.input_bytes_per_s)
        self.budget.burst = float(limits.input_burst_bytes)
        self.budget.lines_per_s = float(limits.input_lines_per_s)

    @property
    def started(self) -> bool:
        """Whether it is listening."""
        return self._server is not None

    async def start(self, host: str, port: int, inherited: socket.socket | None = None) -> tuple[str, int]:
        """Bind and listen, or use ``inherited``; return the address (port 0 asks for any free one).

        Raises:
            OSError: the address cannot be used; the message says which and why.
        """
        loop = asyncio.get_running_loop()
        try:
            where = {"host": host or None, "port": port} if inherited is None else {"sock": inherited}
            self._server = await loop.create_server(
                lambda: _MinerLink(self._accept, self.budget, self._held), backlog=BACKLOG, start_serving=True, **where
            )
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(error.errno, f"miners cannot connect to {host}:{port}: {why}") from error
        for sock in self._server.sockets:
            keep_alive(sock)
        bound = self._server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def stop(self) -> None:
        """Stop listening; open connections stay."""
        for transport in self._held:
            transport.close()
        if self._server is not None:
            self._server.close()
            self._server = None


class _MinerLink(StreamLink):
    """A connection whose handler is chosen when the peer is known."""

    __slots__ = ("_accept", "_held", "_miner")

    def __init__(
        self, accept: Callable[[str], MinerHandler | None], budget: InputBudget, held: set[asyncio.Transport]
    ) -> None:
        super().__init__(None, budget)
        self._accept = accept
        self._held = held
        self._miner: MinerHandler | None = None

    def _find_handler(self) -> LinkHandler | None:
        self._miner = self._accept(self.peer)
        return self._miner

    def _refuse(self, transport: asyncio.Transport) -> None:
        """Close a moment later, without an answer."""
        if len(self._held) >= MAX_HELD:
            transport.close()
            return
        transport.pause_reading()
        self._held.add(transport)
        self._loop.call_later(HOLD_S, self._let_go, transport)

    def _let_go(self, transport: asyncio.Transport) -> None:
        self._held.discard(transport)
        transport.close()

    def _earned_lines(self) -> int:
        return self._miner.earned_lines() if self._miner is not None else 0
