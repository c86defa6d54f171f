"""Outputs of the log, on the standard library's handlers: errors are counted and retried, and stop nothing."""

import logging
import sys
import time
from collections.abc import Callable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

RETRY_S = 1.0
"""Pause after an error; lines in between are lost for this outlet and counted."""
MIN_FILES, MIN_BYTES = 2, 10_000
"""Rotation needs an old file to rotate into."""


class RotatedFile(RotatingFileHandler):
    """A file with numbered old ones beside it (``dpmp.log``, ``dpmp.log.1``, ...)."""

    def __init__(self, path: Path, file_bytes: int, file_count: int) -> None:
        super().__init__(path, encoding="utf-8", delay=True, errors="backslashreplace")
        self.error: BaseException | None = None
        self.resize(file_bytes, file_count)

    def resize(self, file_bytes: int, file_count: int) -> None:
        """Rotate before ``file_bytes``, keep ``file_count`` files from now on."""
        self.maxBytes = max(MIN_BYTES, file_bytes)
        self.backupCount = max(MIN_FILES, file_count) - 1

    def doRollover(self) -> None:
        super().doRollover()
        for excess in _rotated(Path(self.baseFilename))[self.backupCount :]:
            excess.unlink(missing_ok=True)

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the broken stream, so that the next line opens the file again."""
        self.error = sys.exception()
        stream, self.stream = self.stream, None
        if stream is not None:
            try:
                stream.close()
            except OSError as error:  # the buffered rest still cannot be written
                self.error = self.error or error

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        stream = super()._open()  # after a full disk or a crash the file may end inside a line
        if _ends_inside_a_line(Path(self.baseFilename)):
            stream.write("\n")
        return stream


def _ends_inside_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")


class Stream(logging.StreamHandler[TextIO]):
    """Standard output."""

    error: BaseException | None = None

    def handleError(self, record: logging.LogRecord) -> None:
        self.error = sys.exception()


class Outlet:
    """One handler with its errors: counted, reported on stderr when they begin and end, retried after a pause."""

    def __init__(
        self,
        handler: RotatedFile | Stream,
        name: str,
        monotonic: Callable[[], float] = time.monotonic,
        stderr: TextIO | None = None,
    ) -> None:
        self.handler = handler
        self.errors = 0
        """Lines that could not be written."""
        self._name = name
        self._monotonic = monotonic
        self._stderr = stderr
        self._retry_at: float | None = None

    def write(self, text: str, lines: int) -> None:
        """Write ``text``, which holds ``lines`` lines without the last end. Never raises; may block on a slow disk."""
        if self._retry_at is not None and self._monotonic() < self._retry_at:
            self.errors += lines
            return
        self.handler.error = None
        self.handler.handle(logging.makeLogRecord({"msg": text}))
        self._count(self.handler.error, lines)

    def _count(self, error: BaseException | None, lines: int) -> None:
        was_ok = self._retry_at is None
        if error is None:
            self._retry_at = None
            if not was_ok:
                self._print(f"DPMP: the log goes to {self._name} again; {self.errors} lines are missing there.")
            return
        self.errors += lines
        self._retry_at = self._monotonic() + RETRY_S
        if was_ok:
            self._print(f"DPMP: the log cannot be written to {self._name} ({error}). Mining goes on; this is retried.")

    def _print(self, sentence: str) -> None:
        stderr = self._stderr or sys.stderr
        try:
            stderr.write(sentence + "\n")
        except (OSError, ValueError):  # stderr is closed, too
            return


def log_files(path: Path) -> list[Path]:
    """The log file and the rotated ones beside it that exist, newest first."""
    return [each for each in (path, *_rotated(path)) if each.exists()]


def _rotated(path: Path) -> list[Path]:
    numbered = ((old.suffix[1:], old) for old in path.parent.glob(f"{path.name}.*"))
    return [old for _, old in sorted((int(number), old) for number, old in numbered if number.isdecimal())]
