"""How many miners may be connected, in all and from one address."""

from collections import Counter

from proxy.config.snapshot import Limits


class ConnectionLimits:
    """Counts connections by address."""

    def __init__(self) -> None:
        self._count = 0
        self._by_address: Counter[str] = Counter()

    def reached(self, peer: str, limits: Limits) -> str:
        """Which limit forbids another connection of ``peer`` (``address:port``); "" for none."""
        if self._count >= limits.max_sessions:
            return f"{limits.max_sessions} connections"
        if self._by_address[_address(peer)] >= limits.max_sessions_per_address:
            return f"{limits.max_sessions_per_address} connections from one address"
        return ""

    def add(self, peer: str) -> None:
        """``peer`` is connected."""
        self._count += 1
        self._by_address[_address(peer)] += 1

    def remove(self, peer: str) -> None:
        """``peer`` is connected no more."""
        address = _address(peer)
        self._count -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


def _address(peer: str) -> str:
    return peer.rpartition(":")[0]
