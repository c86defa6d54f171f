"""Turns events into log lines."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from math import modf
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
    part, whole = modf(ts)
    second, micros = divmod(int(whole) * 1_000_000 + round(part * 1e6), 1_000_000)
    return f"{_second(second)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    """Many lines have the same: a farm that connects writes thousands a second."""
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


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
    return LogLine(
        id=entry.id,
        ts=entry.ts,
        level=LEVEL_NAMES[entry.event.level],
        event=entry.event.name,
        session=entry.session,
        worker=_worker(entry, redact),
        pool=entry.pool,
        fields=_fields(entry.event, redact),
    )


def json_of(entry: Entry, redact: Redact | None) -> str:
    """``line_of(entry, redact).json()``, in one go."""
    event = entry.event
    head: dict[str, object] = {
        "ts": timestamp(entry.ts),
        "event": event.name,
        "level": LEVEL_NAMES[event.level],
        "session": entry.session,
        "worker": _worker(entry, redact),
        "pool": entry.pool,
    }
    head.update(_fields(event, redact))
    return to_json(head)


def _worker(entry: Entry, redact: Redact | None) -> str | None:
    return entry.worker if redact is None or entry.worker is None else redact(entry.worker)


def _fields(event: Event, redact: Redact | None) -> dict[str, object]:
    values = {name: _plain(getattr(event, name), redact) for name in _field_names(type(event))}  # type: ignore[arg-type]
    if isinstance(event, DownstreamTraffic | UpstreamTraffic):
        values["line"] = _plain(hide_passwords(event.line), redact)
    return values


_AS_IT_IS = frozenset({int, float, bool, type(None)})


def _plain(value: object, redact: Redact | None) -> object:
    if type(value) in _AS_IT_IS:
        return value
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
