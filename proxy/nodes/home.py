"""The data directory of a node: locked while it runs, and known by a name of its own."""

import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

FILE = "node.lock"


class HomeInUse(Exception):
    """Another process runs in the data directory."""


class Home:
    """Locked from the beginning until ``close``, or until the process ends, however that ends.

    Raises:
        HomeInUse: another process has it locked.
        OSError: the directory cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.name = self._name()
        except BlockingIOError:
            os.close(self._descriptor)
            raise HomeInUse(f"Another proxy runs in {folder}: each needs a data directory of its own.") from None

    def _name(self) -> str:
        """Of the directory; "" where it cannot be locked."""
        if sys.platform == "win32":
            return ""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(ValueError):
            return uuid.UUID(os.pread(self._descriptor, 64, 0).decode("ascii", "replace").strip()).hex
        made = uuid.uuid4().hex
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{made}\n".encode(), 0)
        return made

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)
