"""The table of events in ``docs/log-events.md``, made from the registry.

``python -m proxy.observe.log.vocabulary docs/log-events.md`` updates it.
"""

import inspect
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from proxy.observe.events import REGISTRY
from proxy.observe.log.log_filter import LEVEL_NAMES

BEGIN, END = "<!-- made from proxy/observe/events: begin -->", "<!-- made from proxy/observe/events: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDoc:
    """One event name as the admin and the documentation explain it."""

    name: str
    level: str
    meaning: str
    """One or more sentences."""
    fields: tuple[str, ...]


def vocabulary() -> list[EventDoc]:
    """All events, in the order of the registry."""
    return [
        EventDoc(
            name=name,
            level=LEVEL_NAMES[kind.level],
            meaning=" ".join((inspect.getdoc(kind) or "").split()),
            fields=tuple(each.name for each in fields(kind)),  # type: ignore[arg-type]
        )
        for name, kind in REGISTRY.items()
    ]


def table() -> str:
    """The vocabulary as a Markdown table."""
    rows = ["| event | level | says | fields |", "|---|---|---|---|"]
    for row in vocabulary():
        meaning = row.meaning.replace("``", "`").replace("|", "\\|")
        rows.append(f"| `{row.name}` | {row.level} | {meaning} | {', '.join(row.fields)} |")
    return "\n".join(rows)


def updated(page: str) -> str:
    """``page`` with the table between the marks made anew.

    Raises:
        ValueError: the marks are missing.
    """
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(updated(target.read_text()))
