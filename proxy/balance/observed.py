"""Reads heights, difficulties and block times of the chains from the pools' own jobs.

A block counts as found when the first pool of its chain announces work on top of it. Heights come from the coinbase
(BIP 34), so that blocks missed while no pool could be reached are counted; the time until the reconnect counts with
them, which keeps the rate unbiased, because block finding has no memory. Ignored are another block at the same height,
a pool that is behind, and a height that is impossible so soon. If our own height was the wrong one, three blocks in a
row on the other side correct it and the history starts again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from statistics import fmean, median, stdev

from proxy.balance.readings import (
    DGB_ALGORITHM_SPACING_S,
    DGB_HEIGHTS_PER_BLOCK,
    NetworkReading,
    Span,
    scales,
)
from proxy.chains.coinbase import assemble, height_of, parse_coinbase
from proxy.chains.subsidy import COIN, subsidy
from proxy.errors import RemoteProtocolError
from proxy.observe.events import PoolNotify
from proxy.ports import Clock
from proxy.sentence import Sentence, sentence
from proxy.stratum.difficulty import network_difficulty, target_of_nbits
from proxy.types import Chain, PoolKey

SOURCE = "observed"
SPACING_S = {Chain.BTC: 600.0, Chain.BCH: 600.0, Chain.DGB: 15.0}
KEPT_BLOCKS = {Chain.BTC: 1_024, Chain.BCH: 1_024, Chain.DGB: 4_096}
FREE_JUMP = 6
"""Blocks that may always have been missed; more only if the time suffices for a quarter of them."""
RIVAL_BLOCKS = 3
IMPOSSIBLE_SILENCE = 30
"""In block spacings: a longer gap after a restart means that the clock was set, not that nobody mined."""
FEE_BLOCKS = 36
MAX_FEE_SUBSIDIES = 20
"""Larger amounts are not fees (the most expensive blocks so far paid about 12 subsidies)."""
REWARD_CHECK_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedBlock:
    """A new height, as the first pool of the chain announced it."""

    chain: Chain
    height: int
    """Of the block that is being looked for."""
    announced_at: float
    """Unix seconds; never runs backwards within a chain."""
    difficulty: float
    """Of the block that is being looked for."""
    prevhash: bytes
    reward: int | None = None
    """Satoshis in the coinbase's outputs: the most seen at this height (pools often start with an empty block)."""


@dataclass(slots=True)
class _Rival:
    """A pool whose heights contradict ours."""

    height: int
    ours: int
    advances: int = 0


