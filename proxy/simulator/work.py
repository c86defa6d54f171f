"""A miner's work: from a notify to headers, in the order in which firmware searches them."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from proxy.simulator import hashing
from proxy.simulator.profiles import VersionBits

HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")
VERSIONS_PER_EXTRANONCE = 4
"""How many version rolls a span of nonces gets before extranonce2 moves on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerJob:
    """``mining.notify`` as firmware reads it."""

    job_id: str
    previous_hash: bytes
    head: bytes
    tail: bytes
    branches: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int
    clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A header that the miner hashed and that meets the network's target, whether it told anybody or not.

    ``hash`` is the number in 64 hex digits, as in a pool's book; ``at`` in Unix seconds; ``submitted``: it met the
    job's difficulty too.
    """

    at: float

    hash: str
    job_id: str
    previous_hash: bytes
    submitted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundShare:
    """A nonce that meets the job's difficulty. ``version_bits`` None: this firmware does not roll."""

    job_id: str
    extranonce2: bytes
    ntime: int
    nonce: int
    version_bits: int | None
    difficulty: float

    def params(self, user: str, pads_nonce: bool = True) -> list[str]:
        """``mining.submit``'s five or six parameters."""
        nonce = f"{self.nonce:08x}" if pads_nonce else f"{self.nonce:x}"
        params = [user, self.job_id, self.extranonce2.hex(), f"{self.ntime:08x}", nonce]
        return params if self.version_bits is None else [*params, f"{self.version_bits:08x}"]


def read_notify(params: list[object]) -> MinerJob:
    """Read nine parameters strictly, lower-case hex of the exact lengths.

    Raises:
        ValueError: with what is wrong.
    """
    if len(params) < 9:
        raise ValueError(f"notify has {len(params)} parameters, not 9")
    job_id, previous, head, tail, branches, version, nbits, ntime, clean = params[:9]
    if not isinstance(job_id, str) or not job_id:
        raise ValueError("job id is not a text")
    if not isinstance(branches, list):
        raise ValueError("merkle branches are not an array")
    if not isinstance(clean, bool):
        raise ValueError("clean_jobs is not a bare bool")
    return MinerJob(
        job_id=job_id,
        previous_hash=hashing.swap_words(_octets(previous, 32)),
        head=_octets(head),
        tail=_octets(tail),
        branches=tuple(_octets(branch, 32) for branch in branches),
        version=int.from_bytes(_octets(version, 4), "big"),
        nbits=int.from_bytes(_octets(nbits, 4), "big"),
        ntime=int.from_bytes(_octets(ntime, 4), "big"),
        clean=clean,
    )


def _octets(value: object, size: int | None = None) -> bytes:
    if not isinstance(value, str) or not HEX.match(value):
        raise ValueError(f"not lower-case hex: {str(value)[:40]!r}")
    if size is not None and len(value) != 2 * size:
        raise ValueError(f"{len(value) // 2} bytes of hex instead of {size}")
    return bytes.fromhex(value)


def spread(number: int, version_mask: int) -> int:
    """The low bits of ``number`` laid out over the set bits of ``version_mask``."""
    rolled, place = 0, 0
    while version_mask:
        lowest = version_mask & -version_mask
        if number >> place & 1:
            rolled |= lowest
        version_mask ^= lowest
        place += 1
    return rolled


def patterns(version_mask: int) -> tuple[int, int, int, int]:
    """cgminer's four version patterns: none, the lowest hex digit of ``mask``, the others, all (``vmask_003``)."""
    if not version_mask:
        return 0, 0, 0, 0
    place = (version_mask & -version_mask).bit_length() - 1 & ~3
    low = version_mask & 0xF << place
    return 0, low, version_mask - low, version_mask


def rolled_version(version: int, version_mask: int, number: int, habit: VersionBits) -> tuple[int, int]:
    """(version that is hashed, bits that are reported) of the ``number``-th roll, as the firmware's habit has it."""
    if habit is VersionBits.ADDED:
        pattern = patterns(version_mask)[number % VERSIONS_PER_EXTRANONCE]
        return version | pattern, pattern
    if habit is VersionBits.XOR:
        added = spread(number, version_mask & ~version)
        return version | added, added
    rolled = spread(number, version_mask)
    return version & ~version_mask | rolled, rolled


