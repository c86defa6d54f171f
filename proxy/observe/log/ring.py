"""The newest lines in memory, for the Logs page."""

from collections import deque
from collections.abc import Collection, Iterator
from itertools import islice
from math import inf
from threading import Lock

from proxy.observe.log.lines import Entry, LogLine, Redact, line_of

KEPT = 2000


class RecentLines:
    """Keeps the newest ``kept`` entries; lines are formatted only when they are read."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._lock = Lock()
        self.redact: Redact | None = None
        """Applied to every line that is read; set by the sink from the configuration."""

    def append(self, entry: Entry) -> None:
        """Keep ``entry``; the oldest is dropped."""
        with self._lock:
            self._entries.append(entry)

    @property
    def last_id(self) -> int:
        """Id of the newest line, 0 before the first."""
        with self._lock:
            return self._entries[-1].id if self._entries else 0

    def recent(
        self,
        *,
        after: int = 0,
        limit: int = 200,
        level: int = 0,
        events: Collection[str] = (),
        session: int | None = None,
        worker: str | None = None,
        pool: str | None = None,
        text: str = "",
        since: float = 0.0,
        until: float = inf,
        redact: Redact | None = None,
    ) -> list[LogLine]:
        """Up to ``limit`` lines newer than the id ``after``, newest first. May be called from any thread.

        ``level`` is the least level (10, 20, ...), ``events`` names (none: all), ``text`` is searched for in the whole
        line without regard to case, ``since`` and ``until`` (unix seconds) bound the time. ``redact`` is used where the
        configuration sets none.
        """
        with self._lock:
            entries = list(self._entries)
        wanted = (
            entry
            for entry in reversed(entries)
            if entry.id > after
            and entry.event.level >= level
            and since <= entry.ts <= until
            and (not events or entry.event.name in events)
            and (session is None or entry.session == session)
            and (worker is None or entry.worker == worker)
            and (pool is None or entry.pool == pool)
        )
        found = (line_of(entry, self.redact or redact) for entry in wanted)
        return list(islice(_containing(text.casefold(), found), limit))


def _containing(text: str, found: Iterator[LogLine]) -> Iterator[LogLine]:
    return (line for line in found if not text or text in line.json().casefold())


lines = RecentLines()
"""The newest lines of this process: filled by the sink, read by the Logs page; empty where no proxy runs."""
