"""What a pool says of its chain: which block came after which, and whether it stands by that.

A word is cheap: ``stale_tips`` decides what of it counts.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

CLAIMS_KEPT = 64
"""Of each pool and chain: half a day of Bitcoin's blocks."""


@dataclass(slots=True)
class BlockClaim:
    """A pool's word that ``block`` follows ``parent``."""

    parent: bytes
    block: bytes
    height: int
    """That jobs on ``block`` look for."""
    at: float
    is_withdrawn: bool = False


@dataclass(slots=True)
class PoolClaims:
    """What a pool has said of a chain."""

    by_parent: OrderedDict[bytes, BlockClaim] = field(default_factory=OrderedDict)
    by_block: dict[bytes, BlockClaim] = field(default_factory=dict)
    working_on: dict[bytes, int] = field(default_factory=dict)
    """Block -> connections."""
    abandoned: dict[bytes, BlockClaim] = field(default_factory=dict)
    """Claims whose block no connection works on and none has gone on from."""
    seen: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """Blocks named before, in this order."""
    highest: BlockClaim | None = None
    """The claim of the greatest height that was not withdrawn."""
    _seen: int = 0

    def add(self, claim: BlockClaim) -> None:
        """Keep a claim: the first one of its parent, and of its block."""
        self.by_parent[claim.parent] = self.by_block[claim.block] = claim
        if self.highest is None or claim.height > self.highest.height:
            self.highest = claim
        while len(self.by_parent) > CLAIMS_KEPT:
            _, old = self.by_parent.popitem(last=False)
            del self.by_block[old.block]
            self.abandoned.pop(old.block, None)

    def withdraw(self, claim: BlockClaim) -> None:
        """The pool does not stand by ``claim`` any more, and cannot make it again."""
        claim.is_withdrawn = True
        self.abandoned.pop(claim.block, None)
        if claim is self.highest:
            others = (each for each in self.by_parent.values() if not each.is_withdrawn)
            self.highest = max(others, key=lambda each: each.height, default=None)

    def see(self, block: bytes) -> None:
        """The pool named ``block``."""
        if block not in self.seen:
            self._seen += 1
            self.seen[block] = self._seen
            while len(self.seen) > CLAIMS_KEPT:
                self.seen.popitem(last=False)

    def had_before(self, block: bytes, newer: bytes) -> bool:
        """Whether the pool named ``block`` before it first named ``newer``: then it does not come after it."""
        at = self.seen.get(block)
        return at is not None and at < self.seen.get(newer, at + 1)

    def stands_by(self, claim: BlockClaim) -> bool:
        """Whether a connection works on the block or on one that was claimed to come after it."""
        while not claim.is_withdrawn:
            if self.working_on.get(claim.block):
                return True
            following = self.by_parent.get(claim.block)
            if following is None or following.height <= claim.height:
                return False
            claim = following
        return False
