"""``manage.py doctor`` on machines that are broken in one way each: the line that says so, and the way out."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def environment(data, **changes):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DPMP_")}
    return kept | {"DPMP_DATA_DIR": str(data)} | changes


def manage(data, *arguments, **changes):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=120,
        env=environment(data, **changes),
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def data(migrated, tmp_path):
    folder = Path(shutil.copytree(migrated, tmp_path / "data"))
    folder.chmod(0o700)
    return folder


def diagnoses(data, *topics, **changes):
    """What the doctor says of each of ``topics``, and that nothing of it is a traceback."""
    done = manage(data, "doctor", "--no-network", "--json", **changes)
    assert "Traceback" not in done.stderr, done.stderr
    findings = json.loads(done.stdout)
    assert (done.returncode == 1) == any(finding["level"] == "bad" for finding in findings)
    return [[finding for finding in findings if finding["topic"] == topic] for topic in topics]


def diagnosis(data, topic, **changes):
    """What it says of one."""
    return diagnoses(data, topic, **changes)[0]


def only(findings):
    [finding] = findings
    return finding


def test_database_without_tables_is_to_be_migrated(tmp_path):
    finding, other = map(only, diagnoses(tmp_path / "new", "database", "ports"))
    assert finding["level"] == "bad" and "not applied" in finding["text"] and "manage.py migrate" in finding["mend"]
    assert other["level"] == "warn" and "See the line about the database." in other["mend"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"\x00 no database " * 4000), id="overwritten"),
        pytest.param(
            lambda path: path.write_bytes(
                path.read_bytes()[: 4096 * 7] + b"\xff" * 4096 * 20 + path.read_bytes()[4096 * 27 :]
            ),
            id="a piece of it",
        ),
    ],
)
def test_damaged_database_is_to_be_restored(data, damage):
    with closing(sqlite3.connect(data / "dpmp.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    damage(data / "dpmp.sqlite3")
    finding = only(diagnosis(data, "database"))
    assert finding["level"] == "bad" and "manage.py restore FILE" in finding["mend"]


def test_what_the_doctor_says_of_a_damaged_database_mends_it(data):
    copy = Path(manage(data, "backup").stdout.strip())
    (data / "dpmp.sqlite3").write_bytes(b"\x00 no database " * 4000)
    for name in ("dpmp.sqlite3", "dpmp.sqlite3-wal", "dpmp.sqlite3-shm"):
        if (data / name).exists():
            (data / name).rename(data / f"{name}.aside")
    assert manage(data, "migrate").returncode == 0
    assert manage(data, "restore", str(copy), "--yes").returncode == 0
    assert only(diagnosis(data, "database"))["level"] == "ok"


def test_locked_database_is_told_with_who_may_hold_it(data):
    with closing(sqlite3.connect(data / "dpmp.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        finding = only(diagnosis(data, "database"))
    assert finding["level"] == "bad" and "cannot be written" in finding["text"] and "locked" in finding["mend"]


def test_files_that_others_may_read_are_found(data):
    (data / "secret_key").chmod(0o644)
    finding = diagnosis(data, "system checks")[0]
    assert "secret_key" in finding["text"] and "chmod 600" in finding["mend"]
    (data / "secret_key").chmod(0o600)
    data.chmod(0o777)
    assert diagnosis(data, "system checks")[0]["level"] == "ok"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700, "a start closes the directory to others"


def test_variable_that_nothing_reads_is_a_typing_mistake(data):
    finding = diagnosis(data, "system checks", DPMP_LOG_LEVLE="DEBUG")[0]
    assert "DPMP_LOG_LEVLE" in finding["text"] and finding["mend"]


def test_value_that_cannot_be_used_is_one_line_before_anything_else(data):
    done = manage(data, "doctor", DPMP_TRUST_PROXY="perhaps")
    assert done.returncode == 1 and "DPMP_TRUST_PROXY" in done.stderr and "yes or no" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_directory_that_is_none_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = manage(tmp_path / "file", "doctor")
    assert done.returncode == 1 and "DPMP_DATA_DIR" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.no_cover
def test_postgresql_that_does_not_answer_is_named_once(data):
    pytest.importorskip("psycopg")
    topics = ("database", "configuration", "ports", "open files")
    address = "postgres://me:hunter22@127.0.0.1:1/dpmp"
    finding, *others = map(only, diagnoses(data, *topics, DPMP_DATABASE_URL=address))
    assert finding["level"] == "bad" and "server running" in finding["mend"] and "hunter22" not in str(finding)
    assert [other["level"] for other in others] == ["warn"] * 3
