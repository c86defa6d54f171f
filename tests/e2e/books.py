"""Whether miners, proxy and pools tell the same story about every share."""

from collections.abc import Sequence

from proxy.simulator.pool import SimPool
from tests.e2e.direct import DIRECT
from tests.e2e.fleet import Fleet
from tests.e2e.pools import shares_of
from tests.e2e.process import ProxyProcess


async def check_books(proxy: ProxyProcess, fleet: Fleet, pools: Sequence[SimPool]) -> None:
    """Each submit was answered exactly once, and all three count the same: nothing was lost in silence.

    A share that a pool judged but did not answer for is in the pool's books only, and ``unjudged`` with the miner.
    """
    accepted, refused = shares_of(pools, without=DIRECT)
    judged = accepted + refused.total()
    metrics = await proxy.metrics()
    assert fleet.unbalanced() == []
    assert metrics.total("dpmp_shares_submitted_total") == fleet.submitted
    assert metrics.total("dpmp_shares_accepted_total") == fleet.accepted
    assert metrics.total("dpmp_shares_unanswered_total") == fleet.unjudged
    assert metrics.total("dpmp_share_rejects_total") == fleet.rejected.total() - fleet.unjudged
    answered = fleet.accepted + metrics.total("dpmp_share_rejects_total", by="pool")
    assert answered <= judged <= answered + fleet.unjudged
    if not fleet.unjudged:
        for key in {pool.name for pool in pools}:
            accepted, refused = shares_of([pool for pool in pools if pool.name == key], without=DIRECT)
            assert metrics.total("dpmp_shares_accepted_total", pool=key) == accepted
            assert metrics.total("dpmp_shares_rejected_total", pool=key) == refused.total()


def check_treatment(proxy: ProxyProcess, fleet: Fleet) -> None:
    """No miner was disconnected, refused without cause, or sent what its firmware can not bear; no fault of ours."""
    assert fleet.violations() == []
    assert fleet.wrongly_refused() == {}
    assert fleet.disconnects == 0
    assert proxy.lines("session_error") == []
