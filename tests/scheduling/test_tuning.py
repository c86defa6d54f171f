"""Every constant of the scheduler says what it is measured in, why it is there and how it was chosen."""

import ast
import re
from dataclasses import FrozenInstanceError, fields
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.scheduling import tuning
from proxy.scheduling.tuning import DEFAULT_TUNING, SchedulerTuning

pytestmark = pytest.mark.no_cover

PACKAGE = Path(tuning.__file__).parent


def docstrings() -> dict[str, str]:
    """Return the text below each field."""
    (body,) = (
        node.body for node in ast.parse(Path(tuning.__file__).read_text()).body if isinstance(node, ast.ClassDef)
    )
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = ast.literal_eval(text.value)
    return found


@pytest.mark.parametrize("name", [field.name for field in fields(SchedulerTuning)])
def test_each_constant_has_a_unit_a_reason_and_how_it_was_chosen(name: str):
    assert re.fullmatch(r"Unit: \S.*\.\n\s+Why: \S.*\.\n\s+Chosen by: \S.*\.", docstrings()[name], re.DOTALL)


def test_each_constant_is_read_somewhere():
    sources = " ".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "tuning.py")
    unread = [field.name for field in fields(SchedulerTuning) if not re.search(rf"tuning\.{field.name}\b", sources)]
    assert unread == []


def test_no_constant_can_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        DEFAULT_TUNING.check_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "path", [path for path in PACKAGE.rglob("*.py") if path.name not in ("timetable.py", "simulation.py")], ids=str
)
def test_no_module_has_constants_of_its_own(path: Path):
    # What is left are limits of what is read back or written by pools, and the mathematics' own.
    limits = {"_LARGEST_DIFFICULTY", "_MOST_FLEETS", "_NAME_MAX", "_KEY_MAX", "VERSION", "START_WALL", "_GOLDEN_RATIO"}
    values = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
    numbers = {
        target.id
        for node in values
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, int | float)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert numbers <= limits
