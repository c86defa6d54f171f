"""The writer of history: takes what was counted off the loop into the database, a few seconds at a time.

In between it is in the journal's file (``proxy.history.batch_journal``), which is cheaper than a transaction, so that a
kill costs a second and not the seconds between two writes. Rows of shares, where they are many, are written every half
minute: a worker's shares of that time are one row then.

While the database is locked, full or away, everything waits merged in memory and mining goes on; that is reported once
when it starts and once when it is over.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from math import inf

from django.db import Error as DjangoError
from django.db import connections

from proxy.history import Accounting
from proxy.history.batch import Backlog, Batch
from proxy.history.batch_journal import BatchJournal
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.shared_totals import SharedTotals
from proxy.history.store import write_batch
from proxy.observe.events import DatabaseTrouble, EventStream, NewBlockSeen, PayoutChecked
from proxy.ports import Clock

INTERVAL_S = 3.0
"""Between two writes to the database."""
MANY_ROWS = 200
"""With more rows of shares at once the next are written at the next half minute: each costs 50 us of the processor."""
MANY_ROWS_S = 30.0
JOURNAL_S = 0.5
"""Between two lines of the journal: what a kill can lose, with room for a busy machine below a second."""
RETRY_S = 0.25
WRITTEN_S = 10.0

PeriodicJob = Callable[[], None]
"""Work for the writer's thread after each batch: import of the journal, roll-ups. May raise as ``execute`` may."""


