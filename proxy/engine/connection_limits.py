"""Which miners may connect: how many in all and from one address, how fast, and who makes room where it is full.

A connection holds its place for good once its miner has subscribed and authorised. One that has not makes room for a
newcomer: the oldest of the address with the most of them goes. So nobody keeps miners out by connections that never
authorise, and a farm whose miners all come back at once is not hurt as long as others hold more such connections.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from proxy.config.snapshot import Limits
from proxy.sentence import sentence
from proxy.types import SessionId

SURELY_IDLE_S = 3.0
"""A handshake takes less, so connections that are older and not authorised go before any that is younger."""
MOST_COMPARED = 64
"""Addresses that are compared for it, those first whose connections are pending for longest."""
LEAST_CONNECTS = 2_000
"""New connections of an address in a minute where nothing is set, and twice as many as it may have: after a power cut
all miners of a farm come back together, and bfgminer connects twice. Who comes and leaves without end costs 40 us each
time, 90 with a login (a bare engine), and pools are dialled for it at a pace (``dial_pace``)."""
MAX_ADDRESSES = 4_096
"""Addresses whose rate of connections is remembered."""


@lru_cache(maxsize=4)
def limits_for(limits: Limits, capacity: int) -> Limits:
    """``limits`` with what they leave to the machine (0), which has room for ``capacity`` miners; each of those may be
    a worker of its own."""
    most = limits.max_sessions or capacity
    each = limits.max_sessions_per_address or max(1, most // 2)
    return replace(
        limits,
        max_sessions=most,
        max_sessions_per_address=each,
        connects_per_minute=limits.connects_per_minute or max(LEAST_CONNECTS, 2 * each),
        max_workers=max(limits.max_workers, most),
    )


class ConnectionLimits:
    """Counts connections by address. Time is handed in, in seconds."""

    def __init__(self) -> None:
        self._addresses: dict[SessionId, str] = {}
        self._by_address: Counter[str] = Counter()
        self._pending: dict[str, dict[SessionId, float]] = {}
        """By address: the connections that are not authorised, oldest first, and since when they are there."""

    def __contains__(self, session: SessionId) -> bool:
        """Whether ``session`` holds a place."""
        return session in self._addresses

    def has_place_for(self, address: str, limits: Limits) -> bool:
        """Whether ``address`` may have another connection, were it not for all others."""
        return self._by_address[address] < limits.max_sessions_per_address

    def reached(self, address: str, limits: Limits) -> str:
        """Which limit forbids another connection of ``address``; "" for none."""
        if not self.has_place_for(address, limits):
            return sentence(
                '{most} connections from one address ("maximum miners per address" in the proxy settings)',
                most=limits.max_sessions_per_address,
            )
        if len(self._addresses) >= limits.max_sessions:
            return sentence('{most} connections ("maximum miners" in the proxy settings)', most=limits.max_sessions)
        return ""

    def makes_room(self, address: str, limits: Limits, now: float, is_known: Callable[[str], bool]) -> SessionId | None:
        """Which connection is closed for another one of ``address`` where a limit is reached; None: there is none.

        ``is_known``: whether miners of an address have had accepted shares lately. Their connections go last.
        """
        if not self.has_place_for(address, limits):
            return next(iter(self._pending.get(address, ())), None)
        most, chosen = (False, False, 0), None
        for other, pending in islice(self._pending.items(), MOST_COMPARED):
            oldest, since = next(iter(pending.items()))
            rank = (now - since >= SURELY_IDLE_S, not is_known(other), len(pending))
            if rank > most:
                most, chosen = rank, oldest
        return chosen

    def add(self, session: SessionId, address: str, now: float) -> None:
        """``session`` of ``address`` is connected."""
        self._addresses[session] = address
        self._by_address[address] += 1
        self._pending.setdefault(address, {})[session] = now

    def authorized(self, session: SessionId) -> None:
        """Its miner has subscribed and authorised: it keeps its place."""
        address = self._addresses.get(session)
        if address is not None:
            self._no_longer_pending(session, address)

    def remove(self, session: SessionId) -> None:
        """``session`` is connected no more; does nothing the second time."""
        address = self._addresses.pop(session, None)
        if address is None:
            return
        self._no_longer_pending(session, address)
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _no_longer_pending(self, session: SessionId, address: str) -> None:
        pending = self._pending.get(address)
        if pending is not None and pending.pop(session, None) is not None and not pending:
            del self._pending[address]


class ConnectRates:
    """How fast each address opens connections: as many at once as it may open in a minute, then evenly."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, float]] = {}
        """By address, the one that connected last stands last: connections of the last minute, as of when."""

    def admits(self, address: str, per_minute: float, now: float) -> bool:
        """Count a connection of ``address``, unless there are too many."""
        used, at = self._used.pop(address, (0.0, now))
        used = max(0.0, used - (now - at) * per_minute / 60.0)
        admitted = used + 1.0 <= per_minute
        if len(self._used) >= MAX_ADDRESSES:
            del self._used[next(iter(self._used))]
        self._used[address] = (used + admitted, now)
        return admitted
