"""Counts the shares of a run and keeps them: the counting parts, the writer, and what is read at the start."""

import uuid
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error as DjangoError

from proxy.config.snapshot import ConfigSnapshot
from proxy.history.accounting import Accounting
from proxy.history.batch_journal import BatchJournal, JournalReplay
from proxy.history.effort import EffortMeter
from proxy.history.journal_import import JournalImporter
from proxy.history.past_work import resume_rates
from proxy.history.records import Records
from proxy.history.retention import RetentionJob
from proxy.history.shared_rates import SharedRates
from proxy.history.shared_totals import SharedTotals
from proxy.history.split import SplitMeter
from proxy.history.spool import BatchSpool
from proxy.history.store import History, read_history
from proxy.history.writer import HistoryWriter, PeriodicJob
from proxy.nodes.lease import Lease
from proxy.observe.events import EventStream
from proxy.ports import Clock

CLOSE_S = 1.5
"""How long the last batch may take at the end; what is not written by then is spooled."""


class HistoryService:
    """One run's. ``restore`` before the first share, ``close`` after the last."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventStream,
        hashes_per_difficulty: float,
        data_dir: Path,
        blocks: Path,
        jobs: Sequence[PeriodicJob] = (),
        lease: Lease | None = None,
    ) -> None:
        """``blocks``: the block journal, whose entries are stored in the database; ``jobs`` follow its own; ``lease``:
        of several nodes."""
        self._clock = clock
        self.accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=hashes_per_difficulty)
        self.records = Records(clock=clock, events=events)
        self.effort = EffortMeter(clock=clock, events=events, accounting=self.accounting)
        self.splits = SplitMeter(clock=clock, events=events, accounting=self.accounting)
        shared: SharedTotals | None = None
        self._rates: SharedRates | None = None
        if lease is not None and lease.is_shared:
            self._rates = SharedRates(
                clock=clock, events=events, accounting=self.accounting, is_written=lambda: self.writer.is_written
            )
            shared = SharedTotals(
                clock=clock,
                events=events,
                accounting=self.accounting,
                records=self.records,
                effort=self.effort,
                found=self._rates.found,
            )
        self._spool = BatchSpool(data_dir / "unwritten.jsonl")
        self._replay = JournalReplay(data_dir)
        writer = uuid.uuid4().hex
        self.writer = HistoryWriter(
            writer=writer,
            clock=clock,
            events=events,
            accounting=self.accounting,
            records=self.records,
            effort=self.effort,
            journal=BatchJournal(data_dir, writer),
            execute=self._spool.execute,
            shared=shared,
            jobs=(
                self._spool.retry,
                self._replay,
                JournalImporter(blocks),
                RetentionJob(clock=clock, lease=lease),
                *jobs,
            ),
        )

    async def restore(self) -> None:
        """Write what earlier runs left unwritten, and go on from the stored totals.

        Raises:
            DjangoError: the database cannot be read.
        """
        history = await sync_to_async(self._read, thread_sensitive=False)()
        self.accounting.restore(history.totals)
        self.records.restore(history.records)
        self.effort.restore(history.marks)

    def _read(self) -> History:
        with suppress(DjangoError, OSError):  # the writer tries again
            self._spool.replay()
            self._replay()  # after the spool: a journal's number marks all earlier batches as written
        return read_history()

    def apply(self, config: ConfigSnapshot) -> None:
        """Count by another configuration from now on."""
        for part in (self.accounting, self.records, self.effort):
            part.apply(config)

    def tasks(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        """What is to run until the end, with names."""
        return (
            ("history", self.writer.run()),
            ("batch journal", self.writer.keep_journal()),
            ("rates of earlier runs", self._rates.run() if self._rates is not None else self._resume()),
        )

    async def _resume(self) -> None:
        """Not before miners are served: a large history takes some seconds to read."""
        with suppress(DjangoError):  # the writer says so if the database cannot be used; the rates begin with this run
            since = await resume_rates(self.accounting, self._clock)
            if since is not None:
                self.splits.watched_since(since)

    def shutdown_begins(self) -> None:
        """A database that is locked is not waited for any more."""
        self._spool.shutdown_begins()

    async def close(self) -> None:
        """Write the last batch, or spool it."""
        await self.writer.close(CLOSE_S)
