"""When a miner that never found a share is let go: it holds a place, and a connection to each pool."""

from proxy.stratum.firmware import Profile
from proxy.types import HASHES_PER_DIFFICULTY

LEAST_S = 600.0
INTERVALS = 20.0
"""Expected times between shares: a miner that works finds none in so long once in 500 million cases."""


def overdue_s(difficulty: float, profile: Profile) -> float:
    """After how many seconds of work at up to ``difficulty`` a first share is overdue, at the least hash rate of the
    miner's firmware: its own is not known before its first share."""
    return max(LEAST_S, INTERVALS * difficulty * HASHES_PER_DIFFICULTY / profile.least_hashrate)
