"""The log's newest lines, as the pages need them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from proxy.sinks import logs


class Line(Protocol):
    """One line of the log."""

    id: int
    ts: float
    level: str
    event: str
    session: int | None
    worker: str | None
    pool: str | None
    fields: Mapping[str, object]

    def json(self) -> str:
        """The line as it stands in the file."""


class LogRing(Protocol):
    """What can be asked of the newest lines."""

    def recent(self, *, after: int = 0, limit: int = 200, level: int = 0, events: Collection[str] = (),
               session: int | None = None, worker: str | None = None, pool: str | None = None,
               text: str = "") -> Sequence[Line]:
        """Lines that match, newest first."""


def ring() -> LogRing:
    """The ring of this process; empty where no proxy runs."""
    return logs.lines
