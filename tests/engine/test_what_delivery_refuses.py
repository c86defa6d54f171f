"""A kept block candidate that cannot be sent ends with a word, and the sessions that are remembered are few."""

import random
from typing import Any

import pytest

from proxy.config.snapshot import Endpoint
from proxy.engine.delivery import MAX_AGE_S, MAX_IDLE_SESSIONS, BlockDelivery, UndeliveredBlock
from proxy.observe.events import BlockNotDelivered, EventStream
from proxy.stratum.upstream_handshake import Credentials
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.types import BlockFate, Chain, PoolKey, WorkerName
from tests.support.clock import VirtualClock

A = PoolKey("A")


def candidate(number: int = 1, **changes: Any) -> UndeliveredBlock:
    fields: dict[str, Any] = {
        "worker": WorkerName("rig"),
        "pool": A,
        "chain": Chain.BTC,
        "header_hash": number.to_bytes(32, "big"),
        "endpoint": Endpoint(host="pool.test", port=3333),
        "session_id": f"{number:08x}",
        "extranonce1": bytes(4),
        "submit": ("w.rig", "1", "00", "00000000", "00000000"),
        "credentials": Credentials(agent="dpmp", user="w.rig", password="x"),
    }
    return UndeliveredBlock(**{**fields, **changes})


class WithoutPools:
    """Delivery without any pool: whatever is kept fails at the first dial."""

    def __init__(self) -> None:
        self.fates: list[BlockFate] = []
        self.replies: list[ShareAnswer] = []
        events = EventStream()
        events.subscribe(BlockNotDelivered, lambda event: self.fates.append(event.fate))
        self.delivery = BlockDelivery(pools={}, clock=VirtualClock(), events=events, random=random.Random(1))

    def deliver(self, block: UndeliveredBlock) -> None:
        self.delivery.deliver(block, self.replies.append)


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({"age_s": MAX_AGE_S}, BlockFate.EXPIRED),
        ({"endpoint": None}, BlockFate.POOL_REMOVED),
        ({"session_id": ""}, BlockFate.NO_SESSION),
    ],
)
def test_a_block_that_is_too_old_or_has_no_way_back_is_given_up_at_once(
    changes: dict[str, Any], fate: BlockFate
) -> None:
    scene = WithoutPools()
    scene.deliver(candidate(**changes))
    assert scene.fates == [fate] and [answer.lost for answer in scene.replies] == [True]


def test_after_the_end_a_block_stays_in_the_journal_and_its_miner_is_answered() -> None:
    scene = WithoutPools()
    scene.delivery.close()
    scene.deliver(candidate())
    assert scene.fates == [] and [answer.lost for answer in scene.replies] == [True]


def test_sessions_without_a_candidate_are_remembered_up_to_a_bound() -> None:
    scene = WithoutPools()
    for number in range(2 * MAX_IDLE_SESSIONS):
        scene.deliver(candidate(number))
    assert scene.fates == [BlockFate.POOL_REMOVED] * (2 * MAX_IDLE_SESSIONS)
    assert len(scene.delivery._sessions) <= MAX_IDLE_SESSIONS
