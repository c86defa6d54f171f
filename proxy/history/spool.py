"""Spools batches that could not be written at shutdown; they are replayed at start.

A batch that was written is never added twice: it keeps its writer's name and number, also in the file.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from django.db import Error as DjangoError

from proxy.history.batch import Batch
from proxy.history.batch_file import decoded, encoded
from proxy.history.locks import AT_THE_END_S, wait_at_most
from proxy.history.store import write_batch

_logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""How long a write waits for a lock. What fails is tried again soon, so a longer wait would only hold up the end."""


class BatchSpool:
    """``execute`` writes batches; after ``shutdown_begins`` what fails is kept in the file at ``path``.

    Tips of the chains and payout checks are left out of the file: the next run hears them again.
    """

    def __init__(self, path: Path, write: Callable[[Batch], None] = write_batch) -> None:
        self._path = path
        self._write = write
        self._ending = False
        self.kept = 0
        """Batches in the file by this run."""

    def shutdown_begins(self) -> None:
        """The process ends: from now on nothing may wait long."""
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
            _logger.warning(
                "The database takes nothing at the end (%s); what was counted waits in %s for the next start.",
                error,
                self._path,
            )

    def retry(self) -> None:
        """For the writer's list of jobs, the first: replay what could not be replayed at the start.

        Raises:
            django.db.Error, OSError: also at the end, if something was kept: then the rest of the jobs must wait.
        """
        if self.kept:
            raise OSError(f"what was counted waits in {self._path}")
        self.replay()

    def replay(self) -> int:
        """Write what the file holds and remove it; the number of batches. Lines that cannot be read are put aside.

        Raises:
            django.db.Error, OSError: the file stays; nothing is added twice when it is tried again.
        """
        try:
            lines = [line for line in self._path.read_bytes().splitlines() if line]
        except FileNotFoundError:
            return 0
        broken = [line for line in lines if not self._replay_line(line)]
        if broken:
            self._append(self._path.with_suffix(".unreadable"), broken)
        self._path.unlink()
        return len(lines) - len(broken)

    def _replay_line(self, line: bytes) -> bool:
        try:
            batch = decoded(line)
        except ValueError:
            return False  # the disk was full in the middle of it, or a later version wrote it
        self._write(batch)
        return True

    def _keep(self, batch: Batch) -> None:
        self._append(self._path, [encoded(batch)])
        self.kept += 1

    def _append(self, path: Path, lines: list[bytes]) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            # Each line begins with a line feed too, so that one torn by a full disk spoils no other.
            file.write(b"".join(b"\n" + line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
