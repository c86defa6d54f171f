"""Whether a miner can use a pool's jobs at all; where not, it works elsewhere and its owner is told why."""

from typing import TypeAlias

from proxy.sentence import sentence
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.firmware import Profile
from proxy.stratum.pool_job import PoolJob

NEEDED_JOBS = 2.0
"""The search space of a job must last for so many times the pool's usual time between jobs."""
REGAINED_JOBS = 3.0
"""A pool that was left out for it comes back at so many times: the hash rate is an estimate, and moves."""
KINDS_KEPT = 256
"""Kinds of miners whose verdict is kept with a job; a fleet has a dozen."""
MinerKind: TypeAlias = tuple[object, ...]
"""What the verdict on a job is the same for."""
JOB_GAP_S = 30.0
"""Time between two jobs of a pool that has not sent two yet."""


def why_not(
    job: PoolJob,
    extranonce: MinerExtranonce,
    profile: Profile,
    *,
    rolls: bool,
    version_mask: int | None,
    elsewhere: bool,
) -> str:
    """Return why ``job`` is not for this miner; "" if it is.

    ``rolls``: it negotiated version rolling; ``version_mask``: what the pool allows, None while it has not said;
    ``elsewhere``: another pool has work for it. A pool that has not said is only left alone by firmware that may not
    stop rolling and has work elsewhere: a pool that does not know BIP 310 stays silent too, and would refuse its
    shares. The same for all miners of a kind, so it is worked out once for each.
    """
    kind = kind_of(job, extranonce, profile, rolls=rolls, version_mask=version_mask, elsewhere=elsewhere)
    verdicts = job.template.verdicts
    why = verdicts.get(kind)
    if why is None:
        if len(verdicts) >= KINDS_KEPT:
            verdicts.clear()
        why = verdicts[kind] = _why_not(
            job, extranonce, profile, rolls=rolls, version_mask=version_mask, elsewhere=elsewhere
        )
    return why


def kind_of(
    job: PoolJob,
    extranonce: MinerExtranonce,
    profile: Profile,
    *,
    rolls: bool,
    version_mask: int | None,
    elsewhere: bool,
) -> MinerKind:
    """What ``why_not`` depends on beside the template of ``job``: the key of ``verdicts``."""
    room, size = extranonce.room, extranonce.size
    return (profile.name, room, size, job.extranonce2_size, len(job.extranonce1), rolls, version_mask, elsewhere)


def _why_not(
    job: PoolJob,
    extranonce: MinerExtranonce,
    profile: Profile,
    *,
    rolls: bool,
    version_mask: int | None,
    elsewhere: bool,
) -> str:
    if job.extranonce2_size < extranonce.room:
        needed = profile.least_extranonce2 + (not profile.accepts_empty_extranonce1)
        sizes = {"left": job.extranonce2_size, "needed": extranonce.room}
        if job.extranonce2_size >= needed:
            return sentence(
                "the pool leaves {left:d} bytes of extranonce2, this connection needs {needed:d}; it fits when the "
                "miner reconnects",
                **sizes,
            )
        return sentence(
            "the pool leaves {left:d} bytes of extranonce2, this connection needs {needed:d}; it may fit when the "
            "miner reconnects",
            **sizes,
        )
    if extranonce.size < profile.least_extranonce2:
        return sentence(
            "{firmware} needs {bytes:d} bytes of extranonce2", firmware=profile.label, bytes=profile.least_extranonce2
        )
    if rolls and not version_mask and not profile.stops_rolling:
        if version_mask is not None:
            return sentence("the pool allows no version rolling and {firmware} may not stop it", firmware=profile.label)
        if elsewhere:
            return sentence(
                "the pool has not said whether it allows version rolling, and {firmware} may not stop it",
                firmware=profile.label,
            )
    if profile.max_coinbase is not None and job.coinbase_size > profile.max_coinbase:
        return sentence(
            "the pool's coinbase has {bytes:d} bytes, {firmware} can hash {most:d} at most",
            bytes=job.coinbase_size,
            firmware=profile.label,
            most=profile.max_coinbase,
        )
    return _too_large(job, extranonce, profile)


def _too_large(job: PoolJob, extranonce: MinerExtranonce, profile: Profile) -> str:
    """What of the job has no room in the firmware's buffers."""
    template = job.template
    before = (
        len(template.coinb1) + len(job.extranonce1) + job.extranonce2_size - extranonce.room
    )  # as the miner gets it
    for size, most, what in (
        (before, profile.max_coinb1, sentence("bytes before the extranonce")),
        (len(template.coinb2), profile.max_coinb2, sentence("bytes behind the extranonce")),
        (len(template.branches), profile.max_branches, sentence("merkle branches")),
    ):
        if most is not None and size > most:
            return sentence(
                "the pool's job has {size:d} {what}, {firmware} has room for {most:d}",
                size=size,
                what=what,
                firmware=profile.label,
                most=most,
            )
    return ""


def search_space(extranonce: MinerExtranonce, profile: Profile, version_mask: int) -> float:
    """Hashes that one job is good for: nonces, values of extranonce2 and version masks. Rolled ntime is not counted:
    little firmware does it, and pools bound it."""
    masks = 1 << version_mask.bit_count()
    return 2.0 ** (8 * extranonce.size + 32) * min(masks, profile.most_masks or masks)


def too_small(space: float, hashrate: float, job_gap_s: float | None, *, was: bool) -> str:
    """Return why a job with ``space`` hashes ends too soon for a miner; "" if it does not, or ``hashrate`` (H/s) is 0.

    ``was``: it ended too soon so far.
    """
    gap_s = job_gap_s or JOB_GAP_S
    if not hashrate or space >= hashrate * gap_s * (REGAINED_JOBS if was else NEEDED_JOBS):
        return ""
    return sentence(
        "the miner has tried all of a job within {spent:.3g} s, and the pool sends one every {gap:.0f} s",
        spent=space / hashrate,
        gap=gap_s,
    )
