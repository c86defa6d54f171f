"""What the database does not take at the end of a run waits in a small file for the next one.

A batch that was written is never added twice: it keeps its writer's name and number, also in the file.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from django.db import Error as DjangoError

from proxy.core.accounting import Counts
from proxy.core.effort import Mark
from proxy.core.records import Record
from proxy.core.types import Chain, DecidedBy, PoolKey, Reason, WorkerName
from proxy.sinks.ledger_batch import Batch, RowKey
from proxy.sinks.ledger_store import write_batch
from proxy.sinks.locks import AT_THE_END_S, wait_at_most

_logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""How long a write waits for a lock. What fails is tried again soon, so a longer wait would only hold up the end."""
_NUMBERS = ("accepted", "unanswered", "credited", "work", "work_squares", "work_shares", "best", "latency_s",
            "latency_n")


class Leftovers:
    """``execute`` writes batches; after ``end_begins`` what fails is kept in the file at ``path``.

    Tips of the chains and payout checks are left out of the file: the next run hears them again.
    """

    def __init__(self, path: Path, write: Callable[[Batch], None] = write_batch) -> None:
        self._path = path
        self._write = write
        self._ending = False
        self.kept = 0
        """Batches in the file by this run."""

    def end_begins(self) -> None:
        """From now on nothing may wait long."""
        self._ending = True

    def execute(self, batch: Batch) -> None:
        """Write ``batch``; at the end into the file if the database does not take it.

        Raises:
            django.db.Error, OSError: it is kept nowhere; try it again.
        """
        if self.kept:
            return self._keep(batch)
        try:
            wait_at_most(AT_THE_END_S if self._ending else PATIENCE_S)
            return self._write(batch)
        except (DjangoError, OSError) as error:
            if not self._ending:
                raise
            self._keep(batch)
            _logger.warning("The database takes nothing at the end (%s); what was counted waits in %s for the next "
                            "start.", error, self._path)

    def chore(self) -> None:
        """For the writer's list of chores, the first: what could not be brought in at the start.

        Raises:
            django.db.Error, OSError: also at the end, if something was kept: then the rest of the chores must wait.
        """
        if self.kept:
            raise OSError(f"what was counted waits in {self._path}")
        self.bring_in()

    def bring_in(self) -> int:
        """Write what the file holds and remove it; the number of batches. Lines that cannot be read are put aside.

        Raises:
            django.db.Error, OSError: the file stays; nothing is added twice when it is tried again.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return 0
        broken = [line for line in lines if not self._bring(line)]
        if broken:
            self._append(self._path.with_suffix(".unreadable"), broken)
        self._path.unlink()
        return len(lines) - len(broken)

    def _bring(self, line: bytes) -> bool:
        try:
            batch = _batch(orjson.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            return False  # the disk was full in the middle of it, or a later version wrote it
        self._write(batch)
        return True

    def _keep(self, batch: Batch) -> None:
        self._append(self._path, [orjson.dumps(_document(batch))])
        self.kept += 1

    def _append(self, path: Path, lines: list[bytes]) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())


def _document(batch: Batch) -> dict[str, Any]:
    return {
        "writer": batch.writer, "number": batch.number,
        "rows": [[*key, {name: getattr(counts, name) for name in _NUMBERS}, _rejects(counts)]
                 for key, counts in batch.rows.items()],
        "last_share_at": [[*key, at] for key, at in batch.last_share_at.items()],
        "records": [[record.worker, record.chain.value, record.pool, record.true_difficulty, record.at,
                     record.header_hash.hex()] for record in batch.records],
        "marks": [[mark.scope, mark.work, mark.at, mark.blocks] for mark in batch.marks]}


def _rejects(counts: Counts) -> list[list[object]]:
    return [[reason.value, who.value, number] for (reason, who), number in (counts.rejects or {}).items()]


def _batch(found: dict[str, Any]) -> Batch:
    rows: dict[RowKey, Counts] = {
        (step, start, WorkerName(worker), PoolKey(pool)): _counts(numbers, rejects)
        for step, start, worker, pool, numbers, rejects in found["rows"]}
    return Batch(
        writer=found["writer"], number=found["number"], rows=rows,
        last_share_at={(WorkerName(worker), PoolKey(pool)): at for worker, pool, at in found["last_share_at"]},
        records=tuple(Record(worker=WorkerName(worker), chain=Chain(chain), pool=PoolKey(pool), at=at,
                             true_difficulty=difficulty, header_hash=bytes.fromhex(header_hash))
                      for worker, chain, pool, difficulty, at, header_hash in found["records"]),
        marks=tuple(Mark(scope=scope, work=work, at=at, blocks=blocks)
                    for scope, work, at, blocks in found["marks"]))


def _counts(numbers: dict[str, float], rejects: list[tuple[str, str, int]]) -> Counts:
    counts = Counts()
    for name in _NUMBERS:
        setattr(counts, name, numbers[name] + 0)  # a number, or a TypeError
    if rejects:
        counts.rejects = {(Reason(reason), DecidedBy(who)): number for reason, who, number in rejects}
    return counts
