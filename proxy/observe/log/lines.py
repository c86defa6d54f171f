"""Turns events into log lines."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import orjson

from proxy.observe.events import DownstreamTraffic, Event, UpstreamTraffic
from proxy.observe.log.log_filter import LEVEL_NAMES
from proxy.observe.log.redact import hide_passwords
from proxy.text import escape_hidden

LONGEST_TEXT = 8192
"""Maximum characters of one field."""

Redact = Callable[[str], str]


class Entry(NamedTuple):
    """An event as it is queued on the loop; formatting happens in the writer or reader."""

    id: int
    ts: float
    event: Event
    session: int | None
    worker: str | None
    pool: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line as the Logs page shows it."""

    id: int
    """Counts up by one; never used twice in a process."""
    ts: float
    """Unix seconds."""
    level: str
    event: str
    session: int | None
    worker: str | None
    pool: str | None
    fields: Mapping[str, object]
    """The other fields, ready for JSON."""

    def json(self) -> str:
        """The line as in the file."""
        return to_json(
            {
                "ts": timestamp(self.ts),
                "event": self.event,
                "level": self.level,
                "session": self.session,
                "worker": self.worker,
                "pool": self.pool,
                **self.fields,
            }
        )


def timestamp(ts: float) -> str:
    """Unix seconds as ISO 8601, UTC, with milliseconds."""
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _field_names(kind: type[Event]) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in fields(kind)  # type: ignore[arg-type]
        if each.name not in ("session", "worker", "pool")
    )


def line_of(entry: Entry, redact: Redact | None) -> LogLine:
    """Make the line: raw traffic without passwords, all texts through ``redact`` where it is given.

    Bidirectional controls and C1 characters are escaped in the texts: JSON leaves them as they are, a terminal obeys.
    """
    event = entry.event
    values = {name: getattr(event, name) for name in _field_names(type(event))}  # type: ignore[arg-type]
    if isinstance(event, DownstreamTraffic | UpstreamTraffic):
        values["line"] = hide_passwords(event.line)
    worker = entry.worker if redact is None or entry.worker is None else redact(entry.worker)
    return LogLine(
        id=entry.id,
        ts=entry.ts,
        level=LEVEL_NAMES[event.level],
        event=event.name,
        session=entry.session,
        worker=worker,
        pool=entry.pool,
        fields={name: _plain(value, redact) for name, value in values.items()},
    )


def _plain(value: object, redact: Redact | None) -> object:
    match value:
        case str():
            text = escape_hidden(str(value) if redact is None else redact(value))
            return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
        case bytes():
            return value.hex()
        case tuple() | list() | set() | frozenset():
            return [_plain(each, redact) for each in value]
        case dict():
            return {str(key): _plain(each, redact) for key, each in value.items()}
    return value


def to_json(values: Mapping[str, object]) -> str:
    """One line of JSON without its newline. Lone surrogates and integers beyond 64 bits need the slower encoder."""
    try:
        return orjson.dumps(values, default=str).decode()
    except TypeError:
        return json.dumps(values, default=str)
