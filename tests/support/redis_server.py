"""A real redis-server (or valkey-server) for one test: started, stopped and started again on one port."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

SERVER = next((found for name in ("valkey-server", "redis-server") if (found := shutil.which(name))), "")
needs_redis = pytest.mark.skipif(not SERVER, reason="neither redis-server nor valkey-server is installed")


class RedisServer:
    """Keeps nothing. ``url`` is for DPMP_REDIS_URL."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, steady_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it answers."""
        words = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self._folder]
        self._process = subprocess.Popen(
            [SERVER, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process.poll() is None, "the server has ended"
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def stop(self) -> None:
        """End it at once; it forgets everything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
