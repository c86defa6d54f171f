"""Which workers something was heard of since a reader of engine and counts looked last."""

from collections.abc import Iterable
from heapq import nlargest
from operator import itemgetter

from proxy.engine.engine import Engine
from proxy.history import Accounting
from proxy.history.records import Records
from proxy.types import WorkerName

AWAY_KEPT = 500
"""Workers without a connection that are shown beside those that are there."""

_LATEST = itemgetter(1, 0)


class ChangedWorkers:
    """For one reader at a time: who comes after another one has to look at everybody."""

    def __init__(self, *, engine: Engine, accounting: Accounting, records: Records) -> None:
        self._engine = engine
        self._accounting = accounting
        self._changed: dict[WorkerName, None] = {}
        for source in (engine.workers, accounting, records):
            source.watch(self._changed)
        self._away: dict[WorkerName, float] = {}
        """Workers in memory without a connection, and when they sent the last share (monotonic seconds)."""
        self._shown: dict[WorkerName, float] = {}
        """Those of them with the latest shares."""
        self._reader: object = None

    def take(self, reader: object, known: Iterable[WorkerName], *, everybody: bool = False) -> list[WorkerName]:
        """Whom ``reader``, which knows ``known``, has to look at anew, or to forget, since its last call; or
        ``everybody``."""
        self._engine.events.settle()
        names, there = list(self._changed), self._engine.workers.by_name
        self._changed.clear()
        names += self._away_again([name for name in names if name not in there or name in self._away])
        if everybody or reader is not self._reader:
            self._reader = reader
            return list(dict.fromkeys((*there, *self._shown, *known)))
        return names

    def _away_again(self, names: Iterable[WorkerName]) -> Iterable[WorkerName]:
        """See which of ``names`` are away; returns whom that brings into view, or takes out of it."""
        is_same, away = True, self._away
        for name in names:
            last = None if name in self._engine.workers.by_name else self._accounting.last_share(name)
            if last != away.get(name):
                is_same = False
                if last is None:
                    del away[name]
                else:
                    away[name] = last
        if is_same:
            return ()
        before, self._shown = self._shown, dict(nlargest(AWAY_KEPT, away.items(), key=_LATEST))
        return before.keys() ^ self._shown.keys()

    def is_shown(self, worker: WorkerName) -> bool:
        """Whether ``worker``, which is away, is shown; one of which something was heard since ``take`` still is."""
        return worker in self._shown or worker in self._changed
