"""How a miner's fixed extranonce is carved out of each pool's (docs/dev/decisions, 0001).

coinbase = coinb1 + pool extranonce1 + [padding + miner extranonce1 + miner extranonce2] + coinb2, where the part in
brackets is what the pool calls extranonce2. The miner sees ``coinb1 + pool extranonce1 + padding`` as its coinb1.
"""

from collections.abc import Iterable
from dataclasses import dataclass

USUAL_SIZE = 4
"""Bytes of extranonce2 that every firmware can use: Avalon hardware and rented hash want exactly 4."""
SIZE_WHILE_UNKNOWN = 4
MAX_POOL_SIZE = 16


@dataclass(frozen=True, slots=True)
class MinerExtranonce:
    """What one miner has for the life of its connection."""

    extranonce1: bytes
    size: int
    """Bytes of its extranonce2."""

    @property
    def room(self) -> int:
        """Bytes that a pool's extranonce2 must have at least."""
        return len(self.extranonce1) + self.size


def sizes_for(
    pool_sizes: Iterable[int | None],
    *,
    needs_extranonce1: bool = False,
    wants_extranonce1: bool = False,
    least: int = 2,
    even: bool = False,
) -> tuple[int, int]:
    """Return the lengths of (extranonce1, extranonce2) for a miner that may be sent to pools with ``pool_sizes``.

    None stands for a size not known yet. ``needs_extranonce1``: the firmware aborts on an empty one (NerdMiner).
    ``wants_extranonce1``: it may, so it gets an empty one only where no pool has room for another.
    ``least``: the smallest extranonce2 that the firmware can use; pools that leave less room are not for it.
    ``even``: it knows only sizes of 2 and 4.
    """
    known = [SIZE_WHILE_UNKNOWN if size is None else size for size in pool_sizes]
    first = int(needs_extranonce1 or (wants_extranonce1 and any(size > least for size in known)))
    room = min((size for size in known if size >= least + first), default=SIZE_WHILE_UNKNOWN)
    size = min(USUAL_SIZE, room - first)
    if even:
        size -= size % 2
    return max((room - size) // 2, first), size


def shared_sizes_for(pool_sizes: Iterable[int | None], *, least: int = 2, even: bool = False) -> tuple[int, int]:
    """As ``sizes_for``, for a miner that may come to share connections: its extranonce1 tells it apart from the others.

    With 8 bytes (as with 6): 2 and 4; with 4: 1 and 3, or 2 and 2 for firmware that knows only ``even`` sizes (it is
    slow). (0, 0) where no pool leaves room for both: such a miner has connections of its own.
    """
    known = [SIZE_WHILE_UNKNOWN if size is None else size for size in pool_sizes]
    room = min((size for size in known if size > least), default=0)
    if room >= USUAL_SIZE + 2:
        return 2, USUAL_SIZE
    size = min(USUAL_SIZE, room - 1)
    if even:
        size -= size % 2
    return (min(room - size, 2), size) if size >= least else (0, 0)


class ExtranoncePadding:
    """A connection's padding: every issue of a job gets another one, so no search space is handed out twice."""

    __slots__ = ("_next",)

    def __init__(self, start: int = 0) -> None:
        self._next = start

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; b"" for none."""
        if size <= 0:
            return b""
        value = self._next % (1 << 8 * min(size, 4))
        self._next += 1
        return value.to_bytes(size, "big")
