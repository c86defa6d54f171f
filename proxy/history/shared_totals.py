"""What several nodes have counted together: each learns now and then what the others wrote to the database.

Totals of pools, blocks found, and the totals and best shares of workers that came here from another node, or work on
both. Splits and the rates of pools stay each node's own; those of workers are in ``proxy.history.shared_rates``.
"""

from collections.abc import Callable, Iterable, Mapping

from proxy.history.accounting import Accounting
from proxy.history.batch import RowKey
from proxy.history.counters import Counts, sum_of
from proxy.history.effort import EffortMeter, WorkAtBlock
from proxy.history.records import Record, Records
from proxy.history.store import read_marks, read_pools, read_records, read_totals
from proxy.history.tallies import Stored
from proxy.observe.events import EventStream, MinerReady
from proxy.ports import Clock
from proxy.types import PoolKey, WorkerName

EVERY_S = 10.0
LOOKS = 2
"""How often a worker is looked up after it came: what the other node counted last is written some seconds later."""
MOST_WAITING = 100_000
"""Workers that wait to be looked up; of more, whoever comes last is looked up when it comes again."""
MOST_NAMES = 2_000
"""Workers looked up at a time; of more the others follow the next time."""
FOLLOW_S, FOLLOW_LOOKS = 60.0, 10
"""A worker of which another node has counted shares is looked up this often, until that many looks brought nothing:
it may be connected to both."""


class SharedTotals:
    """For the writer: ``is_due``, then ``names`` on the loop, ``read`` in its thread, ``hand_over`` on the loop."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventStream,
        accounting: Accounting,
        records: Records,
        effort: EffortMeter,
        found: Callable[[Iterable[WorkerName]], None] = lambda names: None,
    ) -> None:
        """``found`` hears of which workers others have counted shares."""
        self._clock = clock
        self._accounting, self._records, self._effort = accounting, records, effort
        self._found = found
        self._arrived: dict[WorkerName, int] = {}
        self._followed: dict[WorkerName, tuple[float, int]] = {}
        """When each is looked up next, the first one first, and how many looks are left."""
        self._due = clock.now() + EVERY_S
        self._totals: list[Stored] = []
        self._pools: Mapping[PoolKey, Counts] = {}
        self._best: list[Record] = []
        self._marks: list[WorkAtBlock] = []
        events.subscribe(MinerReady, self._on_ready)

    def _on_ready(self, event: MinerReady) -> None:
        if event.worker in self._arrived or len(self._arrived) < MOST_WAITING:
            self._arrived[event.worker] = LOOKS

    def is_due(self) -> bool:
        """Whether it is time."""
        return self._clock.now() >= self._due

    def names(self) -> list[str]:
        """Whom to look up."""
        names = list(self._arrived)[:MOST_NAMES]
        for name in names:
            looks = self._arrived.pop(name) - 1
            if looks:
                self._arrived[name] = looks  # behind those that wait for their first
        now = self._clock.now()
        for name, (due, looks) in list(self._followed.items()):
            if due > now or len(names) >= MOST_NAMES:
                break
            del self._followed[name]
            if looks > 1:
                self._followed[name] = (now + FOLLOW_S, looks - 1)
            if name not in self._arrived:
                names.append(name)
        return [str(name) for name in dict.fromkeys(names)]

    def read(self, names: list[str]) -> None:
        """Read everything.

        Raises:
            django.db.Error: nothing was read; the next time is soon enough.
        """
        self._due = self._clock.now() + EVERY_S
        self._totals, self._best = (read_totals(names), read_records(names)) if names else ([], [])
        self._pools, self._marks = read_pools(), read_marks()

    def hand_over(self, waiting: Mapping[RowKey, Counts]) -> None:
        """Give the parts what was read; ``waiting`` is of this run and was not written yet."""
        unwritten: dict[tuple[WorkerName, PoolKey], Counts] = {}
        for (_, _, worker, pool), counts in waiting.items():
            unwritten[worker, pool] = sum_of(unwritten.get((worker, pool)), counts)
        news = self._accounting.refresh(self._totals, self._pools, unwritten)
        for name in news:
            self._followed.pop(name, None)
            if len(self._followed) < MOST_WAITING:
                self._followed[name] = (self._clock.now() + FOLLOW_S, FOLLOW_LOOKS)
        self._found(news)
        self._records.restore(self._best)
        self._effort.refresh(self._marks)
