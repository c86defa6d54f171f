"""What attacks are made of: where they go, what they count, connections that send as fast as they can.

Only for proxies of one's own: everything here is aimed at an address that the caller names, and ends by itself.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SOURCE = "127.0.0.66"
"""Whence attacks come on loopback: another host than the honest miners', which are at 127.0.0.1."""
CHUNK_LINES = 200
RETRY_S = 0.05
"""An attacker that was cut off or refused comes back so soon."""

Counts = Counter[str]
Chunk = Callable[[int], bytes]
"""The bytes that are sent as the n-th piece of a flood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The proxy that is attacked; ports of 0 are not open. ``source`` is the address to come from, empty for any."""

    host: str = "127.0.0.1"
    stratum: int = 0
    web: int = 0
    metrics: int = 0
    hashes_per_difficulty: int = 2**32
    source: str = SOURCE


@dataclass(slots=True)
class Connection:
    """An open one; ``counts`` are those of the whole attack."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    counts: Counts
    lines: int = field(default=0)

    async def call(self, method: str, params: list[Any]) -> Any:
        """The result of a call; lines in between are skipped.

        Raises:
            ConnectionError: closed instead.
        """
        self.writer.write(call(method, params, "own"))
        return (await self.until(lambda message: message.get("id") == "own")).get("result")

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is ``wanted``."""
        while line := await self.reader.readline():
            message = json.loads(line)
            if wanted(message):
                return message
        raise ConnectionError("closed")

    async def flood(self, chunk: Chunk, numbers: "itertools.count[int]") -> None:
        """Send pieces as fast as the other side takes them, what comes back is dropped; ends by an error only."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._discard())
            for number in numbers:
                piece = chunk(number)
                self.writer.write(piece)
                await self.writer.drain()
                self.counts["lines"] += piece.count(b"\n")
                await asyncio.sleep(0)

    async def _discard(self) -> None:
        while data := await self.reader.read(1 << 16):
            self.counts["answers"] += data.count(b"\n")
        raise ConnectionError("closed")


def call(method: str, params: list[Any], ident: object = 1) -> bytes:
    """One line."""
    return json.dumps({"id": ident, "method": method, "params": params}).encode() + b"\n"


@asynccontextmanager
async def connected(target: Target, counts: Counts, source: str = "") -> AsyncIterator[Connection]:
    """A connection to the miners' port.

    Raises:
        OSError: refused.
    """
    address = source or target.source
    reader, writer = await asyncio.open_connection(
        target.host, target.stratum, local_addr=(address, 0) if address else None, limit=1 << 20
    )
    counts["connections"] += 1
    try:
        yield Connection(reader, writer, counts)
    finally:
        writer.transport.abort()


async def again_and_again(seconds: float, attempt: Callable[[], Any], counts: Counts) -> None:
    """Make the attempt until the time is over, again whenever it was cut off."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    with suppress(TimeoutError):
        async with asyncio.timeout_at(ends):
            while loop.time() < ends:  # a task group that fails in the moment it is cancelled says only that it failed
                try:
                    await attempt()
                except* (OSError, json.JSONDecodeError, ValueError):
                    counts["cut off"] += 1
                await asyncio.sleep(RETRY_S)


async def http(port: int, head: str, body: bytes = b"", source: str = SOURCE) -> bytes:
    """What the server says to one request, as much as came before it closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    answer = bytearray()
    try:
        writer.write(f"{head}\r\nHost: localhost\r\nConnection: close\r\n".encode())
        writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() if body else b"\r\n")
        with suppress(ConnectionError):
            writer.write(body)
            await writer.drain()
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                answer += data
    finally:
        writer.transport.abort()
    return bytes(answer)


def status_of(answer: bytes) -> str:
    """The status, or that there was none."""
    words = answer.split(maxsplit=2)
    return words[1].decode() if len(words) > 1 else "closed"
