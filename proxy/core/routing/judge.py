"""The share check: rebuild the header, hash it, and say what the share is worth before any pool is asked."""

from hashlib import sha256
from typing import NamedTuple

from proxy.core.routing.jobs import IssuedJob
from proxy.core.stratum.difficulty import true_difficulty
from proxy.core.stratum.downstream import Submit
from proxy.core.stratum.sharehash import hash_value, header
from proxy.core.stratum.version import rolled
from proxy.core.types import Reason


class Judged(NamedTuple):
    """A share as we see it. ``reason`` NONE: it goes to the pool."""

    reason: Reason
    true_difficulty: float
    header: bytes
    header_hash: bytes
    """32 bytes, most significant first; empty where no hash was made."""
    meets_network: bool
    version: int = 0
    """As hashed."""


_DUPLICATE = Judged(Reason.DUPLICATE, 0.0, b"", b"", False)


def judge(issued: IssuedJob, submit: Submit, diff1: int) -> Judged:
    """Check ``submit`` against the job it names; remembers it for the duplicate check."""
    notice = issued.job.notice
    bits = (submit.bits or 0) & issued.mask
    if not issued.is_new_share((submit.extranonce2, submit.ntime, submit.nonce, bits)):
        return _DUPLICATE
    version = rolled(notice.version, issued.mask, bits) if submit.bits is not None else notice.version
    made = _header(issued, submit, version)
    digest, value = hash_value(made)
    reached = true_difficulty(value, diff1)
    return Judged(_reason(issued, submit, reached), reached, made, digest, value <= notice.network_target, version)


def _header(issued: IssuedJob, submit: Submit, version: int) -> bytes:
    notice = issued.job.notice
    root = sha256(issued.coinbase_hash(submit.extranonce2)).digest()
    for branch in notice.branches:
        root = sha256(sha256(root + branch).digest()).digest()
    return header(version, notice.prevhash, root, submit.ntime, notice.nbits, submit.nonce)


def _reason(issued: IssuedJob, submit: Submit, reached: float) -> Reason:
    if reached < issued.difficulty:
        outside = submit.bits is not None and submit.bits & ~issued.mask
        return Reason.VERSION if outside else Reason.LOW_DIFFICULTY
    return Reason.FRACTION if reached < issued.job.difficulty else Reason.NONE
