"""The pool's verdict on a submit: the header is rebuilt from the job and hashed, nothing is taken on trust."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.simulator import hashing
from proxy.simulator.chain import Template
from proxy.simulator.dialect import Dialect, LowBlock, Rebuild
from proxy.simulator.shares import Refusal


class Refused(Exception):
    """The share is not accepted. ``number`` is its hash where it came to hashing, ``block`` what goes to the node."""

    def __init__(self, reason: Refusal, number: int | None = None, block: "Proof | None" = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.number = number
        self.block = block


@dataclass(slots=True, kw_only=True)
class IssuedJob:
    """A job as one client got it, with what was in force then; ``seen`` are the submits it has had."""

    job_id: str
    template: Template
    extranonce1: bytes
    extranonce2_size: int
    difficulty: float
    version_mask: int
    seen: set[tuple[object, ...]] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """``mining.submit`` in numbers. ``version_bits`` None: five parameters."""

    worker: str
    job_id: str
    extranonce2: bytes
    ntime: int
    nonce: int
    version_bits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A share that is good: what was hashed and what came of it."""

    number: int
    digest: bytes
    header: bytes
    coinbase: bytes


def read_submission(params: Sequence[object]) -> Submission:
    """Read the five or six strings of a submit.

    Raises:
        Refused: ``BAD_PARAMS``.
    """
    texts = [param for param in params if isinstance(param, str)]
    if len(texts) != len(params) or len(texts) not in (5, 6):
        raise Refused(Refusal.BAD_PARAMS)
    try:
        return Submission(
            worker=texts[0],
            job_id=texts[1],
            extranonce2=bytes.fromhex(texts[2]),
            ntime=_word(texts[3]),
            nonce=_word(texts[4]),
            version_bits=_word(texts[5]) if len(texts) == 6 else None,
        )
    except ValueError as error:
        raise Refused(Refusal.BAD_PARAMS) from error


def _word(text: str) -> int:
    """Up to 8 hex digits: NerdMiner does not pad its nonce."""
    if not text or len(text) > 8 or not all(digit in "0123456789abcdefABCDEF" for digit in text):
        raise ValueError(f"not a 32-bit hex number: {text[:20]!r}")
    return int(text, 16)


def check_share(
    job: IssuedJob, share: Submission, dialect: Dialect, version_mask: int, target: int, network_target: int = 0
) -> Proof:
    """Check ``share`` in full. ``version_mask`` is the one in force now: a share may keep to it or to its job's.

    Raises:
        Refused: with the first reason that applies; with the proof where the hash is a block all the same and this
            pool's software gives it to its node.
    """
    extranonce2 = _fitted(share.extranonce2, job.extranonce2_size, dialect)
    if not job.template.ntime <= share.ntime <= job.template.ntime + dialect.ntime_ahead_s:
        raise Refused(Refusal.NTIME)
    bits = share.version_bits or 0
    if bits & ~(job.version_mask | version_mask):
        raise Refused(Refusal.VERSION)
    key = (extranonce2, share.ntime, share.nonce, bits if dialect.duplicate_sees_version else 0)
    if key in job.seen:
        raise Refused(Refusal.DUPLICATE)
    job.seen.add(key)
    proof = prove(job, share, extranonce2, version_mask, dialect.rebuild)
    is_block = proof.number <= network_target
    if proof.number <= target or (is_block and dialect.low_block is LowBlock.ACCEPTED):
        return proof
    delivered = is_block and dialect.low_block is LowBlock.DELIVERED
    raise Refused(Refusal.LOW_DIFFICULTY, proof.number, proof if delivered else None)


def rebuilt_version(version: int, mask: int, bits: int, how: Rebuild) -> int:
    """The version that this pool's software takes the miner to have hashed."""
    match how:
        case Rebuild.OR:
            return version | bits & mask
        case Rebuild.XOR:
            return version ^ bits & mask
        case Rebuild.REPLACE:
            return version & ~mask | bits & mask


def prove(
    job: IssuedJob, share: Submission, extranonce2: bytes, version_mask: int = 0, how: Rebuild = Rebuild.REPLACE
) -> Proof:
    """Rebuild the header that the miner hashed, and hash it."""
    template = job.template
    coinbase = template.coinbase_head + job.extranonce1 + extranonce2 + template.coinbase_tail
    version = template.version
    if share.version_bits is not None:
        version = rebuilt_version(version, job.version_mask | version_mask, share.version_bits, how)
    root = hashing.merkle_root(coinbase, template.branches)
    start = hashing.header_start(version, template.previous_hash, root, share.ntime, template.nbits)
    header = start + share.nonce.to_bytes(4, "little")
    digest = hashing.sha256d(header)
    return Proof(number=hashing.hash_number(digest), digest=digest, header=header, coinbase=coinbase)


def _fitted(extranonce2: bytes, size: int, dialect: Dialect) -> bytes:
    if len(extranonce2) == size:
        return extranonce2
    if dialect.exact_extranonce2:
        raise Refused(Refusal.EXTRANONCE)
    return extranonce2[:size].ljust(size, b"\0")
