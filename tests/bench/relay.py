"""The yardstick: a bare relay of lines on uvloop, one connection to the pool for each miner, nothing looked at.

``python -m tests.bench.relay POOL_PORT`` prints the port it listens on and runs until it is ended.
"""

import asyncio
import sys
from typing import cast

import uvloop

from proxy.net.tasks import spawn
from tests.bench.farm import allow_open_files


class Side(asyncio.Protocol):
    """One end; what comes goes to ``other``, whole lines only, and waits while there is none."""

    def __init__(self) -> None:
        self.other: Side | None = None
        self.transport: asyncio.Transport | None = None
        self._rest = b""
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waited."""
        self.transport = cast(asyncio.Transport, transport)
        for lines in self._early:
            self.transport.write(lines)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Pass lines on."""
        head, newline, tail = (self._rest + data).rpartition(b"\n")
        self._rest = tail
        if newline and self.other is not None:
            self.other.send(head + newline)

    def send(self, lines: bytes) -> None:
        """Write, now or once connected."""
        if self.transport is None:
            self._early.append(lines)
        else:
            self.transport.write(lines)

    def connection_lost(self, error: Exception | None) -> None:
        """Close the other end too."""
        other, self.other = self.other, None
        if other is not None and other.transport is not None:
            other.transport.abort()


class MinerSide(Side):
    """The end that miners connect to."""

    def __init__(self, pool_port: int) -> None:
        super().__init__()
        self._pool_port = pool_port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Dial the pool."""
        super().connection_made(transport)
        pool = self.other = Side()
        pool.other = self
        spawn(asyncio.get_running_loop().create_connection(lambda: pool, "127.0.0.1", self._pool_port), name="dial")


async def relay(pool_port: int) -> None:
    """Run until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: MinerSide(pool_port), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    allow_open_files()
    uvloop.run(relay(int(sys.argv[1])))
