"""The share check: rebuild the header, hash it, and say what the share is worth before any pool is asked."""

from hashlib import sha256
from typing import NamedTuple

from proxy.engine.jobs import IssuedJob
from proxy.stratum.difficulty import true_difficulty
from proxy.stratum.downstream_owner import Submit
from proxy.stratum.share_hash import hash_value, header
from proxy.stratum.version_rolling import BitsReading, other_versions, version_of
from proxy.types import Reason

MAX_NTIME_AHEAD_S = 7_000
"""How far a share's ntime may be above its job's (ckpool src/stratifier.c: "Ntime out of range" beyond it)."""


class ShareCheck(NamedTuple):
    """A share as we see it. ``reason`` NONE: nothing speaks against it."""

    reason: Reason
    true_difficulty: float
    header: bytes
    header_hash: bytes
    """32 bytes, most significant first; empty where no hash was made."""
    meets_network: bool
    version: int = 0
    """As hashed."""
    reading: BitsReading | None = None
    """How the miner's version bits were to be read, where the first reading failed and this one did not."""

    @property
    def goes_up(self) -> bool:
        """Whether the pool is asked: a hash that meets the network's target always goes, but not twice."""
        return self.reason is Reason.NONE or self.meets_network


_DUPLICATE = ShareCheck(Reason.DUPLICATE, 0.0, b"", b"", False)


def check_share(
    issued: IssuedJob, submit: Submit, diff1: int, reading: BitsReading = BitsReading.REPLACE
) -> ShareCheck:
    """Check ``submit`` against the job it names; remembers what goes up for the duplicate check.

    ``reading``: how this miner's version bits are read first. Others are tried only where that gives no good hash and
    they give another version. What counts as a duplicate is the version hashed, however its bits were spelled.
    """
    version = issued.job.template.version
    if submit.version_bits is not None:
        version = version_of(reading, version, issued.version_mask, submit.version_bits)
    key = _key(issued, submit, version)
    if issued.has_gone_up(key):
        return _DUPLICATE
    root = _merkle_root(issued, submit.extranonce2)
    check = _hashed(issued, submit, root, version, diff1)
    if check.reason is Reason.NONE:
        issued.went_up(key)
        return check
    if submit.version_bits is not None and not _is_good(check, issued):
        check = _read_otherwise(issued, submit, root, diff1, reading) or check
    if check.goes_up:
        issued.went_up(_key(issued, submit, check.version))
    return check


def _read_otherwise(
    issued: IssuedJob, submit: Submit, root: bytes, diff1: int, tried: BitsReading
) -> ShareCheck | None:
    """Judge ``submit`` by the first other reading of its version bits that gives a good hash; None where none does."""
    for reading, version in other_versions(
        tried, issued.job.template.version, issued.version_mask, submit.version_bits or 0
    ):
        if issued.has_gone_up(_key(issued, submit, version)):
            return _DUPLICATE
        check = _hashed(issued, submit, root, version, diff1)
        if _is_good(check, issued):
            return check._replace(reading=reading)
    return None


def _is_good(check: ShareCheck, issued: IssuedJob) -> bool:
    """Whether the hash is what the miner was looking for, whatever else may be wrong with the share."""
    return check.true_difficulty >= issued.difficulty or check.meets_network


def _key(issued: IssuedJob, submit: Submit, version: int) -> bytes:
    return issued.key(submit.extranonce2, submit.ntime, submit.nonce, version)


def _hashed(issued: IssuedJob, submit: Submit, root: bytes, version: int, diff1: int) -> ShareCheck:
    template = issued.job.template
    made = header(version, template.prevhash, root, submit.ntime, template.nbits, submit.nonce)
    digest, value = hash_value(made)
    reached = true_difficulty(value, diff1)
    return ShareCheck(
        reason_for(issued, submit, version, reached), reached, made, digest, value <= issued.block_target, version
    )


def _merkle_root(issued: IssuedJob, extranonce2: bytes) -> bytes:
    root = sha256(issued.coinbase_hash(extranonce2)).digest()
    for branch in issued.job.template.branches:
        root = sha256(sha256(root + branch).digest()).digest()
    return root


def reason_for(issued: IssuedJob, submit: Submit, version: int, reached: float) -> Reason:
    """Why a share whose hash reached ``reached`` is not to be sent; NONE where it is."""
    job = issued.job
    if not 0 <= submit.ntime - job.template.ntime <= MAX_NTIME_AHEAD_S:
        return Reason.NTIME
    if reached < issued.difficulty:
        outside = submit.version_bits is not None and submit.version_bits & ~issued.version_mask
        return Reason.VERSION if outside else Reason.LOW_DIFFICULTY
    if (version ^ job.template.version) & ~job.allowed_version_mask:
        return Reason.VERSION
    return Reason.FRACTION if reached < job.difficulty else Reason.NONE
