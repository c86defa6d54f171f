"""No test only runs: each says what has to be, by itself or through a helper that fails where it is not so."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_architecture import ROOT

pytestmark = pytest.mark.no_cover

Function = ast.FunctionDef | ast.AsyncFunctionDef

FAILING = {"raises", "warns", "fail", "expect", "fuzz"}
"""What fails where something is not so: pytest's, Playwright's, and the fixture of the fuzz tests."""
BEGINNINGS = ("assert", "Assert", "django_assert", "wait_for", "until")
"""Of other names that do: a wait for a fact fails at its time limit."""
METHODS = {"closed", "mined", "ping", "told"}
"""Of connections, fleets and proxies in the tests: they wait for a fact, too."""


def names_in(function: Function) -> set[str]:
    """All that a function calls or hands on; ``assert`` for the statement."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            names.add("assert")
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names.add(node.func.attr)
    return names


def claims(names: set[str], helpers: set[str]) -> bool:
    """Whether one of them can fail because something is not so."""
    return not names.isdisjoint(helpers) or any(name.startswith(BEGINNINGS) for name in names)


def collected(tree: ast.Module) -> Iterator[Function]:
    """The tests: functions of the module and methods of its classes."""
    for node in [*tree.body, *(part for each in tree.body if isinstance(each, ast.ClassDef) for part in each.body)]:
        if isinstance(node, Function) and node.name.startswith("test"):
            yield node


def examined(tree: ast.Module, imported: Iterable[str] = ()) -> tuple[set[str], list[str]]:
    """The names of a module that claim something, also through one another, and its tests that do not."""
    tests = [(test.name, names_in(test)) for test in collected(tree)]
    others = [(node.name, names_in(node)) for node in ast.walk(tree) if isinstance(node, Function)]
    others = [(name, names) for name, names in others if not name.startswith("test")]
    known, before = FAILING | METHODS | set(imported), -1
    while len(known) > before:
        before = len(known)
        known |= {name for name, names in others if claims(names, known)}
    return known, [name for name, names in tests if not claims(names, known)]


@cache
def examined_file(path: Path) -> tuple[set[str], list[str]]:
    """The same of a file, with what it imports from others of the tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            there = (ROOT / (node.module or "").replace(".", "/")).with_suffix(".py")
            if there.exists() and there != path:
                helpers, _ = examined_file(there)
                imported |= {each.asname or each.name for each in node.names if each.name in helpers}
    return examined(tree, imported)


def test_a_test_that_asserts_nothing_would_be_found() -> None:
    _, without = examined(
        ast.parse("""
def helper(x): assert x
def setting(x): return x
def through(x): helper(x)
def test_good(): assert setting(1)
def test_helped(): through(1)
def test_helped_elsewhere(): in_a_thread(helper)(1)
def test_raises():
    with pytest.raises(ValueError): setting(1)
async def test_waits(page): await page.wait_for_url("/")
def test_runs(): setting(1)
def test_runs_another(): test_good()
class TestMore:
    def test_runs_as_well(self): setting(2)
""")
    )
    assert without == ["test_runs", "test_runs_another", "test_runs_as_well"]


def test_no_test_only_runs() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in examined_file(path)[1]
    ] == []
