"""A share must not become dearer by and by.

Counted in instructions where a valgrind can run, which tells 15 % whatever else the machine does; else in processor
time beside bare hashes, which differs more than that from machine to machine, so that it finds only what is far dearer.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import instructions

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_share_costs_at_most_fifteen_percent_more_than_committed() -> None:
    """In a process of its own: coverage would count each line of it."""
    check = ["tests.bench.instructions"] if instructions.can_count() else ["tests.bench.share_path", "--check"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", *check],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dearer", [*instructions.COMMITTED])
def test_one_part_that_is_a_fifth_dearer_is_named(dearer: str) -> None:
    found = {"yardstick": 1_000.0} | {kind: 1_000.0 * ratio for kind, ratio in instructions.COMMITTED.items()}
    assert not instructions.problems(found)
    found[dearer] *= 1.2
    assert [problem.partition(":")[0] for problem in instructions.problems(found)] == [dearer]
