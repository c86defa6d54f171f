"""What a miner should know about a pool that is down: what follows from it, and what to do."""

from django.utils.translation import gettext as _

from proxy.observe.live.views import LiveSnapshot, PoolView
from proxy.types import AdminStatus, PoolStatus


def is_stopped(snap: LiveSnapshot) -> bool:
    """Whether no pool can take any work."""
    return bool(snap.pools) and not any(_is_usable(pool) for pool in snap.pools)


def stopped_since(snap: LiveSnapshot) -> float | None:
    """Since when, if mining is stopped because pools are down."""
    return max((pool.since for pool in snap.pools if pool.status is PoolStatus.DOWN), default=None)


def consequence(snap: LiveSnapshot, pool: PoolView) -> str:
    """Where the work goes while ``pool`` is down."""
    others = [other for other in snap.pools if other.key != pool.key and _is_usable(other)]
    aimed = [other for other in others if other.target > 0] or others
    if not aimed:
        return _("No other pool works: mining is stopped.")
    names = ", ".join(other.name or other.key for other in aimed)
    if not pool.weight:
        return _("It is to get no work now.")
    return _("All work goes to %(pools)s.") % {"pools": names}


def advice(pool: PoolView) -> str:
    """What to do about a pool that is down, from the reason that it gives."""
    reason = pool.reason.lower()
    if "user" in reason or "authori" in reason:
        return _("Check its wallet and password.")
    if "refused" in reason:
        return _("Nothing listens at %(address)s: is the port right, is the pool running?") % {"address": pool.endpoint}
    if "name" in reason or "resolve" in reason or "host" in reason:
        return _("Check the spelling of its address, %(address)s.") % {"address": pool.endpoint}
    return _("It is tried again by itself; if it stays away, check its address.")


def _is_usable(pool: PoolView) -> bool:
    return pool.status is not PoolStatus.DOWN and pool.admin is AdminStatus.ENABLED
