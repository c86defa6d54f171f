"""Whether a miner can use a pool's jobs at all; where not, it works elsewhere and its owner is told why."""

from proxy.core.stratum.extranonce import MinerExtranonce
from proxy.core.stratum.pooljob import PoolJob
from proxy.core.stratum.profiles import Profile


def why_not(job: PoolJob, extranonce: MinerExtranonce, profile: Profile, *, rolls: bool, mask: int | None,
            elsewhere: bool) -> str:
    """Return why ``job`` is not for this miner; "" if it is.

    ``rolls``: it negotiated version rolling; ``mask``: what the pool allows, None while it has not said; ``elsewhere``:
    another pool has work for it. A pool that has not said is only left alone by firmware that may not stop rolling and
    has work elsewhere: a pool that does not know BIP 310 stays silent too, and would refuse its shares.
    """
    if job.extranonce2_size < extranonce.room:
        return (f"the pool leaves {job.extranonce2_size} bytes of extranonce2, this connection needs "
                f"{extranonce.room}; it fits when the miner reconnects")
    if extranonce.size < profile.least_extranonce2:
        return f"{profile.label} needs {profile.least_extranonce2} bytes of extranonce2"
    if rolls and not mask and not profile.stops_rolling:
        if mask is not None:
            return f"the pool allows no version rolling and {profile.label} may not stop it"
        if elsewhere:
            return f"the pool has not said whether it allows version rolling, and {profile.label} may not stop it"
    if profile.max_coinbase is not None and job.coinbase_size > profile.max_coinbase:
        return (f"the pool's coinbase has {job.coinbase_size} bytes, {profile.label} can hash "
                f"{profile.max_coinbase} at most")
    return _too_large(job, extranonce, profile)


def _too_large(job: PoolJob, extranonce: MinerExtranonce, profile: Profile) -> str:
    """What of the job has no room in the firmware's buffers."""
    notice = job.notice
    before = len(notice.coinb1) + len(job.extranonce1) + job.extranonce2_size - extranonce.room  # as the miner gets it
    for size, most, what in (
        (before, profile.max_coinb1, "bytes before the extranonce"),
        (len(notice.coinb2), profile.max_coinb2, "bytes behind the extranonce"),
        (len(notice.branches), profile.max_branches, "merkle branches")):
        if most is not None and size > most:
            return f"the pool's job has {size} {what}, {profile.label} has room for {most}"
    return ""
