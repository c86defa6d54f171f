"""Backup and restore of the SQLite database while the proxy runs, through SQLite's online backup."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader

from proxy.config.watcher import announce
from proxy.errors import DPMPError
from proxy.models import ConfigRevision

FOLDER = "backups"
PAGES, PAUSE_S = 2000, 0.01
"""Pages copied at once, and the pause after them, in which the proxy can write."""
BUSY_S = 30.0
_MAGIC = b"SQLite format 3\x00"


class BackupError(DPMPError):
    """It failed; the message says why and what to do."""


def backup(target: Path | None = None) -> Path:
    """Write a consistent copy of the database (mode 0600) and return its path; default: a new file in the data
    directory's ``backups``. An existing file is never overwritten.

    Raises:
        BackupError: the database is not SQLite, or the copy cannot be written.
    """
    source = database_path()
    path = target or _new_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _draft(path) as draft:
            _copy(source, draft)
            _check(draft)
            os.link(draft, path)  # fails where the file exists
    except FileExistsError as error:
        raise BackupError(f"{path} exists already. Choose another name.") from error
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"The backup {path} cannot be written: {error}.") from error
    return path


def restore(source: Path) -> Path:
    """Replace the database by ``source``, also while the proxy runs, which then loads the restored configuration.

    The current database is backed up first; returns the path of that backup.

    Raises:
        BackupError: the file is no backup of DPMP, is damaged or newer than this program; nothing was changed.
    """
    database_path()
    try:
        _check(source)
        _check_version(source)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{source} cannot be used: {error}.") from error
    kept = backup()
    number = ConfigRevision.objects.filter(pk=1).values_list("number", flat=True).first() or 0
    connections.close_all()
    try:
        _copy(source, database_path())
    except (OSError, sqlite3.Error) as error:
        raise BackupError(
            f"The database cannot be written: {error}. It is as before. If the proxy is busy, try "
            "again or stop it first."
        ) from error
    call_command("migrate", verbosity=0, interactive=False)
    _announce(number)
    return kept


def database_path() -> Path:
    """The SQLite file.

    Raises:
        BackupError: the database is not SQLite.
    """
    if connection.vendor != "sqlite":
        raise BackupError(
            "The database is not SQLite. Use the tools of the database, for example pg_dump and pg_restore."
        )
    return Path(connection.settings_dict["NAME"])


def _new_path() -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return Path(settings.DATA_DIR) / FOLDER / f"dpmp-{stamp}.sqlite3"


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A private temporary file beside ``path``, deleted afterwards."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        for left in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm"), Path(f"{draft}-journal")):
            left.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as origin,
        closing(sqlite3.connect(target, timeout=BUSY_S)) as copy,
    ):
        copy.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
        # A restore is one step: nothing may be written to a half-replaced database.
        pages = PAGES if target != database_path() else -1
        origin.backup(copy, pages=pages, sleep=PAUSE_S)
        if target != database_path():
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a -wal beside it


def _check(path: Path) -> None:
    """Raises ``BackupError`` unless ``path`` is an undamaged database of DPMP."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BackupError(f"{path} is no SQLite database.")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy:
        answer = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise BackupError(f"{path} is damaged: {answer}.")


def _check_version(path: Path) -> None:
    """Raises ``BackupError`` if a newer DPMP or another program wrote it."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy:
        if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'django_migrations'").fetchone():
            raise BackupError(f"{path} is no database of DPMP.")
        applied = set(copy.execute("SELECT app, name FROM django_migrations WHERE app IN ('proxy', 'dashboard')"))
    if not any(app == "proxy" for app, _ in applied):
        raise BackupError(f"{path} is no database of DPMP.")
    unknown = sorted(name for app, name in applied - set(MigrationLoader(None).disk_migrations))
    if unknown:
        raise BackupError(f"{path} was written by a newer version of DPMP ({unknown[-1]}). Upgrade first.")


def _announce(number: int) -> None:
    """Raise the revision above any that a process has seen, so that all of them reload the configuration."""
    ConfigRevision.objects.update_or_create(pk=1)
    for row in ConfigRevision.objects.filter(pk=1):
        row.number = max(row.number, number) + 1
        row.save()
    announce()
