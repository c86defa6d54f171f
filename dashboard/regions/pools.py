"""The live regions of the pools' pages."""

from collections.abc import Mapping

from dashboard.access import Access
from dashboard.live import region
from dashboard.reasons import refused
from proxy.core.types import Chain
from proxy.sinks.views import LiveSnapshot


@region("pooltable")
def pooltable(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All pools in a table."""
    return {}


@region("pool")
def pool(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All that is known of one pool now, beside the other pools of its chain."""
    found = snap.pool(argument)
    if found is None:
        return {"pool": None}
    peers = [other for other in snap.pools if other.chain == found.chain and other.chain is not Chain.OTHER]
    excluded = [(worker, worker.excluded[found.key]) for worker in snap.workers if found.key in worker.excluded]
    return {"pool": found, "refused": refused(found.rejects_by_reason), "peers": peers if len(peers) > 1 else [],
            "excluded": excluded}
