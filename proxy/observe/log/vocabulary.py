"""The log's vocabulary for people, made from the registry of events.

``python -m proxy.observe.log.vocabulary docs/log-events.md`` renews the table in that page.
"""

import inspect
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from proxy.observe.events import REGISTRY
from proxy.observe.log.choice import LEVEL_NAMES

BEGIN, END = "<!-- made from proxy/observe/events: begin -->", "<!-- made from proxy/observe/events: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One event name as the admin and the documentation explain it."""

    name: str
    level: str
    says: str
    """One or more sentences."""
    fields: tuple[str, ...]


def vocabulary() -> list[Word]:
    """All events, in the order of the registry."""
    return [
        Word(
            name=name,
            level=LEVEL_NAMES[kind.level],
            says=" ".join((inspect.getdoc(kind) or "").split()),
            fields=tuple(each.name for each in fields(kind)),  # type: ignore[arg-type]
        )
        for name, kind in REGISTRY.items()
    ]


def table() -> str:
    """The vocabulary as a Markdown table."""
    rows = ["| event | level | says | fields |", "|---|---|---|---|"]
    for word in vocabulary():
        says = word.says.replace("``", "`").replace("|", "\\|")
        rows.append(f"| `{word.name}` | {word.level} | {says} | {', '.join(word.fields)} |")
    return "\n".join(rows)


def renewed(page: str) -> str:
    """``page`` with the table between the marks made anew.

    Raises:
        ValueError: the marks are missing.
    """
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text()))
