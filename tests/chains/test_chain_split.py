"""Pools on two branches of a chain: who is on which, and what is no split."""

import pytest

from proxy.chains.chain_split import ChainSplits
from proxy.observe.events import ChainSplit, EventStream
from proxy.types import Chain, PoolKey
from tests.support.shares import A, B, Heard

C = PoolKey("C")
NBITS = 0x1D00FFFF
HEIGHT = 900_000


def block(number: int, *, work: bool = True) -> bytes:
    """As a job names it; ``work``: it meets the target of ``NBITS``."""
    return number.to_bytes(4, "little") * 6 + (bytes(8) if work else b"\xff" * 8)


class Scene:
    def __init__(self) -> None:
        events = EventStream()
        self.heard = Heard(events, ChainSplit)
        self.splits = ChainSplits(events)

    def follow(self, pool: PoolKey, *blocks: bytes, first: int = HEIGHT) -> None:
        for height, prevhash in enumerate(blocks, first):
            self.splits.named(Chain.BTC, pool, height, prevhash, NBITS)

    @property
    def told(self) -> list[tuple[tuple[str, ...], bool]]:
        return [(event.sides, event.cleared) for event in self.heard.all]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_pools_on_the_same_branch_are_named_together(scene: Scene) -> None:
    scene.follow(A, block(1), block(2), block(3))
    scene.follow(C, block(1), block(2), block(3))
    scene.follow(B, block(1), block(12), block(13))
    assert scene.told[-1] == (("A+C", "B"), False)
    assert scene.heard.all[-1].height == HEIGHT


def test_blocks_without_the_work_of_the_other_branch_are_no_branch(scene: Scene) -> None:
    scene.follow(A, block(1), block(2), block(3))
    scene.follow(B, block(1), block(12, work=False), block(13, work=False))
    assert scene.told == []


def test_a_pool_that_went_to_another_chain_is_on_no_branch_of_its_old_one(scene: Scene) -> None:
    scene.follow(A, block(1), block(2), block(3))
    scene.follow(B, block(1), block(12), block(13))
    assert scene.told == [(("A", "B"), False)]
    scene.splits.named(Chain.BCH, B, HEIGHT, block(50), NBITS)
    scene.follow(A, block(4), first=HEIGHT + 3)
    assert scene.told == [(("A", "B"), False), ((), True)]
