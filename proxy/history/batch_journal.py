"""The batch journal: what was counted is in a file within a second, so that a kill costs no more than that.

The database is written every few seconds; in between each share costs a line here instead of a transaction there. A
line names its writer and the number of the batch that the same shares will be part of. The database knows the number of
the last batch that it has of each writer, so the next start adds exactly the lines above that number, as one batch,
and nothing twice, wherever the kill came.

A kill of the process loses nothing that was handed to the operating system, so nothing is fsynced here; a power cut
can cost what the system had not brought to the disk, which is what the database would have lost as well.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from proxy.history import Counts, ShareDelta
from proxy.history.batch import Batch, RowKey
from proxy.history.batch_file import decoded, encoded
from proxy.history.store import numbers_written, write_batch

if sys.platform != "win32":
    import fcntl

MINUTE_S = 60
MAX_BYTES = 16 * 2**20
"""Beyond it (the database has been away for long) the file is written anew with what still waits, which is bounded."""

_logger = logging.getLogger(__name__)


class BatchJournal:
    """The journal of one run, ``ledger-<writer>.jsonl``; locked while the run lives. All calls block: not on the loop.

    Calls must not overlap; ``OSError`` means that the line may be missing, and ``rewrite`` should be tried later.
    """

    def __init__(self, directory: Path, writer: str, max_bytes: int = MAX_BYTES) -> None:
        self._path = directory / f"ledger-{writer}.jsonl"
        self._writer = writer
        self._max_bytes = self._limit = max_bytes
        self._descriptor: int | None = None
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether ``rewrite`` should make the file smaller."""
        return self._size > self._limit

    def append(self, number: int, deltas: Sequence[ShareDelta], rest: Batch) -> None:
        """Note what was just counted and will be part of the batch ``number``: ``deltas``, the notes of ``rest``."""
        rows: list[tuple[RowKey, Counts]] = [
            ((MINUTE_S, each.minute, each.worker, each.pool), each.counts) for each in deltas
        ]
        self._write(encoded(replace(rest, writer=self._writer, number=number), rows))

    def rewrite(self, batches: Iterable[Batch]) -> None:
        """Replace everything by ``batches``, at once: a kill leaves either the old file or the new one."""
        lines = [encoded(batch) for batch in batches]
        temporary = self._path.with_suffix(".new")
        descriptor = _open(temporary, os.O_TRUNC)
        try:
            size = _write_all(descriptor, b"".join(b"\n" + line + b"\n" for line in lines))
            os.replace(temporary, self._path)
        except OSError:
            os.close(descriptor)
            raise
        self.close()
        self._descriptor, self._size = descriptor, size
        self._limit = max(self._max_bytes, 2 * size)

    def clear(self) -> None:
        """Everything is in the database."""
        if self._size and self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self._size, self._limit = 0, self._max_bytes

    def remove(self) -> None:
        """The run has ended and everything is written elsewhere."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; what is in it waits for the next start."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = _open(self._path)
        # Each line begins with a line feed too, so that one torn by a full disk spoils no other.
        self._size += _write_all(self._descriptor, b"\n" + line + b"\n")


def _open(path: Path, more: int = 0) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | more, 0o600)
    _lock(descriptor)
    return descriptor


def _lock(descriptor: int) -> None:
    """Hold the file until it is closed or the process ends, however that ends."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_all(descriptor: int, payload: bytes) -> int:
    written = os.write(descriptor, payload)
    if written < len(payload):
        raise OSError("the disk is full")
    return written


class JournalReplay:
    """Brings in what the journals of runs that were killed hold; for the writer's list of jobs, and the start."""

    def __init__(self, directory: Path, write: Callable[[Batch], None] = write_batch) -> None:
        self._directory = directory
        self._write = write
        self._is_done = False

    def __call__(self) -> None:
        """Write what the database does not have yet, and remove the files. Journals of runs that live are left alone.

        Raises:
            django.db.Error, OSError: the files stay; nothing is added twice when it is tried again.
        """
        if self._is_done:
            return
        for path in self._directory.glob("ledger-*.new"):
            if _is_orphan(path):
                path.unlink(missing_ok=True)  # the kill came before it took the old one's place
        paths = [path for path in sorted(self._directory.glob("ledger-*.jsonl")) if _is_orphan(path)]
        written = numbers_written() if paths else {}
        for path in paths:
            batches, broken = _read(path)
            missing = [batch for batch in batches if batch.number > written.get(batch.writer, 0)]
            if missing:
                self._write(merged(missing))
                _logger.warning(
                    "The last run did not end by itself: what it had counted since it last wrote to the "
                    "database was brought in from %s.",
                    path,
                )
            if len(broken) > 1:  # one is the line that was being written
                path.replace(path.with_suffix(".unreadable"))
            else:
                path.unlink()
        self._is_done = True


def _is_orphan(path: Path) -> bool:
    """Whether no process that lives writes ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _lock(descriptor)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _read(path: Path) -> tuple[list[Batch], list[bytes]]:
    batches: list[Batch] = []
    broken: list[bytes] = []
    for line in path.read_bytes().splitlines():
        if line:
            try:
                batches.append(decoded(line))
            except ValueError:
                broken.append(line)
    return batches, broken


def merged(batches: Sequence[Batch]) -> Batch:
    """Batches of one writer as one, under the last number."""
    rows: dict[RowKey, Counts] = {}
    for batch in batches:
        for key, counts in batch.rows.items():
            rows.setdefault(key, Counts()).add(counts)
    return Batch(
        writer=batches[-1].writer,
        number=max(batch.number for batch in batches),
        rows=rows,
        last_share_at={key: at for batch in batches for key, at in batch.last_share_at.items()},
        records=tuple(record for batch in batches for record in batch.records),
        marks=tuple({mark.scope: mark for batch in batches for mark in batch.marks}.values()),
    )
