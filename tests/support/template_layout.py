"""Checks how the templates are laid out; ``python -m tests.support.template_layout`` is part of ``make test``.

A line has 160 characters at most. An element or block tag that begins a line and ends at the beginning of another
stands at the same indentation in both, with everything between them further in, by multiples of two spaces.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2] / "templates"
MAX_LINE = 160
VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})
BLOCKS = frozenset({"if", "for", "with", "block", "blocktranslate"})
BETWEEN = frozenset({"elif", "else", "empty", "plural"})
"""Tags that part a block and stand where it begins."""
TOKEN = re.compile(
    r"{#.*?#}|{{.*?}}|{%\s*(?P<tag>\w+).*?%}|</(?P<close>[\w-]+)>"
    r"|<(?P<open>[a-zA-Z][\w-]*)(?:{%.*?%}|{{.*?}}|\"[^\"]*\"|'[^']*'|[^>\"'])*?(?P<end>/?)>",
    re.DOTALL,
)


class Opened(NamedTuple):
    """Where an element or a block tag begins."""

    name: str
    line: int
    indent: int
    leads: bool
    """Whether it is the first of its line."""


def problems(text: str) -> Iterator[tuple[int, str]]:
    """Line and what is wrong with it."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield number, f"{len(line)} characters"
        if "\t" in line or line != line.rstrip():
            yield number, "a tab, or blanks at the end"
        if _indent(line) % 2:
            yield number, "an odd indentation"
    stack: list[Opened] = []
    for found in TOKEN.finditer(text):
        line = text.count("\n", 0, found.start())
        indent = _indent(lines[line])
        leads = not text[: found.start()].rpartition("\n")[2].strip()
        tag, close, name = found["tag"], found["close"], found["open"]
        if tag in BLOCKS or (name and name not in VOID and not found["end"]):
            stack.append(Opened(tag or name, line, indent, leads))
        elif close or (tag and tag.startswith("end") and tag[3:] in BLOCKS):
            if not stack or stack[-1].name != (close or tag[3:]):
                yield line + 1, f"{found[0]} closes nothing"
                return
            yield from _closed(stack.pop(), line, indent, leads, lines)
    for opened in stack:
        yield opened.line + 1, f"{opened.name} is not closed"


def _closed(opened: Opened, line: int, indent: int, leads: bool, lines: list[str]) -> Iterator[tuple[int, str]]:
    if not (opened.leads and leads and line > opened.line) or opened.name == "blocktranslate":
        return
    if indent != opened.indent:
        yield line + 1, f"{opened.name} of line {opened.line + 1} ends at another indentation"
    for between in range(opened.line + 1, line):
        text = lines[between]
        parts = re.match(r"\s*{%\s*(\w+)", text)
        if text.strip() and _indent(text) <= opened.indent and not (parts and parts[1] in BETWEEN):
            yield between + 1, f"not further in than {opened.name} of line {opened.line + 1}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = [
        f"{path.relative_to(ROOT.parent)}:{line}: {text}"
        for path in sorted(ROOT.rglob("*.html"))
        for line, text in problems(path.read_text(encoding="utf-8"))
    ]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
