"""What the writer writes in one transaction, and how much of it waits: bounded, however long the database is away."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from proxy.history import Counts, ShareDelta
from proxy.history.effort import WorkAtBlock
from proxy.history.records import Record
from proxy.observe.events import NewBlockSeen, PayoutChecked
from proxy.types import PoolKey, WorkerName

STEPS_S = (60, 600, 3600, 86400)
MAX_ROWS = 40_000
"""Rows of shares that wait; beyond it minutes are merged into 10 minutes, then hours, then days."""
BATCH_ROWS = 10_000
"""Rows of shares in one transaction, so that it stays short: a quarter of a second."""
MAX_NOTES = 2_000
"""Tips and payouts that wait; the oldest are forgotten first."""

RowKey = tuple[int, int, WorkerName, PoolKey]
"""Step, start, worker, pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One transaction. Writing it twice is harmless: ``number`` grows by one with each batch of a ``writer``."""

    writer: str
    number: int
    rows: dict[RowKey, Counts] = field(default_factory=dict)
    last_share_at: dict[tuple[WorkerName, PoolKey], float] = field(default_factory=dict)
    """Unix seconds."""
    records: tuple[Record, ...] = ()
    marks: tuple[WorkAtBlock, ...] = ()
    tips: tuple[tuple[float, NewBlockSeen], ...] = ()
    """When it was seen, unix seconds, and what."""
    payouts: tuple[tuple[float, PayoutChecked], ...] = ()


class Backlog:
    """Everything that has been counted and is not in the database yet."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._step = 0
        self.rows: dict[RowKey, Counts] = {}
        self.last_share_at: dict[tuple[WorkerName, PoolKey], float] = {}
        self.records: list[Record] = []
        self.marks: dict[str, WorkAtBlock] = {}
        self.tips: deque[tuple[float, NewBlockSeen]] = deque(maxlen=MAX_NOTES)
        self.payouts: deque[tuple[float, PayoutChecked]] = deque(maxlen=MAX_NOTES)

    def __bool__(self) -> bool:
        return bool(self.rows) or self.has_notes

    @property
    def has_notes(self) -> bool:
        """Whether anything but rows of shares waits."""
        return bool(self.records or self.marks or self.tips or self.payouts)

    def add_deltas(self, deltas: Iterable[ShareDelta], wall: float) -> None:
        """Merge what was counted; rows of the same time, worker and pool become one."""
        for delta in deltas:
            self._merge(STEPS_S[self._step], delta.minute, delta.worker, delta.pool, delta.counts)
            self.last_share_at[delta.worker, delta.pool] = wall
        while len(self.rows) > self._max_rows and self._step < len(STEPS_S) - 1:
            self._coarsen()

    def add_records(self, records: Iterable[Record]) -> None:
        """Keep records; of very many the strongest."""
        self.records += records
        if len(self.records) > MAX_NOTES:
            self.records.sort(key=lambda record: -record.true_difficulty)
            del self.records[MAX_NOTES // 2 :]

    def take(self, writer: str, number: int) -> Batch:
        """Move up to ``BATCH_ROWS`` rows and all the rest into a batch."""
        keys = list(self.rows)[:BATCH_ROWS]
        rows = {key: self.rows.pop(key) for key in keys}
        last_share_at = {key[2:]: self.last_share_at[key[2:]] for key in keys}
        batch = replace(self.take_notes(writer, number), rows=rows, last_share_at=last_share_at)
        if not self.rows:
            self.last_share_at.clear()
            self._step = 0
        return batch

    def take_notes(self, writer: str, number: int) -> Batch:
        """Move all but the rows into a batch."""
        batch = Batch(
            writer=writer,
            number=number,
            records=tuple(self.records),
            marks=tuple(self.marks.values()),
            tips=tuple(self.tips),
            payouts=tuple(self.payouts),
        )
        self.records.clear()
        self.marks.clear()
        self.tips.clear()
        self.payouts.clear()
        return batch

    def waiting(self, writer: str, number: int) -> Batch:
        """All that waits but tips and payouts, as a batch of its own; nothing is taken."""
        return Batch(
            writer=writer,
            number=number,
            rows=self.rows,
            records=tuple(self.records),
            marks=tuple(self.marks.values()),
            last_share_at=self.last_share_at,
        )

    def _coarsen(self) -> None:
        self._step += 1
        step = STEPS_S[self._step]
        rows, self.rows = self.rows, {}
        for (_, start, worker, pool), counts in rows.items():
            self._merge(step, start, worker, pool, counts)

    def _merge(self, step: int, start: int, worker: WorkerName, pool: PoolKey, counts: Counts) -> None:
        key = (step, start - start % step, worker, pool)
        row = self.rows.get(key)
        if row is None:
            self.rows[key] = counts
        else:
            row.add(counts)
