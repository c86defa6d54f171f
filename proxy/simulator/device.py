"""A miner as it sees itself, and the server that its API is: AxeOS's in ``axeos_api``, cgminer's in ``cgminer_api``."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_REQUEST = 16_384
REQUEST_S = 5.0


@dataclass(slots=True)
class SimDevice:
    """A miner's own view of itself; its figures may be changed while it runs."""

    model: str = "BM1370"
    host: str = "127.0.0.1"
    """Of the pool that it mines on."""
    port: int = 3351
    user: str = "demo.worker"
    watts: float = 15.0
    celsius: float = 58.0
    rpm: int = 4200
    frequency: float = 525.0
    hashrate: Callable[[], float] = lambda: 1.2e12
    """H/s now."""
    privileged: bool = True
    """Whether cgminer's API lets anybody change something."""
    moved: Callable[[str, int], None] = lambda host, port: None
    """Called when it is to mine elsewhere."""
    pools: list[tuple[str, str]] = field(default_factory=list)
    """cgminer's further pools: URL and user; number 0 is the one that it began with."""
    used: int = 0
    asked: int = 0
    started: float = field(default_factory=time.monotonic)

    def uptime(self) -> int:
        """Seconds since it was made."""
        return int(time.monotonic() - self.started)

    def move(self, url: str) -> None:
        """Mine at ``stratum+tcp://host:port``."""
        host, _, port = url.rpartition("//")[2].rpartition(":")
        self.moved(host, int(port))


class DeviceApi:
    """A server with one request a connection; ``answer`` is its protocol."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port. Raises ``OSError``: it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_REQUEST)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        """Read a request and return what is sent back. Raises ``ValueError``, ``KeyError`` or ``TypeError``: it is
        none, and the connection is closed."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                writer.write(await self.answer(reader))
                await writer.drain()
        except (OSError, ValueError, KeyError, TypeError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
