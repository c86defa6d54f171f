"""Processes that mine, write the ledger and find blocks until they are killed; run by ``test_writer_kill``.

Reads the numbers of runs from standard input, and makes a process for each by forking, so that only the first has to
load Django. It says ``started <pid>`` before a run and ``ended <exit code>`` after it. A run prints
``<time> <shares so far> <credited so far> <blocks so far>`` whenever it has made some, so that the test knows what was
lost.
"""

import asyncio
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dpmp_site.settings")
django.setup()

from proxy.history import Accounting  # noqa: E402
from proxy.history.batch_journal import BatchJournal, JournalReplay  # noqa: E402
from proxy.history.journal import BlockJournal  # noqa: E402
from proxy.history.journal_import import JournalImporter  # noqa: E402
from proxy.history.writer import HistoryWriter  # noqa: E402
from proxy.net.tasks import spawn  # noqa: E402
from proxy.observe.events import EventStream  # noqa: E402
from tests.support.shares import ANN, BOB, A, B, candidate, share  # noqa: E402


class RealClock:
    """Just enough of ``Clock``."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


async def main(run: int, journal_path: Path) -> None:
    clock, events = RealClock(), EventStream()
    accounting = Accounting(clock=clock, events=events)
    loop = asyncio.get_running_loop()
    journal = BlockJournal(journal_path, clock=clock, events=events, in_background=partial(loop.run_in_executor, None))
    writer = HistoryWriter(
        writer=f"run-{run}",
        clock=clock,
        events=events,
        accounting=accounting,
        jobs=[JournalImporter(journal_path)],
        interval_s=0.7,
        journal=BatchJournal(journal_path.parent, f"run-{run}"),
    )
    await loop.run_in_executor(None, JournalReplay(journal_path.parent))
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    spawn(writer.run(), name="history")
    spawn(writer.keep_journal(), name="journal")
    rng, shares, credited, blocks = random.Random(run), 0, 0.0, 0
    parent = os.getppid()
    while not stop.is_set() and os.getppid() == parent:
        for _ in range(20):
            difficulty = float(rng.randint(1, 1000))
            events.emit(share(rng.choice([ANN, BOB]), rng.choice([A, B]), difficulty))
            shares, credited = shares + 1, credited + difficulty
        if rng.random() < 0.2:
            events.emit(candidate(run * 100_000 + blocks))
            blocks += 1
        say(f"{time.time()} {shares} {credited} {blocks}")
        await asyncio.sleep(0.005)
    await writer.close()
    journal.close()


def say(text: str) -> None:
    """Write a line at once: a kill leaves all of it or nothing."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def make_runs(journal_path: Path) -> None:
    """One process for each number that is read, one after the other."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            say(f"started {os.getpid()}")
            asyncio.run(main(int(line), journal_path))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    make_runs(Path(sys.argv[1]))
