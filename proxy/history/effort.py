"""Effort: the work done on a pool, or on a chain, since its last block."""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.config.snapshot import ConfigSnapshot
from proxy.history import Accounting
from proxy.observe.events import BlockFound, EventStream
from proxy.ports import Clock
from proxy.types import Chain, PoolKey


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkAtBlock:
    """How much work had been done when the last block was found."""

    scope: str
    """``pool:A`` or ``chain:BTC``."""
    work: float
    at: float
    """Unix seconds."""
    blocks: int
    """So far, this one included."""


class EffortMeter:
    """Remembers the work at each block; what has been done since is the difference to the pools' totals."""

    def __init__(self, *, clock: Clock, events: EventStream, accounting: Accounting) -> None:
        self._clock = clock
        self._accounting = accounting
        self._marks: dict[str, WorkAtBlock] = {}
        self._fresh: dict[str, WorkAtBlock] = {}
        self._chain_of: dict[PoolKey, Chain] = {}
        events.subscribe(BlockFound, self._on_block)

    def apply(self, config: ConfigSnapshot) -> None:
        """Learn the pools' chains; pools that went keep theirs."""
        self._chain_of |= {key: pool.chain for key, pool in config.pools.items()}

    def restore(self, marks: Iterable[WorkAtBlock]) -> None:
        """Go on from earlier runs; call once, after ``Accounting.restore``."""
        self._marks = {mark.scope: mark for mark in marks}

    def refresh(self, marks: Iterable[WorkAtBlock]) -> None:
        """Learn of blocks that other nodes found."""
        for mark in marks:
            known = self._marks.get(mark.scope)
            if known is None or (mark.at > known.at and mark.scope not in self._fresh):
                self._marks[mark.scope] = mark

    def since_block(self, pool: PoolKey) -> float:
        """Work (a sum of difficulties) on a pool since its last block, or ever."""
        mark, work = self._marks.get(f"pool:{pool}"), self._pool_work(pool)
        return max(work - mark.work, 0.0) if mark else work

    def take(self) -> list[WorkAtBlock]:
        """Marks set since the last call, for the writer."""
        fresh, self._fresh = self._fresh, {}
        return list(fresh.values())

    def _on_block(self, event: BlockFound) -> None:
        if event.accepted:
            self._set(f"pool:{event.pool}", self._pool_work(event.pool))
            self._set(f"chain:{event.chain}", self._chain_work(event.chain))

    def _set(self, scope: str, work: float) -> None:
        before = self._marks.get(scope)
        mark = WorkAtBlock(scope=scope, work=work, at=self._clock.wall(), blocks=before.blocks + 1 if before else 1)
        self._marks[scope] = self._fresh[scope] = mark

    def _pool_work(self, pool: PoolKey) -> float:
        return self._accounting.pool_work_sum(pool)

    def _chain_work(self, chain: Chain) -> float:
        return sum(
            work.sum
            for pool, work in self._accounting.pool_work_total().items()
            if self._chain_of.get(pool, Chain.OTHER) is chain
        )
