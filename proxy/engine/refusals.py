"""Reports connections that were closed at once: an address's first one immediately, then once a minute."""

from collections.abc import Callable

from proxy.observe.events import EventStream, MinerRefused
from proxy.ports import Clock, Timer

PAUSE_S = 60.0
REPORTED_FOR_S = 3_600.0
MAX_ADDRESSES = 256
"""Addresses reported one by one at a time; any further ones are reported together."""
OTHERS = "many addresses"


class Refusals:
    """Emits ``MinerRefused``; what several connections of an address have in common is one event."""

    def __init__(self, clock: Clock, events: EventStream) -> None:
        self._clock = clock
        self._emit: Callable[[MinerRefused], None] = events.emit
        self._waiting: dict[str, tuple[str, str, int, str]] = {}
        """By address: peer, limit and number of the connections that were not reported yet, and their listener."""
        self._timer: Timer | None = None

    def add(self, address: str, peer: str, limit: str, listener: str = "") -> None:
        """A connection of ``peer`` was closed at once for ``limit``."""
        known = self._waiting.get(address)
        if known is None and len(self._waiting) >= MAX_ADDRESSES:
            address, known = OTHERS, self._waiting.get(OTHERS, ("", "", 0, ""))
        if known is None:
            self._waiting[address] = (peer, limit, 0, listener)
            self._emit(MinerRefused(peer=peer, limit=limit, connections=1, listener=listener))
        else:
            self._waiting[address] = (peer if address != OTHERS else OTHERS, limit, known[2] + 1, listener)
        if self._timer is None:
            self._timer = self._clock.call_at(self._clock.now() + PAUSE_S, self._report)

    def _report(self) -> None:
        self._timer = None
        waiting = [entry for entry in self._waiting.values() if entry[2]]
        self._waiting.clear()
        for peer, limit, connections, listener in waiting:
            self._emit(MinerRefused(peer=peer, limit=limit, connections=connections, listener=listener))

    def close(self) -> None:
        """Report what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._report()


class ReportedProtocols:
    """Which addresses were reported for speaking another protocol: a miner tries again every few seconds."""

    def __init__(self) -> None:
        self._reported: dict[tuple[str, str], float] = {}

    def is_new(self, address: str, protocol: str, now: float) -> bool:
        """Whether ``protocol`` of ``address`` was not reported in the last hour; it is, from now on."""
        at = self._reported.get((address, protocol))
        if at is not None and now < at + REPORTED_FOR_S:
            return False
        if len(self._reported) >= MAX_ADDRESSES:
            del self._reported[next(iter(self._reported))]
        self._reported[address, protocol] = now
        return True
