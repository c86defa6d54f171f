"""Instructions of a share, counted by valgrind: exact, whatever else the machine does.

``python -m tests.bench.instructions`` prints them beside those of a fixed piece of Python, which tells one interpreter
from another (a build may need a third less for everything), and fails where a share has become 15 % dearer than what is
committed. ``--do KIND NUMBER`` is what valgrind runs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.share_path import BATCH, SharePath, WorkPath

COMMITTED = {"share": 0.73, "work": 0.57}
"""Instructions in those of ``yardstick``: a share there and back, and one of a shared connection that only proves work;
both with the extranonce2 of the last one, so that nearly nothing of it is hashing."""
WORSE = 0.15
NUMBER = 2_000
VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no")
ROOT = Path(__file__).resolve().parents[2]


class _Counted:
    """What ``yardstick`` calls."""

    __slots__ = ("seen", "total")

    def __init__(self) -> None:
        self.seen: dict[bytes, int] = {}
        self.total = 0

    def add(self, key: bytes, number: int) -> bool:
        """Count ``number`` in, once for each key."""
        if key in self.seen:
            return False
        self.seen[key] = number
        self.total += number
        return True


def yardstick(number: int) -> None:
    """Calls, attributes, dictionaries and bytes, as a share has them, and nothing of this project."""
    counted = _Counted()
    for each in range(number):
        line = b'{"id":%d,"params":["one","two","%08x"]}' % (each, each)
        for place in range(20):
            head, _, rest = line.partition(b'"id":')
            parts = rest.split(b'","')
            if head.startswith(b"{") and len(parts) == 3:
                counted.add(parts[2] + b"%d" % place, int(parts[2][:8], 16))


def shares(path: SharePath, number: int) -> None:
    """So many shares in one search space, with the time that passes: what is summed is told each second."""
    path.same_space = True
    for _ in range(number // BATCH):
        path.whole()


def subjects() -> dict[str, Callable[[int], None]]:
    """What can be counted; all is made, so that each process has the same beginning."""
    own, shared = SharePath(), WorkPath()
    return {
        "yardstick": yardstick,
        "share": lambda number: shares(own, number),
        "work": lambda number: shares(shared, number),
    }


def counted(kind: str, number: int) -> int:
    """Instructions of a process that does ``kind`` so many times."""
    with tempfile.TemporaryDirectory(prefix="dpmp-instructions-") as folder:
        out = Path(folder) / "counted"
        itself = [sys.executable, "-m", "tests.bench.instructions", "--do", kind, str(number)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        subprocess.run(
            [*VALGRIND, f"--cachegrind-out-file={out}", *itself],
            cwd=ROOT,
            env={**environment, "PYTHONHASHSEED": "0"},
            capture_output=True,
            timeout=300,
            check=True,
        )
        return int(out.read_text().rpartition("summary:")[2])


def measure() -> dict[str, float]:
    """Instructions of one of each."""
    before = counted("yardstick", 0)
    return {kind: (counted(kind, NUMBER) - before) / NUMBER for kind in ("yardstick", *COMMITTED)}


def problems(found: dict[str, float]) -> list[str]:
    """What has become dearer than it may."""
    ratios = {kind: found[kind] / found["yardstick"] for kind in COMMITTED}
    return [
        f"{kind}: {ratio:.3f} times the yardstick's instructions; {COMMITTED[kind]} are committed, "
        f"{WORSE:.0%} more the most. See where it goes (tests.bench.share_path --profile); if it has to be, commit "
        "another figure and why."
        for kind, ratio in ratios.items()
        if ratio > COMMITTED[kind] * (1 + WORSE)
    ]


def can_count() -> bool:
    """Whether there is a valgrind that this machine can run."""
    nothing = [*VALGRIND, "--cachegrind-out-file=/dev/null", sys.executable, "-c", "import uvloop"]
    there = shutil.which(VALGRIND[0]) is not None
    return there and subprocess.run(nothing, capture_output=True, timeout=300, check=False).returncode == 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--do", nargs=2, metavar=("KIND", "NUMBER"))
    options = parser.parse_args(arguments)
    if options.do:
        kind, number = options.do
        subjects()[kind](int(number))
        return
    found = measure()
    for kind, instructions in found.items():
        print(f"{kind:10} {instructions:9,.0f} instructions, {instructions / found['yardstick']:.3f}")
    sys.exit("\n".join(problems(found)) or 0)


if __name__ == "__main__":
    main()
