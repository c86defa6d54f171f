"""The simulator's pool with lines of a test in place of its own, right or wrong: its miners notice a broken rule."""

from typing import Any

import orjson

from proxy.simulator.chain import SimChain
from proxy.simulator.pool import SimPool
from proxy.simulator.pool_session import PoolSession
from proxy.stratum.codec import Request
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


class ScriptedSession(PoolSession):
    """A connection to it."""

    pool: "RuleBreakingPool"

    def _call(self, call: Request) -> None:
        self.pool.calls.append({"id": call.id, "method": call.method, "params": call.params})
        self.pool.something_happened()
        for reply in self.pool.replies.get(call.method, []):
            own = isinstance(reply, dict) and reply.get("id") == "?"
            self.say({**reply, "id": call.id} if own else reply)

    def say(self, message: Any) -> None:
        self.send_line(message if isinstance(message, bytes) else orjson.dumps(message))


class RuleBreakingPool(SimPool):
    """``replies`` maps a method to the lines sent for it; a line with id ``"?"`` gets the call's own."""

    def __init__(self) -> None:
        super().__init__(chain=SimChain())
        self.replies: dict[str, list[Any]] = {
            "mining.configure": [self.ok({"version-rolling": True, "version-rolling.mask": "1fffe000"})],
            "mining.subscribe": [self.ok([[["mining.notify", "s"]], "0a0b", 4])],
            "mining.authorize": [self.ok(True), difficulty(1000000), NOTIFY],
        }
        self.calls: list[dict[str, Any]] = []

    @staticmethod
    def ok(result: Any) -> dict[str, Any]:
        return {"id": "?", "result": result, "error": None}

    def _session(self) -> PoolSession:
        return ScriptedSession(self, 1)

    def push(self, message: Any) -> None:
        """Send to the newest connection; bytes go as they are."""
        session = self.sessions[-1]
        assert isinstance(session, ScriptedSession)
        session.say(message)

    def submits(self) -> list[list[Any]]:
        """Parameters of all submits received."""
        return [call["params"] for call in self.calls if call["method"] == "mining.submit"]

    async def until_submits(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait for at least ``count`` submits."""
        await self.until(lambda _: len(self.submits()) >= count, timeout_s)
