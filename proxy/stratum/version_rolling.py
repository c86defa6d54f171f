"""Version rolling (BIP 310): which bits a miner may change, and what it changed.

``mining.submit`` carries version bits as a sixth parameter, and not everybody reads them alike (``BitsReading``). All
readings agree unless the job's own version has bits inside the mask, which is rare: a node that signals with one of
BIP 320's bits, or a pool that rolls them by itself. There, a miner's bits are read in the way that gives a good hash,
and a pool gets the bits from which it rebuilds the version that was hashed, as far as its reading is known
(``PoolReading``).
"""

import re
from collections.abc import Iterator
from enum import Enum

from proxy.errors import RemoteProtocolError

USUAL_MASK = 0x1FFFE000
"""BIP 320's general purpose bits; assumed while no pool has said its own."""
LEAST_FREE_BITS = 8
"""256 versions for each value of extranonce2; BIP 310 calls work with fewer bits than hardware wants degraded."""
_HEX32 = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,8}")


def parse_mask(value: object) -> int:
    """A mask as peers write it: up to 8 hex digits.

    Raises:
        RemoteProtocolError: anything else.
    """
    if not isinstance(value, str) or not _HEX32.fullmatch(value):
        raise RemoteProtocolError("a version mask must be up to 8 hex digits")
    return int(value, 16)


def common_bits(version_mask: int, other: int) -> int:
    """``version_mask & other``: the very number of the two where it is one of them, for thousands keep it."""
    common = version_mask & other
    if common == version_mask:
        return version_mask
    return other if common == other else common


def mask_text(version_mask: int) -> str:
    """8 hex digits; ESP-Miner insists on a string."""
    return f"{version_mask:08x}"


def undisputed_mask(version_mask: int, job_version: int) -> int:
    """``version_mask`` without the bits that the job's version has itself: told to a miner, its bits have one meaning.

    A pool that ORs (ckpool, DATUM) cannot be told that one of them was cleared, and BIP 310 clears them. Where fewer
    than ``LEAST_FREE_BITS`` would be left (a pool that rolls by itself), the mask stays as it is.
    """
    free = version_mask & ~job_version
    return free if free.bit_count() >= LEAST_FREE_BITS else version_mask


class BitsReading(Enum):
    """How the version bits of a submit are applied to the job's version."""

    REPLACE = "replace"
    """They take the place of the job's (BIP 310; MiningCore ``BitcoinJob.cs``)."""
    XOR = "xor"
    """They are those that differ (ESP-Miner and NerdQAxe report so; public-pool and btcpool read so)."""
    OR = "or"
    """They are added (cgminer 4.11.1 and Canaan's fork report so; ckpool ``stratifier.c`` and DATUM read so)."""


def version_of(reading: BitsReading, job_version: int, version_mask: int, version_bits: int) -> int:
    """The version in the header; bits outside ``version_mask`` are the job's."""
    version_bits &= version_mask
    if not job_version & version_mask or reading is BitsReading.OR:
        return job_version | version_bits
    return job_version ^ version_bits if reading is BitsReading.XOR else (job_version & ~version_mask) | version_bits


def other_versions(
    tried: BitsReading, job_version: int, version_mask: int, version_bits: int
) -> Iterator[tuple[BitsReading | None, int]]:
    """What else a miner may have hashed that sent ``version_bits``, each version once, ``tried``'s left out.

    Nothing where the job's version has no bits inside ``version_mask`` and ``version_bits`` none outside it: then there
    is no doubt. Bits outside the mask are taken as meant in the end (reading None): a mask that firmware did not hear
    of, or the whole version.
    """
    seen = {version_of(tried, job_version, version_mask, version_bits)}
    guesses: list[tuple[BitsReading | None, int]] = []
    if job_version & version_mask:
        guesses += [(reading, version_of(reading, job_version, version_mask, version_bits)) for reading in BitsReading]
    if version_bits & ~version_mask:
        usual = version_of(BitsReading.REPLACE, job_version, version_mask | USUAL_MASK, version_bits)
        guesses += [
            (None, usual),
            (None, job_version ^ version_bits),
            (None, job_version | version_bits),
            (None, version_bits),
        ]
    for reading, version in guesses:
        if version not in seen:
            seen.add(version)
            yield reading, version


class PoolReading:
    """How a pool reads version bits, as far as its answers tell; shared by all connections to it.

    Where the job's version has bits inside the mask no bits suit all readings. While nothing is known those that differ
    are sent: ckpool and DATUM (if the miner cleared none of the job's bits), public-pool and btcpool rebuild the
    version from them, and only MiningCore's BIP 310 does not. What a pool accepts proves the readings that give the
    version hashed; a refusal for the hash rules them out, unless they were proven. So at most two shares are lost for
    each pool, and only on such jobs.

    A pool that ORs cannot be told of a version in which one of the job's bits was cleared, and refuses the share.
    Nothing that we could send would do; ``undisputed_mask`` is there to prevent it.
    """

    __slots__ = ("_possible", "_proven")

    def __init__(self) -> None:
        self._possible = frozenset(BitsReading)
        self._proven: frozenset[BitsReading] | None = None
        """Those that explain what was accepted; None before."""

    def bits_for(self, job_version: int, version_mask: int, version: int) -> int:
        """The bits from which the pool rebuilds ``version`` for its job.

        A version that differs outside the mask (a block that is sent all the same) goes as the bits that differ: pools
        that check the mask refuse it in any spelling, public-pool does not check and XORs.
        """
        flipped = job_version ^ version
        if flipped & ~version_mask:
            return flipped
        replaced = version & version_mask
        if not job_version & version_mask:
            return replaced
        return max(
            (flipped, replaced),
            key=lambda version_bits: len(
                self._possible & _readings_of(job_version, version_mask, version, version_bits)
            ),
        )

    def answered(self, job_version: int, version_mask: int, version: int, version_bits: int, *, accepted: bool) -> None:
        """Learn from a verdict on a good share whose ``version_bits`` were sent: accepted, or refused for its hash."""
        if not job_version & version_mask or (job_version ^ version) & ~version_mask:
            return
        fitting = _readings_of(job_version, version_mask, version, version_bits)
        if accepted:
            self._proven = (self._proven or fitting) & fitting or fitting
            self._possible = self._possible & fitting or self._proven
        elif self._proven is None or not self._proven <= fitting:
            self._possible = self._possible - fitting or self._proven or frozenset(BitsReading)


def _readings_of(job_version: int, version_mask: int, version: int, version_bits: int) -> frozenset[BitsReading]:
    """The readings by which ``version_bits`` give ``version``."""
    return frozenset(
        reading for reading in BitsReading if version_of(reading, job_version, version_mask, version_bits) == version
    )
