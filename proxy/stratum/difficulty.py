"""Difficulty, target and hash: three views of one quantity.

Difficulty 1 is ``HASHES_PER_DIFFICULTY`` (2^32) expected hashes, target ``0xffff << 208``. Where another constant is
injected (tests, demo), the target of difficulty 1 scales with it and everything else stays as it is.
"""

from functools import lru_cache

from proxy.types import HASHES_PER_DIFFICULTY

DIFF1_TARGET = 0xFFFF << 208
MAX_DIFFICULTY = 1e18
"""No real one comes near it; as an integer it still fits the 64 bits of JSON."""
LEAST_DIFFICULTY = 2.0**-32
"""At it every hash is a share (difficulty 1 are 2^32 hashes); there is no less."""


@lru_cache(maxsize=8)
def diff1_target(hashes_per_difficulty: float = HASHES_PER_DIFFICULTY) -> int:
    """The target of difficulty 1 when one share of it costs ``hashes_per_difficulty`` hashes."""
    return int(DIFF1_TARGET * (HASHES_PER_DIFFICULTY / hashes_per_difficulty))


def true_difficulty(hash_value: int, diff1: int = DIFF1_TARGET) -> float:
    """The difficulty that ``hash_value`` (a header's hash as a number) reached."""
    return diff1 / hash_value if hash_value else MAX_DIFFICULTY


@lru_cache(maxsize=256)
def target_of_nbits(nbits: int) -> int:
    """The network target in compact form (0 for what no consensus allows: negative or overflowing)."""
    exponent, mantissa = nbits >> 24, nbits & 0x007FFFFF
    if nbits & 0x00800000 or exponent > 34:
        return 0
    shift = 8 * (exponent - 3)
    return mantissa << shift if shift >= 0 else mantissa >> -shift


def network_difficulty(nbits: int, diff1: int = DIFF1_TARGET) -> float:
    """The difficulty of ``nbits``; ``MAX_DIFFICULTY`` where it has no valid target."""
    return true_difficulty(target_of_nbits(nbits), diff1)


def difficulty_of_target(target: int, diff1: int = DIFF1_TARGET) -> float:
    """The difficulty whose target is ``target`` (``mining.suggest_target``)."""
    return true_difficulty(target, diff1)
