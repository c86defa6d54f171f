"""Writes of one turn of the loop, made together at its end.

uvloop 0.22 (handles/stream.pyx, ``_initiate_write``) writes to the socket within ``write``, so many lines to one peer
were as many system calls, and each write between two reads woke the peer for a single line. Written one after the other
they cost a third less, and each peer gets one write. Nothing waits longer than its turn, and no more than ``MOST_HELD``
peers wait: in a turn of a flood there may be a thousand.
"""

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary

MOST_HELD = 64


class Holder(Protocol):
    """A connection that holds back what it has to send."""

    def write_held(self) -> None:
        """Write it; nothing where there is none."""


class HeldWrites:
    """One loop's."""

    __slots__ = ("_holders", "_is_armed")

    def __init__(self) -> None:
        self._is_armed = False
        self._holders: list[Holder] = []

    def add(self, holder: Holder) -> None:
        """Have ``holder`` write before the next turn; it asks once for all that it holds."""
        self._holders.append(holder)
        if len(self._holders) >= MOST_HELD:
            self._write()
        elif not self._is_armed:
            self._is_armed = True
            asyncio.get_running_loop().call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._is_armed = False
        self._write()

    def _write(self) -> None:
        holders, self._holders = self._holders, []
        for holder in holders:
            try:
                holder.write_held()
            except Exception as error:  # one connection's: the others' lines go out all the same
                loop = asyncio.get_running_loop()
                loop.call_exception_handler({"message": "a write failed", "exception": error})


_of_loops: "WeakKeyDictionary[asyncio.AbstractEventLoop, HeldWrites]" = WeakKeyDictionary()


def held_writes_of(loop: asyncio.AbstractEventLoop) -> HeldWrites:
    """The one of ``loop``."""
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = HeldWrites()
    return found
