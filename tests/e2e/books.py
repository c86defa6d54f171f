"""Whether miners, proxy and pools tell the same story about every share."""

import math
from collections.abc import Sequence

from proxy.simulator.pool import SimPool
from tests.e2e.direct import DIRECT
from tests.e2e.fleet import Fleet
from tests.e2e.pools import TimedPool, shares_of
from tests.e2e.process import ProxyProcess

IN_FLIGHT_S = 2.0
"""How long a share may have been under way on a busy machine: stale ones were seen to be 1.1 s late."""
FOUND_TOO_LATE_S = 0.5
"""How long before the next block a block may have been found and still come too late."""


async def check_books(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[SimPool]) -> None:
    """Each submit was answered exactly once, and all three count the same: nothing was lost in silence.

    A share that a pool decided but did not answer for is in the pool's books only, and
    ``without_verdict`` with the miner.
    """
    accepted, refused = shares_of(pools, without=DIRECT)
    decided = accepted + refused.total()
    metrics = await proxy.metrics()
    assert fleet.unbalanced() == []
    assert metrics.total("dpmp_shares_submitted_total") == fleet.submitted
    assert metrics.total("dpmp_shares_accepted_total") == fleet.accepted
    assert metrics.total("dpmp_shares_unanswered_total") == fleet.without_verdict
    assert metrics.total("dpmp_share_rejects_total") == fleet.rejected.total() - fleet.without_verdict
    answered = fleet.accepted + metrics.total("dpmp_share_rejects_total", by="pool")
    assert answered <= decided <= answered + fleet.without_verdict
    if not fleet.without_verdict:
        for key in {pool.name for pool in pools}:
            accepted, refused = shares_of([pool for pool in pools if pool.name == key], without=DIRECT)
            assert metrics.total("dpmp_shares_accepted_total", pool=key) == accepted
            assert metrics.total("dpmp_shares_rejected_total", pool=key) == refused.total()


def check_treatment(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[SimPool] = ()) -> None:
    """No miner was disconnected, refused without cause, or sent what its firmware cannot bear; no fault of ours."""
    assert fleet.violations() == []
    assert fleet.wrongly_refused() == {}
    ages = [age for pool in pools for age in pool.raised_ages_s]
    assert all(age <= IN_FLIGHT_S for age in ages), ages
    assert fleet.disconnects == 0
    assert proxy.lines("session_error") == []


def check_blocks(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[TimedPool]) -> str:
    """Each header of the miners' that is a block is in a pool's books, came too late for its chain, or was told of.

    That it was submitted is not asked: a miner that was told too high a difficulty would not have been allowed to.
    """
    delivered = {block.hash for pool in pools for block in pool.book.blocks}
    told = {line["header_hash"] for line in proxy.lines("block_not_delivered")}
    followed_at = {block: at for pool in pools for block, at in pool.followed_at.items()}
    candidates = [candidate for miner in fleet.miners for candidate in miner.candidates]
    lost, late = [], 0
    for candidate in candidates:
        if candidate.hash in delivered or candidate.hash in told:
            continue
        if candidate.at > followed_at.get(candidate.previous_hash, math.inf) - FOUND_TOO_LATE_S:
            late += 1
        else:
            lost.append(candidate)
    assert lost == []
    assert len(candidates) > late
    assert all(candidate.submitted for candidate in candidates)
    return (
        f"{len(candidates)} block candidates: {len(candidates) - late} delivered or told of, {late} for a block "
        f"that had been found already"
    )