class _ChainLog:
    """The blocks of one chain, newest last, and the last prevhash of each of its pools."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.blocks: deque[ObservedBlock] = deque(maxlen=KEPT_BLOCKS[chain])
        self.last_prevhash: dict[PoolKey, bytes] = {}
        self.rivals: dict[PoolKey, _Rival] = {}
        self.reward_checked = float("-inf")
        self.restored = False
        self.without_height = 0

    @property
    def tip(self) -> ObservedBlock | None:
        return self.blocks[-1] if self.blocks else None


class Observer:
    """Keeps the chains' histories; ``take_new`` returns what is to be stored, ``restore`` loads it."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._wall_offset = clock.wall() - clock.now()  # a fixed offset: setting the wall clock moves no block
        self._logs: dict[Chain, _ChainLog] = {}
        self._unsaved: dict[tuple[Chain, int], ObservedBlock] = {}
        self._void: set[Chain] = set()

    def time(self) -> float:
        """Unix seconds that never jump while this process runs."""
        return self._clock.now() + self._wall_offset

    def observe(self, notify: PoolNotify) -> None:
        """Take a pool's job; cheap if its block is known already."""
        if notify.chain not in SPACING_S:
            return
        log = self._logs.get(notify.chain)
        if log is None:
            log = self._logs[notify.chain] = _ChainLog(notify.chain)
        if log.last_prevhash.get(notify.pool) == notify.prevhash:
            self._check_reward(log, notify)
            return
        log.last_prevhash[notify.pool] = notify.prevhash
        tip = log.tip
        if tip is not None and tip.prevhash == notify.prevhash:
            log.rivals.pop(notify.pool, None)
            return
        self._new_tip(log, notify)

    def _new_tip(self, log: _ChainLog, notify: PoolNotify) -> None:
        height, reward = _read_coinbase(notify)
        if height is None or not target_of_nbits(notify.nbits):
            log.without_height += height is None
            return
        difficulty = network_difficulty(notify.nbits)
        block = ObservedBlock(
            chain=log.chain,
            height=height,
            announced_at=self.time(),
            difficulty=difficulty,
            prevhash=notify.prevhash,
            reward=reward,
        )
        tip = log.tip
        if tip is not None and _clock_jumped(log, tip, block):
            self._restart(log)
            tip = None
        log.restored = False
        if tip is None:
            self._append(log, block)
        elif not self._is_plausible(log, tip, block):
            self._note_rival(log, notify.pool, tip, block)
        elif height > tip.height:
            log.rivals.pop(notify.pool, None)
            self._append(log, replace(block, announced_at=max(block.announced_at, tip.announced_at)))

    @staticmethod
    def _is_plausible(log: _ChainLog, tip: ObservedBlock, block: ObservedBlock) -> bool:
        elapsed = max(0.0, block.announced_at - tip.announced_at)
        most = FREE_JUMP + 4.0 * elapsed / SPACING_S[log.chain]
        return -FREE_JUMP <= block.height - tip.height <= most

    def _note_rival(self, log: _ChainLog, pool: PoolKey, tip: ObservedBlock, block: ObservedBlock) -> None:
        rival = log.rivals.get(pool)
        if rival is None or rival.ours != tip.height or not 0 < block.height - rival.height <= FREE_JUMP:
            log.rivals[pool] = _Rival(block.height, tip.height)
            return
        rival.height = block.height
        rival.advances += 1
        if rival.advances >= RIVAL_BLOCKS:
            self._restart(log)
            self._append(log, block)

    def _restart(self, log: _ChainLog) -> None:
        for block in log.blocks:
            self._unsaved.pop((log.chain, block.height), None)
        self._void.add(log.chain)
        log.blocks.clear()
        log.rivals.clear()

    def _append(self, log: _ChainLog, block: ObservedBlock) -> None:
        log.blocks.append(block)
        log.reward_checked = self._clock.now()
        self._unsaved[log.chain, block.height] = block
        while len(self._unsaved) > sum(KEPT_BLOCKS.values()):  # bounded even if nothing is stored
            self._unsaved.pop(next(iter(self._unsaved)))

    def _check_reward(self, log: _ChainLog, notify: PoolNotify) -> None:
        """Later jobs of a height carry more transactions than its first one."""
        tip = log.tip
        if tip is None or tip.prevhash != notify.prevhash or self._clock.now() - log.reward_checked < REWARD_CHECK_S:
            return
        log.reward_checked = self._clock.now()
        _, reward = _read_coinbase(notify)
        if reward is not None and reward > (tip.reward or 0):
            log.blocks[-1] = self._unsaved[log.chain, tip.height] = replace(tip, reward=reward)

    def take_new(self) -> list[ObservedBlock]:
        """The blocks that are new or changed since the last call."""
        taken = list(self._unsaved.values())
        self._unsaved.clear()
        return taken

    def take_void(self) -> set[Chain]:
        """The chains whose history was restarted since the last call; their stored blocks must be deleted first."""
        taken, self._void = self._void, set()
        return taken

    def restore(self, blocks: Iterable[ObservedBlock]) -> None:
        """Load stored blocks (any order); those that do not rise in height and time are skipped."""
        for block in sorted(blocks, key=lambda block: (block.chain, block.height)):
            if block.chain not in SPACING_S or not 0 < block.difficulty < 1e30:
                continue
            log = self._logs.setdefault(block.chain, _ChainLog(block.chain))
            tip = log.tip
            if tip is None or (block.height > tip.height and block.announced_at >= tip.announced_at):
                log.blocks.append(block)
                log.restored = True

    def blocks(self, chain: Chain) -> tuple[ObservedBlock, ...]:
        """The known blocks of ``chain``, oldest first."""
        log = self._logs.get(chain)
        return tuple(log.blocks) if log else ()

    def reading(self, chain: Chain, short: int, long: int) -> NetworkReading | None:
        """A reading from the jobs of ``chain``; None before its first block."""
        log = self._logs.get(chain)
        tip = log.tip if log else None
        if log is None or tip is None:
            return None
        fee, fee_error = typical_fees(chain, log.blocks)
        spans = _spans(log, scales(short, long))
        known = spans[-1].blocks if spans else 0.0
        note = sentence("{known:.0f} of {long:d} blocks seen so far", known=known, long=long) if known < long else ""
        return NetworkReading(
            chain=chain,
            source=SOURCE,
            taken_at=self.time(),
            difficulty=tip.difficulty,
            height=tip.height,
            spans=spans,
            short_blocks=short,
            long_blocks=long,
            fee=fee,
            fee_error=fee_error,
            note=note,
        )

    def problem(self, chain: Chain) -> Sentence:
        """Why there is no reading of ``chain``, as a sentence."""
        log = self._logs.get(chain)
        if log is not None and log.without_height:
            return sentence("The pools' jobs for {chain} do not tell the block's height.", chain=str(chain))
        return sentence("No pool has sent a job for {chain} yet.", chain=str(chain))


