"""The database is backed up and restored by its own commands, in a process of their own and while others write.

What a command says of a file is asked of it in the process of the tests: starting it is nearly all of its time.
"""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path
from threading import Event, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def data(migrated, tmp_path):
    with closing(sqlite3.connect(migrated / "dpmp.sqlite3")) as origin:
        (tmp_path / "data").mkdir(mode=0o700)
        with closing(sqlite3.connect(tmp_path / "data" / "dpmp.sqlite3")) as copy:
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode=WAL")
    return tmp_path / "data"


def manage(data, *arguments, check=True):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DPMP_")}
    done = subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        timeout=120,
        env=environment | {"DPMP_DATA_DIR": str(data)},
        capture_output=True,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture
def here(data, settings, monkeypatch, django_db_blocker):
    """``here("backup", path)`` is what ``manage`` does, in this process: what it prints."""
    with django_db_blocker.unblock():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "NAME", str(data / "dpmp.sqlite3"))
        settings.DATA_DIR = data

        def run(*arguments):
            said = StringIO()
            call_command(*map(str, arguments), stdout=said)
            return said.getvalue()

        yield run
        connection.close()


def query(path, sql, *values):
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        return database.execute(sql, values).fetchall()


def wallet(data, label):
    query(
        data / "dpmp.sqlite3",
        "INSERT INTO proxy_wallet (label, chain, kind, address) VALUES (?, 'OTHER', 'account', 'me')",
        label,
    )


def wallets(path):
    return [row[0] for row in query(path, "SELECT label FROM proxy_wallet ORDER BY label")]


def test_backup_is_one_private_complete_file(data):
    wallet(data, "first")
    path = Path(manage(data, "backup").stdout.strip())
    assert path.parent == data / "backups" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert wallets(path) == ["first"] and list(path.parent.iterdir()) == [path]


def test_backup_never_overwrites(here, tmp_path):
    target = tmp_path / "mine.sqlite3"
    target.write_text("precious")
    with pytest.raises(CommandError, match="exists already"):
        here("backup", target)
    assert target.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "mine.sqlite3"]


def test_restore_brings_back_what_was_and_keeps_what_is(data, here, tmp_path):
    wallet(data, "old")
    copy = tmp_path / "copy.sqlite3"
    here("backup", copy)
    wallet(data, "new")
    query(
        data / "dpmp.sqlite3",
        "INSERT INTO proxy_configrevision (id, number, changed_at, problems) VALUES (1, 41, '2025-01-01', '[]')",
    )
    said = here("restore", copy, "--yes")
    assert wallets(data / "dpmp.sqlite3") == ["old"]
    [kept] = (data / "backups").iterdir()
    assert str(kept) in said and wallets(kept) == ["new", "old"]
    assert query(data / "dpmp.sqlite3", "SELECT number FROM proxy_configrevision") == [(42,)]


@pytest.mark.no_cover
def test_both_work_while_another_process_writes(data, tmp_path):
    wallet(data, "old")
    copy, stop, failures, written = tmp_path / "copy.sqlite3", Event(), [], []

    def write():
        with closing(sqlite3.connect(data / "dpmp.sqlite3", timeout=PATIENCE_S, isolation_level=None)) as database:
            while not stop.wait(0.002):
                try:
                    database.execute(
                        "INSERT INTO proxy_chaintip (chain, pool, prevhash, nbits, seen_at, behind_ms) "
                        "VALUES ('BTC', 'A', ?, 1, '2025-01-01', 0)",
                        (str(len(written)),),
                    )
                    written.append(1)
                except sqlite3.IntegrityError:
                    written.append(1)
                except sqlite3.Error as error:
                    failures.append(error)

    writer = Thread(target=write)
    writer.start()
    try:
        manage(data, "backup", copy)
        manage(data, "restore", copy, "--yes")
    finally:
        stop.set()
        writer.join()
    assert not failures and len(written) > 100
    assert query(data / "dpmp.sqlite3", "PRAGMA integrity_check") == [("ok",)]
    assert wallets(data / "dpmp.sqlite3") == ["old"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello", "is no SQLite database"),
        (b"SQLite format 3\x00" + b"\xff" * 5000, "cannot be used"),
    ],
)
def test_what_is_no_backup_is_refused_and_nothing_changes(data, here, tmp_path, content, sentence):
    wallet(data, "old")
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        here("restore", tmp_path / "bad", "--yes")
    assert wallets(data / "dpmp.sqlite3") == ["old"] and not (data / "backups").exists()


def test_database_of_something_else_is_refused(here, tmp_path):
    query(tmp_path / "other.sqlite3", "CREATE TABLE x (y)")
    with pytest.raises(CommandError, match="is no database of DPMP"):
        here("restore", tmp_path / "other.sqlite3", "--yes")


def test_backup_of_a_newer_version_is_refused(here, tmp_path):
    copy = tmp_path / "copy.sqlite3"
    here("backup", copy)
    query(copy, "INSERT INTO django_migrations (app, name, applied) VALUES ('proxy', '9999_future', '2030-01-01')")
    with pytest.raises(CommandError, match=r"newer version of DPMP \(9999_future\)"):
        here("restore", copy, "--yes")


def test_missing_file_is_named(data, tmp_path):
    done = manage(data, "restore", tmp_path / "nothing", "--yes", check=False)
    assert done.returncode == 1 and "nothing cannot be used" in done.stderr
