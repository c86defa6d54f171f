"""Which pools' miners share connections now, and what tells the miners of a shared connection apart."""

from collections.abc import Iterator, Mapping
from itertools import count

from proxy.config.snapshot import Connections
from proxy.engine.pool import UpstreamPool
from proxy.engine.prefixes import Prefixes
from proxy.engine.shared_connections import FIRST_JOB_ID, SharedConnections
from proxy.stratum.extranonce import MinerExtranonce, shared_sizes_for, sizes_for
from proxy.stratum.firmware import Profile
from proxy.types import JobId, PoolKey, SessionId

OWN_AGAIN = 0.8
"""Automatic: connections are shared no more once there are so few of the number from which on they are."""


class Sharing:
    """The engine's, over all pools."""

    def __init__(self, pools: Mapping[PoolKey, UpstreamPool], *, first_extranonce: int) -> None:
        self.connections: dict[PoolKey, SharedConnections] = {}
        """Each pool's; empty where each miner has a connection of its own."""
        self._pools = pools
        self._shared: set[PoolKey] = set()
        self._extranonces = count(first_extranonce)
        self._prefixes: dict[int, Prefixes] = {}
        """By length: extranonce1 of miners that may come to share connections."""
        self._prefix_of: dict[SessionId, bytes] = {}
        self._nameless: dict[Profile, set[SessionId]] = {}
        """Miners with an empty extranonce1, by their firmware: nothing tells them apart on a shared connection."""
        self._ids = count(1)
        self._job_ids = count(FIRST_JOB_ID)

    def __contains__(self, key: PoolKey) -> bool:
        """Whether miners of that pool share connections now."""
        return key in self._shared

    def add(self, connections: SharedConnections) -> None:
        """A pool was added."""
        config = connections.pool.config
        self.connections[config.key] = connections
        if config.connections is Connections.SHARED:
            self._shared.add(config.key)

    def remove(self, key: PoolKey) -> SharedConnections:
        """A pool was removed; its connections are still to be closed."""
        self._shared.discard(key)
        return self.connections.pop(key)

    def update(self, miners: int) -> list[PoolKey]:
        """See whether the ``miners`` of a pool are to share connections, or no more; returns for which that changed."""
        changed = []
        for key, pool in self._pools.items():
            match pool.config.connections:
                case Connections.OWN:
                    shares = False
                case Connections.SHARED:
                    shares = True
                case Connections.AUTOMATIC:
                    limit = float(pool.config.own_up_to)
                    shares = miners > (OWN_AGAIN * limit if key in self._shared else limit)
            if shares is not (key in self._shared):
                (self._shared.add if shares else self._shared.discard)(key)
                changed.append(key)
        return changed

    # --- What tells miners apart ----------------------------------------------------------------------------------

    def next_id(self) -> SessionId:
        """An id for a shared connection: below 0, so that no session has it."""
        return SessionId(-next(self._ids))

    def next_job_id(self) -> JobId:
        """An id for a job of a shared connection."""
        return JobId(f"{next(self._job_ids):x}")

    def extranonce_for(self, session: SessionId, profile: Profile) -> MinerExtranonce:
        """An extranonce that fits all pools the miner may be sent to, as far as their sizes are known."""
        length, size = self.sizes(profile)
        if length and self._may_share:
            prefixes = self._prefixes.get(length)
            if prefixes is None:
                prefixes = self._prefixes[length] = Prefixes(length, next(self._extranonces))
            prefix = self._prefix_of[session] = prefixes.take()
            return MinerExtranonce(prefix, size)
        if not length:
            self._nameless.setdefault(profile, set()).add(session)
        number = next(self._extranonces) % (1 << 8 * length) if length else 0
        return MinerExtranonce(number.to_bytes(length, "big"), size)

    def left(self, session: SessionId) -> None:
        """The miner is gone; another may have its prefix."""
        prefix = self._prefix_of.pop(session, None)
        if prefix is not None:
            self._prefixes[len(prefix)].give_back(prefix)
        for nameless in self._nameless.values():
            nameless.discard(session)

    def apart(self) -> Iterator[SessionId]:
        """The miners that cannot share connections, but could if they connected anew."""
        for profile, nameless in self._nameless.items():
            if nameless and self._may_share and self.sizes(profile)[0]:
                yield from nameless

    def sizes(self, profile: Profile) -> tuple[int, int]:
        """Bytes of a miner's extranonce1 and extranonce2, as it would get them now."""
        sizes = [pool.extranonce2_size for pool in self._pools.values() if pool.usable] or [None]
        least, even = profile.least_extranonce2, profile.even_extranonce2
        if self._may_share and (shared_sizes := shared_sizes_for(sizes, least=least, even=even)) != (0, 0):
            return shared_sizes
        return sizes_for(
            sizes,
            needs_extranonce1=profile.needs_extranonce1,
            even=even,
            wants_extranonce1=not profile.accepts_empty_extranonce1,
            least=least,
        )

    @property
    def _may_share(self) -> bool:
        return any(pool.config.may_share for pool in self._pools.values() if pool.usable)
