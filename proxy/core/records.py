"""The best shares: each worker's own on each chain, and the top list of each chain, by the hash's true difficulty.

Only shares that the pool accepted count. In the usual case a share costs two dictionary look-ups here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.core.config import ConfigSnapshot
from proxy.core.events import BestShare, EventStream, ShareResult
from proxy.core.ports import Clock
from proxy.core.types import Chain, PoolKey, Verdict, WorkerName

TOP = 50
"""Length of a chain's top list."""
MAX_OWN = 20_000
"""Workers' own bests in memory; of more names the weakest are forgotten here, not in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One share worth remembering."""

    worker: WorkerName
    chain: Chain
    pool: PoolKey
    true_difficulty: float
    at: float
    """Unix seconds."""
    header_hash: bytes
    """32 bytes, most significant first; empty if it is not known (imported from elsewhere)."""


class Records:
    """Keeps the records and emits ``BestShare`` when a worker beats its own on a chain."""

    def __init__(self, *, clock: Clock, events: EventStream) -> None:
        self._clock = clock
        self._events = events
        self._chain_of: dict[PoolKey, Chain] = {}
        self._own: dict[tuple[WorkerName, Chain], Record] = {}
        self._top: dict[Chain, list[Record]] = {chain: [] for chain in Chain}
        self._fresh: list[Record] = []
        events.subscribe(ShareResult, self._on_share)

    def apply(self, config: ConfigSnapshot) -> None:
        """Learn the pools' chains."""
        self._chain_of = {key: pool.chain for key, pool in config.pools.items()}

    def restore(self, records: Iterable[Record]) -> None:
        """Go on from what earlier runs kept; call once, before the first share."""
        for record in records:
            own = self._own.get((record.worker, record.chain))
            if own is None or record.true_difficulty > own.true_difficulty:
                self._own[record.worker, record.chain] = record
            self._place(record)

    def own(self, worker: WorkerName, chain: Chain) -> Record | None:
        """A worker's best on a chain."""
        return self._own.get((worker, chain))

    def best_of(self, worker: WorkerName) -> Record | None:
        """A worker's best on any chain."""
        return max((record for chain in Chain if (record := self._own.get((worker, chain))) is not None),
                   key=lambda record: record.true_difficulty, default=None)

    def top(self, chain: Chain) -> Sequence[Record]:
        """A chain's best shares, best first."""
        return tuple(self._top[chain])

    def best(self) -> Record | None:
        """The best share of all time on any chain."""
        return max((top[0] for top in self._top.values() if top), key=lambda record: record.true_difficulty,
                   default=None)

    def take(self) -> list[Record]:
        """Records set since the last call, for the ledger."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _on_share(self, share: ShareResult) -> None:
        if share.verdict is not Verdict.ACCEPTED or share.pool is None:
            return
        chain = self._chain_of.get(share.pool, Chain.OTHER)
        own = self._own.get((share.worker, chain))
        top = self._top[chain]
        beats_own = own is None or share.true_difficulty > own.true_difficulty
        if not beats_own and len(top) >= TOP and share.true_difficulty <= top[-1].true_difficulty:
            return
        record = Record(worker=share.worker, chain=chain, pool=share.pool, true_difficulty=share.true_difficulty,
                        at=self._clock.wall(), header_hash=share.header_hash)
        self._place(record)
        self._keep(record)
        if beats_own:
            self._set_own(record, own)

    def _set_own(self, record: Record, before: Record | None) -> None:
        if before is None and len(self._own) >= MAX_OWN:
            weakest = min(self._own, key=lambda key: self._own[key].true_difficulty)
            del self._own[weakest]
        self._own[record.worker, record.chain] = record
        self._events.emit(BestShare(worker=record.worker, pool=record.pool, chain=record.chain,
                                    true_difficulty=record.true_difficulty,
                                    previous=before.true_difficulty if before else 0.0))

    def _place(self, record: Record) -> None:
        top = self._top[record.chain]
        if record.header_hash and any(other.header_hash == record.header_hash for other in top):
            return
        top.append(record)
        top.sort(key=lambda entry: -entry.true_difficulty)
        del top[TOP:]

    def _keep(self, record: Record) -> None:
        self._fresh.append(record)
        if len(self._fresh) > 4 * TOP:  # nobody takes them: the strongest are enough
            self._fresh.sort(key=lambda entry: -entry.true_difficulty)
            del self._fresh[2 * TOP:]