def _clock_jumped(log: _ChainLog, tip: ObservedBlock, block: ObservedBlock) -> bool:
    """Whether the wall clock was set since the last run, so that the stored times cannot be compared."""
    jump, elapsed = block.height - tip.height, block.announced_at - tip.announced_at
    longest = IMPOSSIBLE_SILENCE * SPACING_S[log.chain] * (abs(jump) + 1)
    return log.restored and ((elapsed < 0 and jump > 0) or elapsed > longest)


def _read_coinbase(notify: PoolNotify) -> tuple[int | None, int | None]:
    """Height and reward of a job; each None where it cannot be read."""
    try:
        coinbase = parse_coinbase(
            assemble(notify.coinbase1, notify.extranonce1, notify.extranonce2_size, notify.coinbase2)
        )
    except RemoteProtocolError:
        return height_of(notify.coinbase1), None
    return coinbase.height, coinbase.total


def _spans(log: _ChainLog, wanted: tuple[int, ...]) -> tuple[Span, ...]:
    """One span for each wanted number of blocks that is available, and the whole history if it is shorter."""
    spans: list[Span] = []
    blocks = seconds = exposure = 0.0
    remaining = list(wanted)
    for later, earlier in pairwise(reversed(log.blocks)):
        count, time, effort = _interval(log.chain, earlier, later)
        blocks, seconds, exposure = blocks + count, seconds + time, exposure + effort
        if blocks + 1e-9 >= remaining[0] and exposure > 0:
            spans.append(Span(blocks=round(blocks, 6), seconds=seconds, difficulty=seconds / exposure))
            remaining = [number for number in remaining if number > blocks + 1e-9]
            if not remaining:
                return tuple(spans)
    if exposure > 0 and blocks >= 1 and (not spans or spans[-1].blocks < blocks):
        spans.append(Span(blocks=round(blocks, 6), seconds=seconds, difficulty=seconds / exposure))
    return tuple(spans)


def _interval(chain: Chain, earlier: ObservedBlock, later: ObservedBlock) -> tuple[float, float, float]:
    """Blocks, seconds and seconds per difficulty between two announcements.

    DigiByte's heights are found by five algorithms, so its block times say nothing about SHA-256d: the time
    is computed from the difficulty.
    """
    jump = later.height - earlier.height
    mean = earlier.difficulty if jump == 1 else (earlier.difficulty + later.difficulty) / 2.0
    if chain is Chain.DGB:
        blocks = jump / DGB_HEIGHTS_PER_BLOCK
        seconds = blocks * DGB_ALGORITHM_SPACING_S
    else:
        blocks, seconds = float(jump), later.announced_at - earlier.announced_at
    return blocks, seconds, seconds / mean


def typical_fees(chain: Chain, blocks: Iterable[ObservedBlock]) -> tuple[float | None, float]:
    """The median of the newest ones' fees in coins, and its standard error; None where no coinbase was seen."""
    fees = []
    for block in list(blocks)[-FEE_BLOCKS:]:
        created = subsidy(chain, block.height)
        if block.reward is not None and created and 0 <= block.reward - created <= MAX_FEE_SUBSIDIES * created:
            fees.append((block.reward - created) / COIN)
    if not fees:
        return None, 0.0
    spread = stdev(fees) if len(fees) > 1 else fmean(fees)
    return median(fees), 1.2533 * spread / sqrt(len(fees))
