"""Which network difficulty to believe a pool: its jobs' nbits may not fall far below what is known of its chain.

A miner gets no difficulty above the network's, whatever floors were set, for above it it would keep blocks to itself.
A pool could take all floors away by naming an nbits that every hash meets; together with a tiny difficulty of its own,
miners would flood the proxy. Bitcoin's own rules let the difficulty fall to a quarter within two weeks.
"""

from dataclasses import dataclass, field

from proxy.observe.events import ConnectionTipChanged, EventStream
from proxy.ports import Clock
from proxy.stratum.difficulty import DIFF1_TARGET, target_of_nbits, true_difficulty
from proxy.types import Chain, PoolKey

FALL_MOST = 4.0
"""A difficulty that is lower than the hardest known by more than this factor is not believed."""
FORGET_BLOCKS = 6
FORGET_S = 6 * 3600.0
"""The hardest is forgotten once so many blocks came, for so long, without a pool that was anywhere near it:
no block of Bitcoin takes so long, so a pool that says the truth is heard in time."""
MAX_POOLS = 64
"""Of a chain whose words are kept."""


@dataclass(slots=True)
class _KnownChain:
    hardest: float
    named_at: float
    """When a pool last named it, or one that is near it."""
    prevhash: bytes = b""
    """Of the newest block."""
    blocks: int = 0
    """Since ``named_at``."""
    words: dict[PoolKey, float] = field(default_factory=dict)
    """What each pool said last."""


class NetworkDifficulties:
    """The hardest difficulty known of each chain. ``Chain.OTHER``, test chains among them, is left to its pools."""

    def __init__(self, *, clock: Clock, events: EventStream, diff1: int = DIFF1_TARGET) -> None:
        self._clock = clock
        self._diff1 = diff1
        self._chains: dict[Chain, _KnownChain] = {}
        events.subscribe(ConnectionTipChanged, self._on_tip)

    def credible(self, chain: Chain, nbits: int) -> float:
        """The difficulty of a job's ``nbits``, or the hardest known of ``chain`` where that is out of all proportion.

        With nothing to compare with, the pool's word counts.
        """
        difficulty = true_difficulty(target_of_nbits(nbits), self._diff1)
        known = self._chains.get(chain)
        return known.hardest if known is not None and difficulty * FALL_MOST < known.hardest else difficulty

    def _on_tip(self, event: ConnectionTipChanged) -> None:
        target = target_of_nbits(event.nbits)
        if event.chain is Chain.OTHER or not target:
            return
        now, difficulty = self._clock.now(), true_difficulty(target, self._diff1)
        known = self._chains.get(event.chain)
        if known is None:
            known = self._chains[event.chain] = _KnownChain(difficulty, now)
        known.blocks += event.prevhash != known.prevhash
        known.prevhash = event.prevhash
        known.words.pop(event.pool, None)
        while len(known.words) >= MAX_POOLS:
            del known.words[next(iter(known.words))]
        known.words[event.pool] = difficulty
        highest = max(known.words.values())
        if now - known.named_at >= FORGET_S and known.blocks > FORGET_BLOCKS:
            known.words = {event.pool: difficulty}
            known.hardest = difficulty
        elif highest >= known.hardest or len(known.words) > 1:  # all pools agree that it is lower
            known.hardest = highest
        if difficulty * FALL_MOST >= known.hardest:
            known.named_at, known.blocks = now, 0
