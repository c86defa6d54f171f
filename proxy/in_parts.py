"""What takes long, in parts: a generator that pauses, so that whoever runs it can do something else in between."""

from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def in_parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield ``whole`` in order, ``size`` of it at a time."""
    for begin in range(0, len(whole), size):
        yield whole[begin : begin + size]


def at_once(work: Generator[None, None, T]) -> T:
    """Do all of ``work`` without a pause, and return what comes of it."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
