"""Whether a chain has split: which pools name other blocks than others, for two heights in a row.

Both branches must carry the work that the other one asks for, so a pool cannot invent a branch.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

from proxy.observe.events import ChainSplit, EventStream
from proxy.stratum.difficulty import target_of_nbits
from proxy.types import Chain, PoolKey

_RETARGET = 4
"""Largest factor between two targets (Bitcoin Core, ``pow.cpp``)."""
_HEIGHTS_KEPT = 16

_Named = OrderedDict[int, tuple[bytes, int]]
"""Height looked for -> (previous block, nbits), the newest last."""


@dataclass(slots=True)
class _Branches:
    named: dict[PoolKey, _Named] = field(default_factory=dict)
    pairs: set[tuple[PoolKey, PoolKey]] = field(default_factory=set)
    """Pools that follow different branches."""
    sides: tuple[str, ...] = ()
    """What the last event said."""


class ChainSplits:
    """Keeps the newest blocks that each pool named; emits ``ChainSplit`` when the branches change."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._chains: dict[Chain, _Branches] = {}

    def named(self, chain: Chain, pool: PoolKey, height: int, prevhash: bytes, nbits: int) -> None:
        """``pool`` looks for the block at ``height`` behind ``prevhash``."""
        if chain is Chain.OTHER or not height:
            return
        for other, branches in self._chains.items():
            if other is not chain:
                branches.named.pop(pool, None)
        known = self._chains.get(chain)
        if known is None:
            known = self._chains[chain] = _Branches()
        blocks = known.named.get(pool)
        if blocks is None:
            blocks = known.named[pool] = OrderedDict()
        if blocks.get(height) != (prevhash, nbits):
            blocks[height] = (prevhash, nbits)
            while len(blocks) > _HEIGHTS_KEPT:
                blocks.popitem(last=False)
            self._compare(chain, known)

    def forget(self, pool: PoolKey) -> None:
        """``pool`` has no connection any more."""
        for chain, branches in self._chains.items():
            if branches.named.pop(pool, None) is not None:
                self._compare(chain, branches)

    def _compare(self, chain: Chain, branches: _Branches) -> None:
        height = 0
        for one, other in combinations(sorted(branches.named), 2):
            apart = _apart(branches.named[one], branches.named[other])
            if apart:
                branches.pairs.add((one, other))
                height = height or apart
            elif apart == 0:
                branches.pairs.discard((one, other))
        branches.pairs = {pair for pair in branches.pairs if all(pool in branches.named for pool in pair)}
        sides = _sides(branches.named, branches.pairs)
        if sides != branches.sides:
            branches.sides = sides
            self._events.emit(ChainSplit(chain=chain, height=height, sides=sides, cleared=not sides))


def meets_target(block_hash: bytes, target: int) -> bool:
    """Return whether a block's hash (as in ``prevhash``, little-endian) is the work that ``target`` asks for."""
    return int.from_bytes(block_hash, "little") <= target


def _apart(one: _Named, other: _Named) -> int | None:
    """Return the height of the first block seen to differ, where two pools differ in two blocks in a row.

    Both blocks carry the work that the other branch asks for (within a retarget). 0: the pools agree on the newest
    block that both have named. None: nothing new can be said.
    """
    common = sorted(one.keys() & other.keys())
    if not common:
        return None
    newest = common[-1]
    if one[newest][0] == other[newest][0]:
        return 0
    if newest - 1 not in one or newest - 1 not in other or one[newest - 1][0] == other[newest - 1][0]:
        return None
    carry_work = meets_target(one[newest][0], _RETARGET * target_of_nbits(other[newest - 1][1])) and meets_target(
        other[newest][0], _RETARGET * target_of_nbits(one[newest - 1][1])
    )
    if not carry_work:
        return None
    return next(height for height in common if one[height][0] != other[height][0]) - 1


def _sides(pools: Iterable[PoolKey], pairs: set[tuple[PoolKey, PoolKey]]) -> tuple[str, ...]:
    """Return the pools of each branch, as ``A+C``; empty where the chain is one."""
    if not pairs:
        return ()
    sides: list[list[PoolKey]] = []
    for pool in sorted(pools):
        side = next(
            (side for side in sides if not any((each, pool) in pairs or (pool, each) in pairs for each in side)), None
        )
        if side is None:
            sides.append([pool])
        else:
            side.append(pool)
    return tuple("+".join(side) for side in sides)
