"""Which network difficulty to believe a pool: its jobs' nbits may not fall far below what is known of its chain.

A miner gets no difficulty above the network's, whatever floors were set, for above it it would keep blocks to itself.
A pool could take all floors away by naming an nbits that every hash meets; together with a tiny difficulty of its own,
miners would flood the proxy, and each of their shares would count as a block. Bitcoin's own rules let the difficulty
fall to a quarter within two weeks.

Naming a difficulty that is too high would harm the other pools of the chain, whose blocks would not count as blocks.
So it counts for others only where the block that the pool builds on was about as hard to find.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from proxy.observe.events import ConnectionTipChanged, EventStream, NetworkDifficultyDoubted
from proxy.ports import Clock
from proxy.stratum.difficulty import DIFF1_TARGET, target_of_nbits, true_difficulty
from proxy.types import Chain, PoolKey

LEAST_OF_CHAIN = {Chain.BTC: 1e12, Chain.BCH: 1e10, Chain.DGB: 1e6}
"""Far below what these chains have had for years (Bitcoin's passed 1e12 in October 2017), and far above what a test
chain has. Only where a share of difficulty 1 costs what it costs in the world outside."""
FALL_MOST = 4.0
"""A difficulty that is lower than the hardest known by more than this factor is not believed."""
FORGET_BLOCKS = 6
FORGET_S = 6 * 3600.0
"""The hardest is forgotten once so many blocks came, for so long, without a pool that was anywhere near it:
no block of Bitcoin takes so long, so a pool that says the truth is heard in time."""
CALM_S = 60.0
"""A pool is believed again once it has made sense for so long: it may alternate with each job."""
MAX_POOLS = 64
"""Of a chain whose words are kept."""
MAX_BELIEVED = 64


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


class Believed(NamedTuple):
    """What is believed of a job's ``nbits``."""

    credible: float
    """The difficulty that it says, or the hardest known of its chain where that is out of all proportion."""
    block_target: int
    """A hash up to this solves a block, as far as ``nbits`` are to be believed."""


@dataclass(slots=True)
class Doubt:
    """A pool that says what cannot be."""

    claimed: float
    known: float
    since: float
    """Unix seconds."""
    last_at: float
    """Monotonic seconds."""


class NetworkDifficulties:
    """The hardest difficulty known of each chain. ``Chain.OTHER``, test chains among them, is left to its pools."""

    def __init__(self, *, clock: Clock, events: EventStream, diff1: int = DIFF1_TARGET) -> None:
        self.doubts: dict[PoolKey, Doubt] = {}
        """Pools whose last word was not believed."""
        self._clock = clock
        self._events = events
        self._diff1 = diff1
        self._least = LEAST_OF_CHAIN if diff1 == DIFF1_TARGET else {}
        self._chains: dict[Chain, _KnownChain] = {}
        self._believed: dict[tuple[Chain, int], Believed] = {}
        """Worked out once for all miners that get a job; until what is known of a chain changes."""
        events.subscribe(ConnectionTipChanged, self._on_tip)

    def believe(self, chain: Chain, nbits: int) -> Believed:
        """What to believe of a job's ``nbits`` on ``chain``. With nothing to compare with, the pool's word counts."""
        believed = self._believed.get((chain, nbits))
        if believed is None:
            while len(self._believed) >= MAX_BELIEVED:
                del self._believed[next(iter(self._believed))]
            believed = self._believed[chain, nbits] = self._work_out(chain, nbits)
        return believed

    def _work_out(self, chain: Chain, nbits: int) -> Believed:
        target, known = target_of_nbits(nbits), self._known(chain)
        difficulty = true_difficulty(target, self._diff1)
        if difficulty * FALL_MOST < known:
            return Believed(known, min(target, int(self._diff1 / known)))
        return Believed(difficulty, target)

    def _known(self, chain: Chain) -> float:
        """What the difficulty of ``chain`` is measured by; 0 for nothing."""
        known = self._chains.get(chain)
        return max(self._least.get(chain, 0.0), known.hardest if known is not None else 0.0)

    def _on_tip(self, event: ConnectionTipChanged) -> None:
        target = target_of_nbits(event.nbits)
        if event.chain is Chain.OTHER:
            self.doubts.pop(event.pool, None)
            return
        if not target:
            return
        difficulty = true_difficulty(target, self._diff1)
        found = _reached(event.prevhash, self._diff1)
        if difficulty <= FALL_MOST * found:
            self._take_word(event, difficulty)
        self._doubt(event.pool, event.chain, difficulty)

    def _take_word(self, event: ConnectionTipChanged, difficulty: float) -> None:
        now = self._clock.now()
        known = self._chains.get(event.chain)
        is_new = known is None
        if known is None:
            known = self._chains[event.chain] = _KnownChain(difficulty, now)
        known.blocks += event.prevhash != known.prevhash
        known.prevhash = event.prevhash
        known.words.pop(event.pool, None)
        while len(known.words) >= MAX_POOLS:
            del known.words[next(iter(known.words))]
        known.words[event.pool] = difficulty
        highest, hardest = max(known.words.values()), known.hardest
        if now - known.named_at >= FORGET_S and known.blocks > FORGET_BLOCKS:
            known.words = {event.pool: difficulty}
            known.hardest = difficulty
        elif highest >= known.hardest or len(known.words) > 1:  # all pools agree that it is lower
            known.hardest = highest
        if known.hardest != hardest or is_new:
            self._believed.clear()
        if difficulty * FALL_MOST >= known.hardest:
            known.named_at, known.blocks = now, 0

    def _doubt(self, pool: PoolKey, chain: Chain, difficulty: float) -> None:
        """Tell once that a pool is not believed, and once that it is again."""
        now, known, doubt = self._clock.now(), self._known(chain), self.doubts.get(pool)
        if difficulty * FALL_MOST < known:
            if doubt is None:
                while len(self.doubts) >= MAX_POOLS:
                    del self.doubts[next(iter(self.doubts))]
                self.doubts[pool] = Doubt(difficulty, known, self._clock.wall(), now)
                self._tell(pool, chain, difficulty, known, cleared=False)
            else:
                doubt.last_at = now
        elif doubt is not None and now - doubt.last_at >= CALM_S:
            del self.doubts[pool]
            self._tell(pool, chain, difficulty, known, cleared=True)

    def _tell(self, pool: PoolKey, chain: Chain, claimed: float, known: float, *, cleared: bool) -> None:
        self._events.emit(
            NetworkDifficultyDoubted(pool=pool, chain=chain, claimed=claimed, known=known, cleared=cleared)
        )


@lru_cache(maxsize=64)
def _reached(block: bytes, diff1: int) -> float:
    """The difficulty that a block's hash reached; all connections to a chain's pools name the same block."""
    return true_difficulty(int.from_bytes(block, "little"), diff1)
