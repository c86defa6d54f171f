"""The listening socket for miners."""

import asyncio
import os
from collections.abc import Callable

from proxy.net.transport import InputBudget, StreamLink, keep_alive
from proxy.ports import LinkHandler

BACKLOG = 1024
MINER_BUDGET = InputBudget()
"""A busy miner sends a few hundred bytes a second; an aggregating proxy with 150 shares a second still fits."""


class StratumListener:
    """Accepts miners; ``accept(peer)`` returns the handler of a connection, None to refuse it."""

    def __init__(self, accept: Callable[[str], LinkHandler | None]) -> None:
        self._accept = accept
        self._server: asyncio.Server | None = None

    @property
    def started(self) -> bool:
        """Whether it is listening."""
        return self._server is not None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Bind and listen; return the address (port 0 asks for any free one).

        Raises:
            OSError: the address cannot be used; the message says which and why.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _MinerLink(self._accept), host or None, port, backlog=BACKLOG, start_serving=True
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
        if self._server is not None:
            self._server.close()
            self._server = None


class _MinerLink(StreamLink):
    """A connection whose handler is chosen when the peer is known."""

    __slots__ = ("_accept",)

    def __init__(self, accept: Callable[[str], LinkHandler | None]) -> None:
        super().__init__(None, MINER_BUDGET)
        self._accept = accept

    def _find_handler(self) -> LinkHandler | None:
        return self._accept(self.peer)
