"""The best shares: each worker's own on each chain, and the top list of each chain, by the hash's true difficulty.

Only shares that the pool accepted count. In the usual case a share costs three dictionary look-ups here.
"""

from bisect import insort_right
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.config.snapshot import ConfigSnapshot, Limits
from proxy.history.new_names import NewNames
from proxy.observe.events import AcceptedShares, BestShare, EventStream, ShareResult
from proxy.ports import Clock
from proxy.types import Chain, PoolKey, Verdict, WorkerName

_GOOD = (Verdict.ACCEPTED, Verdict.WORK)

TOP = 50
"""Length of a chain's top list."""
MAX_OWN = 20_000
"""Workers' own bests in memory; of more names the weakest are forgotten here, not in the database."""
FRESH_KEPT = 4000
"""Records that wait for the writer; a large fleet's first seconds make one with nearly every share."""


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


class _Board:
    """One chain's records."""

    __slots__ = ("floor", "own", "top")

    def __init__(self) -> None:
        self.own: dict[WorkerName, Record] = {}
        self.top: list[Record] = []
        """Best first."""
        self.floor = -1.0
        """True difficulty to exceed for a place in the full top list."""

    def place(self, record: Record) -> None:
        """Put ``record`` into the top list, if it belongs there and is not in it."""
        top = self.top
        if record.true_difficulty <= self.floor:
            return
        if record.header_hash and any(other.header_hash == record.header_hash for other in top):
            return
        insort_right(top, record, key=_rank)
        del top[TOP:]
        if len(top) == TOP:
            self.floor = top[-1].true_difficulty


class Records:
    """Keeps the records and emits ``BestShare`` when a worker beats its own on a chain."""

    def __init__(self, *, clock: Clock, events: EventStream) -> None:
        self._clock = clock
        self._events = events
        self._boards = {chain: _Board() for chain in Chain}
        self._other = self._boards[Chain.OTHER]
        self._chain_of: dict[PoolKey, Chain] = {}
        self._board_of: dict[PoolKey, _Board] = {}
        self._best: dict[WorkerName, Record] = {}
        """The best of a worker's own."""
        self._fresh: list[Record] = []
        self._heard_by: list[dict[WorkerName, None]] = []
        self._limit = Limits().max_workers
        self._new_names = NewNames(self._limit)
        events.subscribe_counting(ShareResult, self._on_share, self._bar)

    def apply(self, config: ConfigSnapshot) -> None:
        """Learn the pools' chains and the limit of names."""
        self._events.settle()
        if config.limits.max_workers != self._limit:
            self._limit = config.limits.max_workers
            self._new_names.apply(self._limit)
        self._chain_of = {key: pool.chain for key, pool in config.pools.items()}
        self._board_of = {key: self._boards[chain] for key, chain in self._chain_of.items()}

    def restore(self, records: Iterable[Record]) -> None:
        """Go on from what earlier runs kept, or learn what other nodes keep."""
        for record in records:
            self._new_names.knows(record.worker)
            board = self._boards[record.chain]
            own = board.own.get(record.worker)
            if own is None or record.true_difficulty > own.true_difficulty:
                board.own[record.worker] = record
                self._note_best(record.worker)
            board.place(record)

    def best_of(self, worker: WorkerName) -> Record | None:
        """A worker's best on any chain."""
        return self._best.get(worker)

    def watch(self, changed: dict[WorkerName, None]) -> None:
        """Put into ``changed``, from now on, every worker whose best is another."""
        self._heard_by.append(changed)

    def take(self) -> list[Record]:
        """Records set since the last call, for the writer."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _on_share(self, share: ShareResult) -> None:
        if share.verdict not in _GOOD or share.pool is None:
            return
        board = self._board_of.get(share.pool, self._other)
        own = board.own.get(share.worker)
        if own is None or share.true_difficulty > own.true_difficulty or share.true_difficulty > board.floor:
            self._record(share, board, own)

    def _bar(self, shares: AcceptedShares) -> float:
        """Above what true difficulty a share of that worker on that pool may be a record."""
        board = self._board_of.get(shares.pool, self._other)
        own = board.own.get(shares.worker)
        return -1.0 if own is None else min(own.true_difficulty, board.floor)

    def _record(self, share: ShareResult, board: _Board, own: Record | None) -> None:
        assert share.pool is not None
        named = own is not None or self._takes(share.worker)
        if not named and share.true_difficulty <= board.floor:
            return
        record = Record(
            worker=share.worker,
            chain=self._chain_of.get(share.pool, Chain.OTHER),
            pool=share.pool,
            true_difficulty=share.true_difficulty,
            at=self._clock.wall(),
            header_hash=share.header_hash,
        )
        board.place(record)
        self._keep(record)
        if named and (own is None or record.true_difficulty > own.true_difficulty):
            self._set_own(record, board, own)

    def _takes(self, worker: WorkerName) -> bool:
        """Whether a new name may have a best share of its own; one for the top list is kept in any case."""
        return self._new_names.stored_as(worker, self._clock.now(), proven=True) == worker

    def _set_own(self, record: Record, board: _Board, before: Record | None) -> None:
        if before is None and sum(len(each.own) for each in self._boards.values()) >= MAX_OWN:
            self._forget_weakest()
        board.own[record.worker] = record
        self._note_best(record.worker)
        self._events.emit(
            BestShare(
                worker=record.worker,
                pool=record.pool,
                chain=record.chain,
                true_difficulty=record.true_difficulty,
                previous=before.true_difficulty if before else 0.0,
            )
        )

    def _forget_weakest(self) -> None:
        self._events.settle()  # whoever is forgotten may have a record with its next share
        weakest = min(
            (record for board in self._boards.values() for record in board.own.values()),
            key=lambda record: record.true_difficulty,
        )
        del self._boards[weakest.chain].own[weakest.worker]
        self._note_best(weakest.worker)

    def _note_best(self, worker: WorkerName) -> None:
        own = [board.own[worker] for board in self._boards.values() if worker in board.own]
        if own:
            self._best[worker] = max(own, key=lambda record: record.true_difficulty)
        else:
            self._best.pop(worker, None)
        for changed in self._heard_by:
            changed[worker] = None

    def _keep(self, record: Record) -> None:
        self._fresh.append(record)
        if len(self._fresh) > FRESH_KEPT:  # nobody takes them: the strongest are enough
            self._fresh.sort(key=_rank)
            del self._fresh[FRESH_KEPT // 2 :]


def _rank(record: Record) -> float:
    return -record.true_difficulty
