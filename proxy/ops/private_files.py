"""Keeps the files of the data directory from other users of the machine. Imports no Django."""

import os
import stat
from pathlib import Path

_PRIVATE = ("dpmp.sqlite3*", "*.jsonl*", "logs", "logs/*", "backups", "backups/*")
"""Database, block journal, unwritten batches, logs and backups."""


def close_to_others(data_dir: Path) -> list[Path]:
    """Remove other users' access to the data in ``data_dir``. Returns the paths that they could access until now.

    Files of another owner are left as they are; ``doctor`` reports them. The secret key is left alone, because one
    that others could read must be replaced (see ``proxy.checks``).
    """
    if os.name != "posix":
        return []
    closed = []
    for path in open_to_others(data_dir):
        try:
            path.chmod(path.stat().st_mode & 0o700)
        except OSError:
            continue
        closed.append(path)
    return closed


def open_to_others(data_dir: Path) -> list[Path]:
    """The directory and the data in it, where other users of the machine have any access."""
    paths = (path for pattern in _PRIVATE for path in data_dir.glob(pattern) if not path.is_symlink())
    return [path for path in (data_dir.resolve(), *paths) if _is_open(path)]


def _is_open(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:  # gone meanwhile
        return False
    return bool(mode & 0o077) and not mode & stat.S_ISVTX  # a directory like /tmp is shared on purpose
