"""The project's words are the field's: what was renamed does not come back, in names, texts, pages or documents."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.test_architecture import MODULES, ROOT

pytestmark = pytest.mark.no_cover

# Parts of names (``told_mask`` has told and mask): metaphors and words of our own, and what they are called now.
PARTS = {
    "agenda": "timer queue",
    "attachment": "pool link",
    "attachments": "pool link",
    "chances": "expected shares",
    "chore": "periodic job",
    "courier": "deliverer",
    "crowd": "pool load",
    "desk": "submit handler",
    "doors": "viewer access",
    "episode": "incident",
    "filler": "extranonce padding",
    "forgive": "cap surplus",
    "judge": "check",
    "judged": "check",
    "lane": "upstream connection, pool link",
    "lanes": "upstream connection, pool link",
    "leftovers": "batch spool",
    "noticeboard": "notify cache",
    "parcel": "delivery",
    "reckon": "total",
    "rescue": "fail over",
    "settle_in": "rebalance new miner",
    "take_out": "exclude pool",
    "ticket": "id",
    "tiding": "notification",
    "tidings": "notification",
    "told": "assigned, sent, announced",
    "vacate": "unassign",
    "visitor": "viewer",
    "wish": "suggested",
    "wished": "suggested",
}
WHOLE = {
    "Books": "FleetTotals",
    "Box": "Outbox",
    "EngineMemory": "SchedulerState",
    "Look": "a snapshot, a clock",
    "Mark": "BlockMark, SimSample, SessionKey",
    "MemorySink": "StateSaver",
    "Notice": "NotifyTemplate",
    "OnItsWay": "PendingShare",
    "Shared": "SingleFlight",
    "Signs": "Evaluators",
    "Slice": "ShareDelta",
    "in_hand": "surplus",
    "one_at_a_turn": "per_loop_lock",
    "say": "_",
}
IN_A_FOLDER = {
    # A mask or bits of what? The log field ``mask`` keeps its name, for those who read logs.
    "proxy.engine": {"bits", "mask"},
    "proxy.stratum": {"bits", "mask"},
    "proxy.scheduling": {"carry", "row", "rows"},
}
IN_SENTENCES = {"desk", "judged", "told", "visitor"}
"""Tests are called by sentences, in which these are plain English."""
TEXTS = re.compile(r"\bcan not\b|\b[Ll]anes?\b|\bin hand\b|\bShareDesk\b|\b[Aa]genda\b|\b[Ll]eftovers?\b")


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Names that a module gives: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


@cache
def parts_of(name: str) -> frozenset[str]:
    """The words of a name, and each two that stand together: ``settle_in``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")
    return frozenset((*words, *("_".join(pair) for pair in pairwise(words)), "".join(words)))


def test_no_name_is_a_word_that_was_replaced() -> None:
    wrong = []
    for module, path in MODULES.items():
        if ".migrations." in module:
            continue
        here = {word for folder, words in IN_A_FOLDER.items() if module.startswith(folder) for word in words}
        for line, name in names(path):
            bare = name.strip("_")
            if parts_of(name) & PARTS.keys() or bare in WHOLE or bare in here:
                wrong.append(f"{path.relative_to(ROOT)}:{line} {name}")
    assert not wrong


def test_tests_speak_the_words_of_what_they_test() -> None:
    tests = ROOT / "tests"
    replaced = PARTS.keys() - IN_SENTENCES
    assert not [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted(tests.rglob("*.py"))
        if "vendor" not in path.parts
        for line, name in names(path)
        if parts_of(name) & replaced
    ]


def test_no_text_has_a_word_that_was_replaced() -> None:
    files = [path for module, path in MODULES.items() if ".migrations." not in module]
    for pattern in ("templates/**/*.html", "docs/**/*.md", "dashboard/static/dashboard/*.js", "*.md"):
        files += ROOT.glob(pattern)
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {found[0]}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (found := TEXTS.search(line))
    ]
    assert not wrong