class Search:
    """One job's search: extranonce2 0 and nonce 0 first, then nonces, version bits, extranonce2.

    ``mask`` None: this firmware does not roll versions. ``mask``, ``difficulty`` take effect at the next roll.
    ``hides_bits``: it rolls and does not report it. ``on_candidate`` hears of each header that is a block's.
    ``span`` is the number of nonces before a roll, small because hashlib is slow.
    """

    def __init__(
        self,
        job: MinerJob,
        *,
        extranonce1: bytes,
        extranonce2_size: int,
        version_mask: int | None,
        difficulty: float,
        hashes_per_difficulty: int,
        span: int,
        version_bits: VersionBits = VersionBits.REPLACED,
        hides_bits: bool = False,
        on_candidate: Callable[[Candidate], None] = lambda _: None,
    ) -> None:
        self.job = job
        self.version_mask = version_mask
        self.difficulty = difficulty
        self._extranonce1 = extranonce1
        self._size = extranonce2_size
        self._hashes_per_difficulty = hashes_per_difficulty
        self._span = span
        self._version_bits = version_bits
        self.hides_bits = hides_bits
        self._on_candidate = on_candidate
        self._network_target = hashing.target_of_nbits(job.nbits)
        self._roll = -1
        self._next_roll()

    @property
    def at_roll(self) -> bool:
        """Whether a span of nonces is just done: the moment to take another job."""
        return self._nonce >= self._span

    @property
    def left(self) -> int:
        """Nonces before the next roll; a whole span when one is just done."""
        return self._span if self.at_roll else self._span - self._nonce

    def demand(self, difficulty: float) -> None:
        """Look for this difficulty from the next nonce on."""
        self.difficulty = self._rolled_difficulty = difficulty
        self._target = hashing.target_of(difficulty, self._hashes_per_difficulty)

    def advance(self, count: int) -> list[FoundShare]:
        """Try up to ``count`` nonces, not beyond the span; return what was found."""
        if self.at_roll:
            self._next_roll()
        count = min(count, self._span - self._nonce)
        nonces = hashing.scan(self._start, self._nonce, count, max(self._target, self._network_target))
        self._nonce += count
        return [self._found(nonce) for nonce in nonces if self._is_share(nonce)]

    def _is_share(self, nonce: int) -> bool:
        number = hashing.hash_number(hashing.sha256d(self._start + nonce.to_bytes(4, "little")))
        is_share = number <= self._target
        if number <= self._network_target:
            self._on_candidate(
                Candidate(
                    at=time.time(),
                    hash=f"{number:064x}",
                    job_id=self.job.job_id,
                    previous_hash=self.job.previous_hash,
                    submitted=is_share,
                )
            )
        return is_share

    def _next_roll(self) -> None:
        self._roll += 1
        self._nonce = 0
        counter, version_number = self._roll, 0
        if self.version_mask:
            counter, version_number = divmod(self._roll, VERSIONS_PER_EXTRANONCE)
        job = self.job
        version, rolled = rolled_version(job.version, self.version_mask or 0, version_number, self._version_bits)
        self._sent_bits = None if self.version_mask is None or self.hides_bits else rolled
        self._extranonce2 = (counter % 256**self._size).to_bytes(self._size, "little")
        self._rolled_difficulty = self.difficulty
        self._target = hashing.target_of(self.difficulty, self._hashes_per_difficulty)
        coinbase = job.head + self._extranonce1 + self._extranonce2 + job.tail
        root = hashing.merkle_root(coinbase, job.branches)
        self._start = hashing.header_start(version, job.previous_hash, root, job.ntime, job.nbits)

    def _found(self, nonce: int) -> FoundShare:
        return FoundShare(
            job_id=self.job.job_id,
            extranonce2=self._extranonce2,
            ntime=self.job.ntime,
            nonce=nonce,
            version_bits=self._sent_bits,
            difficulty=self._rolled_difficulty,
        )
