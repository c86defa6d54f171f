"""A process that mines, writes the ledger and finds blocks until it is killed; run by ``test_ledger_kill``.

Prints a line ``<time> <shares so far> <credited so far> <blocks so far>`` whenever it has made some, so that the test
knows what was lost.
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
from proxy.history.batch_journal import JournalReplay, LedgerJournal  # noqa: E402
from proxy.history.journal import BlockJournal  # noqa: E402
from proxy.history.journal_import import JournalImporter  # noqa: E402
from proxy.history.writer import LedgerWriter  # noqa: E402
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
    ledger = LedgerWriter(
        writer=f"run-{run}",
        clock=clock,
        events=events,
        accounting=accounting,
        jobs=[JournalImporter(journal_path)],
        interval_s=0.7,
        journal=LedgerJournal(journal_path.parent, f"run-{run}"),
    )
    await loop.run_in_executor(None, JournalReplay(journal_path.parent))
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    spawn(ledger.run(), name="ledger")
    spawn(ledger.keep_journal(), name="journal")
    rng, shares, credited, blocks = random.Random(run), 0, 0.0, 0
    while not stop.is_set():
        for _ in range(20):
            difficulty = float(rng.randint(1, 1000))
            events.emit(share(rng.choice([ANN, BOB]), rng.choice([A, B]), difficulty))
            shares, credited = shares + 1, credited + difficulty
        if rng.random() < 0.2:
            events.emit(candidate(run * 100_000 + blocks))
            blocks += 1
        sys.stdout.write(f"{time.time()} {shares} {credited} {blocks}\n")
        sys.stdout.flush()
        await asyncio.sleep(0.005)
    await ledger.close()
    journal.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
