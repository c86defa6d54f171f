"""What shared connections would spare a fleet: connections, and shares that go up. Arithmetic, no simulation."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from proxy.config.snapshot import USUAL_SHARED
from proxy.errors import ConfigError
from proxy.stratum.extranonce import shared_sizes_for

MOST_SHARING = 100_000
LEAST_ROOM, MOST_ROOM = 2, 16
POOL_SHARES_PER_MINUTE = 18.0
"""What the vardiff of many pools aims at on one connection (ckpool's default)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How connections are shared."""

    most_miners: int
    """On one connection."""
    extranonce2: int
    """Bytes that the pool leaves: of several, the fewest."""
    shares_per_minute: float
    """What each miner's difficulty aims at."""

    def __post_init__(self) -> None:
        if not 1 <= self.most_miners <= MOST_SHARING:
            raise ConfigError(f"From 1 to {MOST_SHARING} miners can share a connection.")
        if not LEAST_ROOM <= self.extranonce2 <= MOST_ROOM:
            raise ConfigError(f"Pools leave {LEAST_ROOM} to {MOST_ROOM} bytes for the extranonce2.")

    @property
    def room(self) -> int:
        """Miners that differ in their extranonce1; 0 where the pool leaves too few bytes."""
        prefix, _ = shared_sizes_for([self.extranonce2])
        return 1 << 8 * prefix if prefix else 0


def report(sharing: Sharing, miners: int) -> Iterator[str]:
    """Yield the lines for a fleet of ``miners``, at each of the pools."""
    room = sharing.room
    if not room:
        yield f"shared connections: a pool that leaves {sharing.extranonce2} bytes has no room for two miners on one"
        return
    each = min(sharing.most_miners, room)
    connections = ceil(miners / each)
    alone, together = (count * POOL_SHARES_PER_MINUTE / 60 for count in (miners, connections))
    yield (
        f"shared connections: {connections} to each pool in place of {miners}, with up to {each} miners each "
        f"({room} would differ in their extranonce1)"
    )
    found = miners * sharing.shares_per_minute / 60
    yield (
        f"shares: {found:.1f} a second from the miners; about {together:.1f} a second go up "
        f"while all work on one pool, {alone:.1f} with a connection for each miner"
    )
    if connections > USUAL_SHARED:
        yield f"that is more than the usual limit: set most shared connections of the pool to {connections} or more"
