"""A process that is killed loses a second of tallies at most and no block; one that is asked to end loses nothing."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from tests.support.batch_journal_files import noted_in_journals
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
KILLS = 8
MAY_LOSE_S = 1.0
DEADLINE_S = 6 * PATIENCE_S


class Lab:
    """A data directory, and runs of ``history_process`` in it, each in a process of its own."""

    def __init__(self, data_dir, environment):
        self.journal = data_dir.parent / "blocks.jsonl"
        self.database = data_dir / "dpmp.sqlite3"
        self.maker = subprocess.Popen(
            [sys.executable, "-m", "tests.history.history_process", str(self.journal)],
            cwd=ROOT,
            env=environment | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "dpmp_site.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.watchdog = threading.Timer(DEADLINE_S, self.maker.kill)  # a run ends with its maker
        self.watchdog.start()

    def start(self, number):
        """Start a run; its process id."""
        self.maker.stdin.write(f"{number}\n")
        self.maker.stdin.flush()
        word, pid = self.maker.stdout.readline().split()
        assert word == "started"
        return int(pid)

    def line(self):
        """The next that it says, or None and its exit code when it has ended."""
        words = self.maker.stdout.readline().split()
        return (None, int(words[1])) if words[0] == "ended" else (words, None)

    def rest(self):
        """All that it still says, and its exit code."""
        said = []
        while True:
            words, code = self.line()
            if words is None:
                return said, code
            said.append(words)

    def run(self, number, lines, how):
        """Let it work until it has said so many lines, then send the signal ``how``; all it said."""
        pid = self.start(number)
        said = []
        while len(said) < lines:
            words, code = self.line()
            assert words is not None, f"it ended by itself with {code}"
            said.append(words)
        os.kill(pid, how)
        more, code = self.rest()
        assert code == (-how if how == signal.SIGKILL else 0)
        return said + more

    def close(self):
        self.watchdog.cancel()
        self.maker.kill()
        self.maker.communicate()

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
def lab(new_data_dir, own_environment):
    lab = Lab(new_data_dir, own_environment | {"DPMP_DATA_DIR": str(new_data_dir)})
    yield lab
    lab.close()


@pytest.mark.no_cover
@pytest.mark.slow
def test_kills_lose_a_second_of_tallies_at_most_and_no_block(lab):
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
    try:
        pid = lab.start(0)
        said = [lab.line()[0] for _ in range(150)]
        assert lab.query("SELECT COUNT(*) FROM proxy_sharetotal") == (0,)
        locked.execute("ROLLBACK")
        os.kill(pid, signal.SIGTERM)
        more, code = lab.rest()
    finally:
        locked.close()
    assert code == 0
    assert lab.query("SELECT SUM(accepted) FROM proxy_sharetotal") == (int((said + more)[-1][1]),)
