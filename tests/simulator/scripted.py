"""A pool on a socket that says exactly what a test tells it to, right or wrong: it tests the simulated miners.

It differs in kind from the two other pools. The one in memory (``tests/support/world.py``) is without sockets, on the
virtual clock; the simulator's obeys Stratum, and so cannot show that its miners notice who does not.
"""

import asyncio
import json
from typing import Any

from proxy.simulator.waiting import Watchers
from tests.support.patience import PATIENCE_S

NOTIFY = {
    "id": None,
    "method": "mining.notify",
    "params": ["1", "00" * 32, "01" * 42, "02" * 40, [], "20000000", "1d00ffff", "6b02d404", True],
}


def difficulty(value: Any) -> dict[str, Any]:
    return {"id": None, "method": "mining.set_difficulty", "params": [value]}


def notify(job_id: str = "1", clean: bool = True) -> dict[str, Any]:
    return {**NOTIFY, "params": [job_id, *NOTIFY["params"][1:8], clean]}


class ScriptedServer:
    """``replies`` maps a method to the lines sent for it; a line with id ``"?"`` gets the call's own."""

    def __init__(self) -> None:
        self.port = 0
        self.replies: dict[str, list[Any]] = {
            "mining.configure": [self.ok({"version-rolling": True, "version-rolling.mask": "1fffe000"})],
            "mining.subscribe": [self.ok([[["mining.notify", "s"]], "0a0b", 4])],
            "mining.authorize": [self.ok(True), difficulty(1000000), NOTIFY],
        }
        self.calls: list[dict[str, Any]] = []
        self._watchers = Watchers()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @staticmethod
    def ok(result: Any) -> dict[str, Any]:
        return {"id": "?", "result": result, "error": None}

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    def push(self, message: Any) -> None:
        """Send to the newest connection; bytes go as they are."""
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._writers[-1].write(line + b"\n")

    def drop(self) -> None:
        """Cut the newest connection off."""
        self._writers[-1].transport.abort()

    def submits(self) -> list[list[Any]]:
        """Parameters of all submits received."""
        return [call["params"] for call in self.calls if call["method"] == "mining.submit"]

    async def until_submits(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait for at least ``count`` submits."""
        await self._watchers.until(lambda: len(self.submits()) >= count, timeout_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while line := await reader.readline():
                call = json.loads(line)
                self.calls.append(call)
                self._watchers.look()
                for reply in self.replies.get(call["method"], []):
                    own = isinstance(reply, dict) and reply.get("id") == "?"
                    self.push({**reply, "id": call["id"]} if own else reply)
        except ConnectionError:
            pass
        finally:
            writer.close()
