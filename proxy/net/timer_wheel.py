"""Timers whose exact time does not matter, in slots of a quarter of a second: one timer of the loop for all of them.

A miner and its connections to pools wait for a dozen things that seldom come (silence, idle time, a first job). As
timers of the loop these are objects of some hundred bytes each, and each is put in order among thousands.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil
from types import MethodType
from typing import Protocol

from proxy.ports import Timer

SLOT_S = 0.25
COARSE_FROM_S = 5.0
"""What is due sooner is called at its time; what is due later up to a slot after it."""
CALLS_A_TURN = 32
"""So many are called in one turn of the loop, a millisecond or two: hundreds of miners that came within a quarter of a
second are looked at together ever after. The others follow in the next turns, before all that are due later."""
_EARLY_S = 0.002
"""A loop may call that much before the time."""


class ExactTimers(Protocol):
    """Where the one timer runs."""

    def now(self) -> float:
        """Monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` at ``when``."""


class _Call:
    """A call that waits in its slot; a cancelled one stays there, empty.

    Nearly all are bound methods, objects of 64 bytes that a miner has five of: what they are made of is kept instead.
    """

    __slots__ = ("_function", "_owner")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._owner: object = None
        self._function: Callable[..., None] | None = callback
        if isinstance(callback, MethodType):
            self._owner, self._function = callback.__self__, callback.__func__

    def cancel(self) -> None:
        """Let go of the call."""
        self._function = self._owner = None

    def take(self) -> Callable[[], None] | None:
        """What is to be called, once; None where it was cancelled."""
        function, owner = self._function, self._owner
        self.cancel()
        return function if function is None or owner is None else MethodType(function, owner)


class TimerWheel:
    """The coarse timers of one loop. ``on_error`` is given what a call raised; the others go on."""

    def __init__(self, timers: ExactTimers, on_error: Callable[[Exception], None]) -> None:
        self._timers = timers
        self._on_error = on_error
        self._slots: dict[int, list[_Call]] = {}
        self._order: list[int] = []
        self._rest: list[_Call] = []
        """Of the slot that is being called, what has not been yet; the next one last."""
        self._timer: Timer | None = None

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` at ``when`` or up to a slot later."""
        slot, call = ceil(when / SLOT_S), _Call(callback)
        calls = self._slots.get(slot)
        if calls is not None:
            calls.append(call)
            return call
        self._slots[slot] = [call]
        heappush(self._order, slot)
        if self._order[0] == slot and not self._rest:
            self._arm()
        return call

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._rest:
            self._timer = self._timers.call_at(self._timers.now(), self._due)
        elif self._order:
            self._timer = self._timers.call_at(self._order[0] * SLOT_S, self._due)

    def _due(self) -> None:
        self._timer = None
        until, left = self._timers.now() + _EARLY_S, CALLS_A_TURN
        while left and (self._rest or (self._order and self._order[0] * SLOT_S <= until)):
            if not self._rest:
                self._rest = self._slots.pop(heappop(self._order))
                self._rest.reverse()
            callback = self._rest.pop().take()
            if callback is not None:
                left -= 1
                try:
                    callback()
                except Exception as error:
                    self._on_error(error)
        self._arm()
