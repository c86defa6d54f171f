"""How long is fuzzed, and where findings go."""

import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).parent / "corpus"
CASES = 60
"""Of each kind in the suite, the same ones each time; ``make fuzz`` looks for others."""
MINUTES = float(os.environ.get("DPMP_FUZZ_MINUTES", "0"))
SEED = os.environ.get("DPMP_FUZZ_SEED", str(time.time_ns()) if MINUTES else "0")
FINDINGS = os.environ.get("DPMP_FUZZ_FINDINGS", "")
"""Folder; empty: the system's for temporary files."""

Fuzz = Callable[..., None]


@cache
def seeds(kind: str) -> list[Any]:
    """The corpus of a kind, one document a file."""
    return [json.loads(path.read_text()) for path in sorted((CORPUS / kind).glob("*.json"))]


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """``fuzz(make, run)`` runs what ``make`` makes of a seed, again and again. Of each kind of failure the first case
    is written down; the test fails at the end with all kinds."""

    def go(make: Callable[[str], Any], run: Callable[[Any], None], cases: int = CASES) -> None:
        kinds: dict[str, str] = {}
        for number in _numbers(cases):
            case = make(f"{request.node.name}/{SEED}/{number}")
            try:
                run(case)
            except Exception as error:
                kind = _kind(error)
                if kind not in kinds:
                    kinds[kind] = f"{kind}, case {number} of seed {SEED} ({_written(request.node.name, case)}): {error}"
        if kinds:
            raise AssertionError("\n".join(text[:1_000] for text in kinds.values()))

    return go


def _kind(error: Exception) -> str:
    """Where it was raised: our innermost frame."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def _numbers(cases: int) -> Iterator[int]:
    ends = time.monotonic() + 60 * MINUTES
    number = 0
    while time.monotonic() < ends if MINUTES else number < cases:
        number += 1
        yield number


def _written(name: str, case: Any) -> str:
    place = Path(FINDINGS or tempfile.gettempdir()) / f"{name}-{time.time_ns()}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(case, indent=1))
    return str(place)
