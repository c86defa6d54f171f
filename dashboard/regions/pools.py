"""The live regions of the pools' pages."""

from collections.abc import Hashable, Mapping
from statistics import median

from dashboard.access import Access
from dashboard.live import region
from dashboard.reject_reasons import refused
from dashboard.svg import pool_style_key
from proxy.config.loader import current_revision
from proxy.models import Pool
from proxy.models.history import ChainTip, PayoutRecord
from proxy.observe.live.views import LiveSnapshot
from proxy.stratum.firmware import PROFILES, UNKNOWN
from proxy.types import Chain

TIPS = 400
"""How many of a chain's newest blocks its pools are compared by."""
PAYOUTS_SHOWN = 10


@region("pooltable")
def pooltable(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All pools in a table."""
    return {}


@region("switchcosts")
def switchcosts(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """What a switch costs, by firmware."""
    labels = {profile.name: profile.label for profile in (*PROFILES, UNKNOWN)}
    return {"costs": [(labels.get(cost.profile, cost.profile), cost) for cost in snap.switch_costs]}


@region("pool")
def pool(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All that is known of one pool now, beside the other pools of its chain."""
    found = snap.pool(argument)
    if found is None:
        return {"pool": None}
    peers = [other for other in snap.pools if other.chain == found.chain and other.chain is not Chain.OTHER]
    excluded = [(worker, worker.excluded[found.key]) for worker in snap.workers if found.key in worker.excluded]
    return {
        "pool": found,
        "refused": refused(found.counts.rejects_by_reason()),
        "peers": peers if len(peers) > 1 else [],
        "excluded": excluded,
    }


def _checks_shown(snap: LiveSnapshot, argument: str) -> Hashable:
    """The configuration's revision, and the newest record of any pool."""
    newest = (
        PayoutRecord.objects.order_by("-pk").values_list("pk", "pool", "percent", "ok").first(),
        ChainTip.objects.order_by("-pk").values_list("pk", flat=True).first(),
    )
    return current_revision(), newest, pool_style_key(snap)


@region("poolchecks", version=_checks_shown, every_s=2.0)
def poolchecks(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Whom the pool's jobs would pay, and how soon it announces blocks."""
    row = Pool.objects.filter(key=argument).select_related("wallet").first()
    announcers = block_times(str(row.chain)) if row and row.chain != Chain.OTHER else []
    return {
        "row": row,
        "payouts": list(PayoutRecord.objects.filter(pool=argument)[:PAYOUTS_SHOWN]),
        "announcers": announcers if len(announcers) > 1 else [],
    }


def block_times(chain: str) -> list[tuple[str, int, int, float]]:
    """For each pool of ``chain``: key, newest blocks it announced, of how many it was the first, median delay in ms."""
    delays: dict[str, list[float]] = {}
    rows = ChainTip.objects.filter(chain=chain).order_by("-seen_at")[:TIPS]
    for key, behind_ms in rows.values_list("pool", "behind_ms"):
        delays.setdefault(key, []).append(behind_ms)
    return [
        (key, len(found), sum(1 for one in found if one <= 0), median(found)) for key, found in sorted(delays.items())
    ]
