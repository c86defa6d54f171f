"""The ledger's writer: takes what was counted off the loop into the database, a few seconds at a time.

While the database is locked, full or away, everything waits merged in memory and mining goes on; people are told once
when it starts and once when it is over.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

from django.db import Error as DjangoError
from django.db import connections

from proxy.core.accounting import Accounting
from proxy.core.effort import EffortMeter
from proxy.core.events import DatabaseTrouble, EventStream, NewBlockSeen, PayoutChecked
from proxy.core.ports import Clock
from proxy.core.records import Records
from proxy.sinks.ledger_batch import Backlog, Batch
from proxy.sinks.ledger_store import write_batch

INTERVAL_S = 3.0
"""With the time that a write takes this keeps what a kill can lose below 5 s."""
RETRY_S = 0.25

Chore = Callable[[], None]
"""Work for the writer's thread after each batch: import of the journal, roll-ups. May raise as ``execute`` may."""


class LedgerWriter:
    """The only writer of history in this process. ``writer`` names this run, never two runs alike.

    ``execute`` writes one batch in a thread and raises ``django.db.Error`` or ``OSError`` when it can not; a batch
    whose outcome is not known is tried again under the same number and never added twice.
    """

    def __init__(self, *, writer: str, clock: Clock, events: EventStream, accounting: Accounting,
                 records: Records | None = None, effort: EffortMeter | None = None,
                 execute: Callable[[Batch], None] = write_batch, chores: Sequence[Chore] = (),
                 executor: Executor | None = None, interval_s: float = INTERVAL_S) -> None:
        self._writer = writer
        self._clock = clock
        self._events = events
        self._accounting = accounting
        self._records = records
        self._effort = effort
        self._execute = execute
        self._chores = tuple(chores)
        self._owns_executor = executor is None
        self._executor = executor or ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._interval_s = interval_s
        self._backlog = Backlog()
        self._inflight: Batch | None = None
        self._number = 0
        self._waiting_since: float | None = None
        self._trouble = ""
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()
        events.subscribe(NewBlockSeen, self._on_tip)
        events.subscribe(PayoutChecked, self._on_payout)

    @property
    def trouble(self) -> str:
        """Why the database can not be written; empty while it can."""
        return self._trouble

    @property
    def waiting_rows(self) -> int:
        """Rows of shares that are not in the database yet (those still being counted apart)."""
        return len(self._backlog.rows) + (len(self._inflight.rows) if self._inflight else 0)

    @property
    def lag_s(self) -> float:
        """Age of the oldest thing that waits to be written, seconds."""
        return 0.0 if self._waiting_since is None else self._clock.now() - self._waiting_since

    async def run(self) -> None:
        """Write every few seconds until ``close``."""
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._interval_s)
            if not self._closing.is_set():
                await self.flush()

    async def flush(self) -> bool:
        """Write everything that has been counted; False if the database does not take it now."""
        async with self._turn:
            self._gather()
            while (batch := self._next()) is not None:
                if not await self._attempt(lambda batch=batch: self._execute(batch)):  # type: ignore[misc]
                    return False
                self._inflight = None
            self._waiting_since = None
            for chore in self._chores:
                if not await self._attempt(chore):
                    return False
            self._recovered()
            return True

    async def close(self, timeout_s: float = 10.0) -> bool:
        """Stop, and write what is left, trying for up to ``timeout_s``; False if something could not be written."""
        self._closing.set()
        deadline = self._clock.now() + timeout_s
        while not (done := await self.flush()) and self._clock.now() < deadline:  # noqa: ASYNC110 - a pause, no wait
            await asyncio.sleep(RETRY_S)
        if self._owns_executor:
            await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
            self._executor.shutdown(wait=False)
        return done

    def _on_tip(self, event: NewBlockSeen) -> None:
        self._backlog.tips.append((self._clock.wall(), event))

    def _on_payout(self, event: PayoutChecked) -> None:
        self._backlog.payouts.append((self._clock.wall(), event))

    def _gather(self) -> None:
        self._backlog.add_slices(self._accounting.take(), self._clock.wall())
        if self._records is not None:
            self._backlog.add_records(self._records.take())
        if self._effort is not None:
            self._backlog.marks |= {mark.scope: mark for mark in self._effort.take()}
        if self._waiting_since is None and self._backlog:
            self._waiting_since = self._clock.now()

    def _next(self) -> Batch | None:
        if self._inflight is None and self._backlog:
            self._number += 1
            self._inflight = self._backlog.take(self._writer, self._number)
        return self._inflight

    async def _attempt(self, work: Chore) -> bool:
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
