"""Calls that wait for their answer, matched by id and the id's type as strict firmware does."""

import asyncio
import time
from collections import deque

from proxy.simulator.strictness import BrokenRule, Rule
from proxy.simulator.work import FoundShare
from proxy.stratum.codec import JsonId, Response

Key = tuple[str, str]


def key_of(ident: JsonId) -> Key:
    """``1`` and ``"1"`` differ, and so do ``0`` and null."""
    return type(ident).__name__, str(ident)


class PendingCall:
    """One call; ``share`` for a submit of the miner's own."""

    __slots__ = ("_key", "_watch", "method", "params", "sent_at", "share")

    def __init__(self, ident: JsonId, method: str, params: list[object], share: FoundShare | None) -> None:
        self._key = key_of(ident)
        self._watch: asyncio.Future[Response] | None = None
        self.method = method
        self.params = params
        self.share = share
        self.sent_at = time.monotonic()

    def answers_to(self, ident: JsonId) -> bool:
        return self._key == key_of(ident)

    def watch(self) -> "asyncio.Future[Response]":
        """A future for the answer; ``ConnectionError`` when the connection ends first."""
        self._watch = self._watch or asyncio.get_running_loop().create_future()
        return self._watch

    def resolve(self, response: Response) -> None:
        if self._watch is not None and not self._watch.done():
            self._watch.set_result(response)

    def fail(self) -> None:
        if self._watch is not None and not self._watch.done():
            self._watch.set_exception(ConnectionError(f"connection ended before the answer to {self.method}"))


class PendingCalls:
    """The calls of one connection. Firmware that uses one id for all gets its answers in order."""

    def __init__(self) -> None:
        self._waiting: dict[Key, deque[PendingCall]] = {}
        self._used: set[Key] = set()

    def add(self, ident: JsonId, method: str, params: list[object], share: FoundShare | None) -> PendingCall:
        entry = PendingCall(ident, method, params, share)
        key = key_of(ident)
        self._used.add(key)
        self._waiting.setdefault(key, deque()).append(entry)
        return entry

    def take(self, ident: JsonId) -> PendingCall:
        """The oldest call with this id.

        Raises:
            BrokenRule: nothing was asked under it, it has its answer already, or its type was changed.
        """
        key = key_of(ident)
        queue = self._waiting.get(key)
        if queue:
            entry = queue.popleft()
            if not queue:
                del self._waiting[key]
            return entry
        if key in self._used:
            raise BrokenRule(Rule.ANSWERED_TWICE, f"id {ident!r}")
        if any(key[1] == used[1] for used in self._used):
            raise BrokenRule(Rule.ID_TYPE, f"id {ident!r} came back as {key[0]}")
        raise BrokenRule(Rule.UNASKED_ANSWER, f"id {ident!r}")

    def waiting(self, method: str) -> list[PendingCall]:
        """Calls of ``method`` without an answer."""
        return [entry for queue in self._waiting.values() for entry in queue if entry.method == method]

    def abandon(self) -> list[PendingCall]:
        """The connection ended: fail all watchers, return the submits that have no answer."""
        submits = self.waiting("mining.submit")
        for queue in self._waiting.values():
            for entry in queue:
                entry.fail()
        self._waiting.clear()
        return submits
