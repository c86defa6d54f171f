"""The banner of a block found: on every page until the person who looks has closed it."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from dashboard.access import Access
from dashboard.explorers import block_page
from dashboard.live import region
from dashboard.svg import pool_style_key
from proxy.balance.sources import NOT_IN_CHAIN
from proxy.models.history import Block, BlockVerdict
from proxy.observe.live.views import LiveSnapshot

NEWEST = 20
"""Blocks that a banner can speak of; who has closed none of more sees them in Records."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block as its banner shows it."""

    block: Block
    state: str
    """``accepted``, ``rejected``, ``orphaned`` or ``pending``."""
    page: str
    """Of an explorer; empty in the demonstration."""


class _Newest:
    """The newest blocks, read once for a snapshot, whoever asks."""

    def __init__(self) -> None:
        self._of: LiveSnapshot | None = None
        self._blocks: Sequence[Block] = ()

    def get(self, snap: LiveSnapshot) -> Sequence[Block]:
        """The newest first."""
        if self._of is not snap:
            self._of, self._blocks = snap, list(Block.objects.order_by("-pk")[:NEWEST])
        return self._blocks


_newest = _Newest()


def _shown(snap: LiveSnapshot, argument: str) -> Hashable:
    known = tuple((block.pk, block.verdict, block.fate, block.confirmations) for block in _newest.get(snap))
    return known, pool_style_key(snap), snap.demo


@region("found", version=_shown, every_s=2.0)
def found(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Blocks that came after those that the person has closed; ``argument``: ``<last closed>-<since when, unix>``."""
    closed, _dash, since = argument.partition("-")
    if not (closed.isdecimal() and since.isdecimal()):
        return {"found": []}
    blocks = [one for one in _newest.get(snap) if one.pk > int(closed) and one.at.timestamp() >= int(since)]
    return {
        "found": [_found(snap, one) for one in blocks[:SHOWN]],
        "more": max(0, len(blocks) - SHOWN),
        "last": blocks[0].pk if blocks else 0,
    }


def _found(snap: LiveSnapshot, block: Block) -> FoundBlock:
    state = {
        BlockVerdict.ACCEPTED: "accepted",
        BlockVerdict.REJECTED: "rejected",
    }.get(BlockVerdict(block.verdict), "pending")
    if block.fate in ("accepted", "arrived"):
        state = "accepted"
    if block.confirmations is not None:  # the chain has the last word
        state = "orphaned" if block.confirmations == NOT_IN_CHAIN else "accepted"
    return FoundBlock(block, state, "" if snap.demo else block_page(block.chain, block.header_hash))
