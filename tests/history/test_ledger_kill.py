"""A process that is killed loses a second of tallies at most and no block; one that is asked to end loses nothing."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tests.support.ledger_files import noted_in_journals
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
MAY_LOSE_S = 1.0
RUN_DEADLINE_S = 2 * PATIENCE_S


class Lab:
    """A data directory, and runs of ``ledger_process`` in it."""

    def __init__(self, path, environment):
        self.journal = path / "blocks.jsonl"
        self.environment = environment | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "dpmp_site.settings"}
        self.database = Path(environment["DPMP_DATA_DIR"]) / "dpmp.sqlite3"
        self.run_manage("migrate", "-v0")

    def run_manage(self, *command):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=self.environment, check=True, timeout=120)

    def run(self, number, lines, how):
        """Let it work until it has said so many lines, then send the signal ``how``; all it said."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.history.ledger_process", str(number), str(self.journal)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = []
        deadline = time.monotonic() + RUN_DEADLINE_S
        try:
            while len(said) < lines and time.monotonic() < deadline:
                said.append(process.stdout.readline())
            process.send_signal(how)
            said += process.communicate(timeout=PATIENCE_S)[0].splitlines(keepends=True)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == (-how if how == signal.SIGKILL else 0)
        return [line.split() for line in said if line.endswith("\n")]

    def query(self, sql):
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(sql).fetchone()
        finally:
            connection.close()

    def journal_blocks(self):
        return {
            orjson.loads(line)["hash"]
            for line in self.journal.read_bytes().split(b"\n")
            if line.startswith(b"{") and b'"candidate"' in line
        }


@pytest.fixture
def lab(tmp_path, own_environment):
    return Lab(tmp_path, own_environment)


@pytest.mark.slow
def test_twenty_kills_lose_a_second_of_tallies_at_most_and_no_block(lab):
    rng = random.Random(20)
    written, blocks = 0, 0
    for number in range(KILLS):
        said = lab.run(number, rng.randint(40, 260), signal.SIGKILL)
        assert lab.query("PRAGMA integrity_check") == ("ok",)
        total, credited = lab.query("SELECT COALESCE(SUM(accepted), 0), SUM(credited) FROM proxy_sharetotal")
        buckets = lab.query("SELECT COALESCE(SUM(accepted), 0), SUM(credited) FROM proxy_sharebucket")
        assert (total, credited) == buckets
        total += noted_in_journals(lab.journal.parent, lab.database)
        kept = total - written
        before = [int(shares) for at, shares, *_ in said if float(at) < float(said[-1][0]) - MAY_LOSE_S]
        assert kept >= (before[-1] if before else 0)  # not more than a second is lost ...
        assert kept <= int(said[-1][1]) + 20  # ... and nothing is counted twice
        # The kill can hit between the block and the line that tells of it.
        blocks += int(said[-1][3])
        found = len(lab.journal_blocks())
        assert blocks <= found <= blocks + 1
        written, blocks = total, found
    said = lab.run(KILLS, 30, signal.SIGTERM)
    assert lab.query("SELECT COUNT(*) FROM proxy_block")[0] == len(lab.journal_blocks()) == blocks + int(said[-1][3])
    assert lab.query("SELECT SUM(accepted) FROM proxy_sharetotal") == (written + int(said[-1][1]),)


@pytest.mark.slow
def test_a_process_that_is_asked_to_end_loses_nothing(lab):
    said = lab.run(0, 100, signal.SIGTERM)
    assert lab.query("SELECT SUM(accepted), SUM(credited) FROM proxy_sharetotal") == (
        int(said[-1][1]),
        float(said[-1][2]),
    )
    assert lab.query("SELECT COUNT(*) FROM proxy_block")[0] == int(said[-1][3])


@pytest.mark.slow
def test_a_locked_database_stops_nothing_and_gets_everything_afterwards(lab):
    locked = sqlite3.connect(lab.database, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.history.ledger_process", "0", str(lab.journal)],
        cwd=ROOT,
        env=lab.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = [process.stdout.readline() for _ in range(150)]
        assert lab.query("SELECT COUNT(*) FROM proxy_sharetotal") == (0,)
        locked.execute("ROLLBACK")
        process.terminate()
        said += process.communicate(timeout=PATIENCE_S)[0].splitlines()
    finally:
        locked.close()
        process.kill()
        process.wait()
    assert os.WEXITSTATUS(process.returncode) == 0
    assert lab.query("SELECT SUM(accepted) FROM proxy_sharetotal") == (int(said[-1].split()[1]),)