class HistoryWriter:
    """The only writer of history in this process. ``writer`` names this run, never two runs alike.

    ``execute`` writes one batch in a thread and raises ``django.db.Error`` or ``OSError`` when it cannot; a batch
    whose outcome is not known is tried again under the same number and never added twice.
    """

    def __init__(
        self,
        *,
        writer: str,
        clock: Clock,
        events: EventStream,
        accounting: Accounting,
        records: Records | None = None,
        effort: EffortMeter | None = None,
        execute: Callable[[Batch], None] = write_batch,
        jobs: Sequence[PeriodicJob] = (),
        executor: Executor | None = None,
        interval_s: float = INTERVAL_S,
        journal: BatchJournal | None = None,
        journal_s: float = JOURNAL_S,
        shared: SharedTotals | None = None,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._events = events
        self._accounting = accounting
        self._records = records
        self._effort = effort
        self._execute = execute
        self._jobs = tuple(jobs)
        self._owns_executor = executor is None
        self._executor = executor or ThreadPoolExecutor(max_workers=1, thread_name_prefix="history")
        self._interval_s = interval_s
        self._journal = journal
        self._journal_s = journal_s
        self._shared = shared
        self._files = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batch journal")
        self._journal_trouble = ""
        self._books = asyncio.Lock()
        """Held while what was counted moves on: into the journal, the backlog, a batch."""
        self._backlog = Backlog()
        self._inflight: Batch | None = None
        self._number = 0
        self._notes_number = 0
        """Of batches without rows of shares, as of another writer: lines of the journal name the batch of its rows."""
        self._rows_due = -inf
        """When rows of shares are written next."""
        self._waiting_since: float | None = None
        self._trouble = ""
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()
        events.subscribe(NewBlockSeen, self._on_tip)
        events.subscribe(PayoutChecked, self._on_payout)

    @property
    def trouble(self) -> str:
        """Why the database cannot be written; empty while it can."""
        return self._trouble

    @property
    def waiting_rows(self) -> int:
        """Rows of shares that are not in the database yet (those still being counted apart)."""
        return len(self._backlog.rows) + (len(self._inflight.rows) if self._inflight else 0)

    @property
    def lag_s(self) -> float:
        """Age of the oldest thing that waits to be written, seconds."""
        return 0.0 if self._waiting_since is None else self._clock.now() - self._waiting_since

    @property
    def is_written(self) -> bool:
        """Whether the database can be used and has what was counted, but for the last seconds."""
        return not self._trouble and self.lag_s < WRITTEN_S

    async def run(self) -> None:
        """Write every few seconds until ``close``."""
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._interval_s)
            if not self._closing.is_set():
                await self.flush(rows=self._shared is not None or self._clock.now() >= self._rows_due)

    async def keep_journal(self) -> None:
        """Note what was counted in the journal, twice a second, until ``close``; also while the database is slow."""
        while self._journal is not None and not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._journal_s)
            if not self._closing.is_set():
                await self._gather()

    async def flush(self, *, rows: bool = True) -> bool:
        """Write what has been counted, ``rows`` of shares included; False if the database does not take it now."""
        written = 0
        async with self._turn:
            await self._gather()
            while (batch := await self._next(rows=rows)) is not None:
                if not await self._attempt(lambda batch=batch: self._execute(batch)):  # type: ignore[misc]
                    return False
                self._inflight, written = None, written + len(batch.rows)
            async with self._books:
                if rows or not self._backlog:
                    self._waiting_since = self._clock.now() if self._backlog else None
                if not self._backlog:
                    await self._in_journal(lambda journal: journal.clear())
            for job in self._jobs:
                if not await self._attempt(job):
                    return False
            if rows:
                pause_s = MANY_ROWS_S - self._clock.wall() % MANY_ROWS_S if written > MANY_ROWS else 0.0
                self._rows_due = self._clock.now() + pause_s
                if not await self._learn_from_others():
                    return False
            self._recovered()
            return True

    async def _learn_from_others(self) -> bool:
        """Now and then take over what other nodes have counted. The database has all of this run up to here."""
        shared = self._shared
        if shared is None or not shared.is_due() or self._closing.is_set():
            return True
        names = shared.names()
        if not await self._attempt(lambda: shared.read(names)):
            return False
        await self._gather()
        async with self._books:
            shared.hand_over(self._backlog.rows)
        return True

    async def close(self, timeout_s: float = 10.0) -> bool:
        """Stop, and write what is left, trying for up to ``timeout_s``; False if something could not be written."""
        self._closing.set()
        deadline = self._clock.now() + timeout_s
        while not (done := await self.flush()) and self._clock.now() < deadline:  # noqa: ASYNC110 - a pause, no wait
            await asyncio.sleep(RETRY_S)
        async with self._books:
            await self._in_journal(lambda journal: journal.remove() if done else journal.close())
            self._journal = None
            self._files.shutdown(wait=False)
        if self._owns_executor:
            await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
            self._executor.shutdown(wait=False)
        return done

    def _on_tip(self, event: NewBlockSeen) -> None:
        self._backlog.tips.append((self._clock.wall(), event))

    def _on_payout(self, event: PayoutChecked) -> None:
        self._backlog.payouts.append((self._clock.wall(), event))

    async def _gather(self) -> None:
        async with self._books:
            deltas, wall = self._accounting.take(), self._clock.wall()
            records = tuple(self._records.take()) if self._records is not None else ()
            marks = tuple(self._effort.take()) if self._effort is not None else ()
            if deltas or records or marks:
                notes = Batch(
                    writer=self._writer,
                    number=self._number + 1,
                    records=records,
                    marks=marks,
                    last_share_at={(each.worker, each.pool): wall for each in deltas},
                )
                await self._in_journal(lambda journal: journal.append(notes.number, deltas, notes))
            self._backlog.add_deltas(deltas, wall)
            self._backlog.add_records(records)
            self._backlog.marks |= {mark.scope: mark for mark in marks}
            if self._waiting_since is None and self._backlog:
                self._waiting_since = self._clock.now()
            if self._journal is not None and (self._journal_trouble or self._journal.is_full):
                await self._rewrite_journal()

    async def _next(self, *, rows: bool) -> Batch | None:
        async with self._books:
            if self._inflight is None and rows and self._backlog:
                self._number += 1
                self._inflight = self._backlog.take(self._writer, self._number)
                if self._backlog.rows:  # lines under this batch's number are about more than it holds
                    await self._rewrite_journal()
            elif self._inflight is None and self._backlog.has_notes:
                self._notes_number += 1
                self._inflight = self._backlog.take_notes(f"{self._writer} notes", self._notes_number)
            return self._inflight

    # --- The journal -----------------------------------------------------------------------------------------------

    async def _rewrite_journal(self) -> None:
        if self._journal is None:
            return
        waiting = [self._inflight] if self._inflight is not None else []
        if self._inflight is not None and self._inflight.writer != self._writer:  # notes: those may be written twice
            waiting = [replace(self._inflight, writer=self._writer, number=self._number + 1)]
        waiting.append(self._backlog.waiting(self._writer, self._number + 1))
        if await self._in_journal(lambda journal: journal.rewrite(waiting)) and self._journal_trouble:
            self._events.emit(DatabaseTrouble(problem=self._journal_trouble, recovered=True))
            self._journal_trouble = ""

    async def _in_journal(self, work: Callable[[BatchJournal], None]) -> bool:
        """Let a thread do ``work``; a fault is reported once, and mining and the database go on."""
        journal = self._journal
        if journal is None:
            return True
        try:
            await asyncio.get_running_loop().run_in_executor(self._files, work, journal)
        except OSError as error:
            before, self._journal_trouble = self._journal_trouble, f"The batch journal cannot be written: {error}"
            if not before:
                self._events.emit(DatabaseTrouble(problem=self._journal_trouble, recovered=False))
            return False
        return True

    # --- The database ----------------------------------------------------------------------------------------------

    async def _attempt(self, work: PeriodicJob) -> bool:
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except (DjangoError, OSError) as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        before, self._trouble = self._trouble, problem
        if not before:
            self._events.emit(DatabaseTrouble(problem=problem, recovered=False))

    def _recovered(self) -> None:
        if self._trouble:
            self._events.emit(DatabaseTrouble(problem=self._trouble, recovered=True))
            self._trouble = ""
