"""One miner's links to its pools: which there are, which is to take another's place, which are on their way out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from proxy.engine.jobs import MinerLink
from proxy.engine.pool_link import PoolLink
from proxy.engine.session_part import SessionPart
from proxy.types import PoolKey

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session

OTHERWISE = "connected in another way"


class PoolLinks(SessionPart):
    """One session's."""

    __slots__ = ("_engine", "_incoming", "_leaving", "_used", "by_pool", "wanted")

    def __init__(self, session: "Session", engine: "Engine") -> None:
        super().__init__(session)
        self.by_pool: dict[PoolKey, MinerLink] = {}
        self.wanted: frozenset[PoolKey] = frozenset()
        """Pools that are to be kept warm."""
        self._engine = engine
        self._used: MinerLink | None = None
        """Where the miner worked last."""
        self._incoming: dict[PoolKey, MinerLink] | None = None
        """Take the place of links at their first job: the pool connects miners in another way by now."""
        self._leaving: tuple[PoolLink, ...] = ()
        """Whose place was taken, while shares of theirs may be open."""

    @property
    def open_submits(self) -> int:
        """Shares without a verdict yet on connections of its own."""
        return sum(link.open_submits for link in (*_own(self.by_pool), *self._leaving))

    def own(self) -> Iterator[PoolLink]:
        """Those with a connection that is the miner's alone."""
        return _own(self.by_pool)

    def use(self, link: MinerLink) -> None:
        """The miner works through ``link`` from now on."""
        before, self._used = self._used, link
        if before is not None and before is not link:
            before.stop_work()

    # --- What is wanted -------------------------------------------------------------------------------------------

    def open(self, pools: frozenset[PoolKey]) -> None:
        """Have a ready connection to each of ``pools``, from now on to no others."""
        self.wanted = pools
        for key in pools:
            link = self.by_pool.get(key)
            if link is None:
                link = self.by_pool[key] = self._engine.new_link(self._session, key)
                if isinstance(link, PoolLink):
                    link.trace(self._session.downstream.traced)
            link.open()

    def drain_others(self, current: PoolKey | None) -> None:
        """Let go of those that are not wanted, but for the one in use."""
        for key, link in self.by_pool.items():
            if key not in self.wanted and key != current:
                link.drain()
                self.drop_incoming(key, "not wanted")

    def drain_unwanted(self, key: PoolKey) -> None:
        """The miner has left a pool: let go of it, if it is not wanted."""
        if key not in self.wanted and key in self.by_pool:
            self.by_pool[key].drain()

    def remove(self, key: PoolKey, why: str) -> MinerLink | None:
        """Forget the link to a pool; it is still to be closed."""
        self.drop_incoming(key, why)
        return self.by_pool.pop(key, None)

    def finish(self, reason: str) -> None:
        """The miner is gone."""
        for link in (*self.by_pool.values(), *(self._incoming or {}).values()):
            link.finish(reason)

    def detach(self) -> None:
        """The miner is gone, and so are they; those with open shares are kept by their connections."""
        super().detach()
        self.by_pool.clear()
        self._used, self._incoming, self._leaving = None, None, ()

    # --- Connections of its own -----------------------------------------------------------------------------------

    def pool_gone(self, key: PoolKey, reason: str) -> None:
        """The pool is down."""
        for link in self._own_to(key):
            link.pool_gone(reason)

    def pool_back(self, key: PoolKey) -> None:
        """The pool may be dialled again."""
        for link in self._own_to(key):
            link.pool_back()

    def trace(self, on: bool) -> None:
        """Let the raw traffic with its pools be heard, or no more; that of others on a shared connection never is."""
        for link in _own(self.by_pool):
            link.trace(on)

    def _own_to(self, key: PoolKey) -> list[PoolLink]:
        found = (links.get(key) for links in (self.by_pool, self._incoming) if links)
        return [link for link in found if isinstance(link, PoolLink)]

    # --- Another way to the same pool -----------------------------------------------------------------------------

    def relink(self, key: PoolKey) -> None:
        """Connect to a pool in the way that holds by now, without a gap: the old link stays until the new one has a
        job, and its open shares get their verdicts."""
        old = self.by_pool.get(key)
        if old is None:
            return
        new = self._engine.new_link(self._session, key)
        self.drop_incoming(key, OTHERWISE)
        if old.is_current and old.is_shared is new.is_shared:
            return
        self._incoming = {**(self._incoming or {}), key: new}
        if key in self.wanted or key == self._session.current:
            new.open()

    def take_over(self, link: MinerLink) -> bool:
        """``link`` has a job: it takes the place of the old one, if it was to; whether it did."""
        key = link.pool.key
        if self._incoming is None or self._incoming.get(key) is not link:
            return False
        del self._incoming[key]
        old, self.by_pool[key] = self.by_pool[key], link
        self._session.facts_changed()
        if self._used is old:
            old.stop_work()
        old.retire(OTHERWISE)
        self._leaving = tuple(each for each in self._leaving if each.connections)
        if isinstance(old, PoolLink):
            self._leaving += (old,)
        return True

    def drop_incoming(self, key: PoolKey, why: str) -> None:
        """Do without a link that was to take another's place."""
        link = self._incoming.pop(key, None) if self._incoming else None
        if link is not None:
            link.close(why)


def _own(links: dict[PoolKey, MinerLink]) -> Iterator[PoolLink]:
    return (link for link in links.values() if isinstance(link, PoolLink))
