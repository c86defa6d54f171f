"""``python -m tests.support.coverage_limits`` judges the coverage that a test run left behind, and prints it.

Every line of the pure modules is to be reached: those that are not are listed, and the run fails where they are more
than a few. Of all lines it is ``OVERALL``; branches are printed beside. A line that no test can reach is marked
``# pragma: no cover - reason``. Ends with exit code 1 where a limit is not kept.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from coverage import Coverage
from coverage.exceptions import CoverageException

from tests.test_architecture import MODULES, ROOT, is_pure

PURE = 99.95
"""Percent of the lines of the pure modules: all but six, which whole processes in the tests may reach in one run and
not in the next."""
OVERALL = 90.0
"""Percent of all lines."""
MARK = re.compile(r"#\s*pragma:\s*no cover(?P<reason>.*)")


class Reached(NamedTuple):
    """What of some files the tests reach."""

    lines: int
    lines_reached: int
    branches: int
    branches_reached: int

    def __str__(self) -> str:
        return (
            f"{self.lines_reached} of {self.lines} lines ({_percent(self.lines_reached, self.lines)}), "
            f"{self.branches_reached} of {self.branches} branches ({_percent(self.branches_reached, self.branches)})"
        )


def _percent(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.2f} %" if whole else "none"


def add(several: list[Reached]) -> Reached:
    """The sum."""
    return Reached(*(sum(column) for column in zip(*several, strict=True))) if several else Reached(0, 0, 0, 0)


def measured(coverage: Coverage, path: Path) -> tuple[Reached, list[int]]:
    """What of a file is reached, and the lines that are not. A file that was never imported is not reached at all."""
    _, statements, _, missing, _ = coverage.analysis2(str(path))
    branches = coverage.branch_stats(str(path)).values()
    return (
        Reached(
            lines=len(statements),
            lines_reached=len(statements) - len(missing),
            branches=sum(exits for exits, _ in branches),
            branches_reached=sum(taken for _, taken in branches),
        ),
        missing,
    )


def marks_without_a_reason(path: Path) -> Iterator[int]:
    """Lines that are left out and do not say why."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = MARK.search(line)
        if found and not re.search(r"\w", found["reason"]):
            yield number


def ranges(numbers: list[int]) -> str:
    """``1-3, 7``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def main() -> int:
    """Print the figures and everything that is wrong."""
    coverage = Coverage()
    coverage.load()
    pure: list[Reached] = []
    everything: list[Reached] = []
    wrong: list[str] = []
    unreached: list[str] = []
    for name, path in MODULES.items():
        where = path.relative_to(ROOT)
        wrong += [f"{where}:{line}: says no reason for leaving it out" for line in marks_without_a_reason(path)]
        try:
            reached, missing = measured(coverage, path)
        except CoverageException as error:
            wrong.append(f"{where}: {error}")
            continue
        everything.append(reached)
        if is_pure(name):
            pure.append(reached)
            if missing:
                unreached.append(f"{where}: no test without the mark no_cover reaches line {ranges(missing)}")
    core, whole = add(pure), add(everything)
    sys.stdout.write("".join(f"{line}\n" for line in unreached))
    sys.stdout.write(f"Coverage of the pure modules: {core}\nCoverage of everything: {whole}\n")
    if core.lines_reached < PURE / 100 * core.lines:
        wrong.append(f"fewer than {PURE:g} % of the lines of the pure modules are reached")
    if whole.lines_reached < OVERALL / 100 * whole.lines:
        wrong.append(f"fewer than {OVERALL:g} % of all lines are reached")
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
