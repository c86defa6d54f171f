"""What the chains look like from the pools' jobs: tips, heights, difficulty, who is first, who is behind.

Pools of the same chain are compared; pools of ``Chain.OTHER`` each stand alone, because nobody knows what they mine. A
pool takes part while it has a connection that has sent a job. Constant work per job, everything kept is bounded.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.core.coinbase import height_of
from proxy.core.events import EventStream, NewBlockSeen, PoolBehind, PoolDisconnected, PoolNotify
from proxy.core.ports import Clock, Timer
from proxy.core.stratum.difficulty import diff1_target, network_difficulty
from proxy.core.types import HASHES_PER_DIFFICULTY, Chain, LaneId, PoolKey

ALARM_DELAY_S = 45.0
"""How late a pool may be before people are told. Templates reach good pools within 2 s; a slow block takes 20."""
LET_GO_S = 90.0
"""A pool goes back to an older tip (an invalidated block) only if none of its connections has named the newer for so
long: one connection of a pool may simply lag."""
TIPS_KEPT = 64

ChainKey = tuple[Chain, PoolKey | None]


@dataclass(slots=True)
class _Tip:
    prevhash: bytes
    height: int
    """Of the block itself, 0 if not known; the job is for the next one."""
    nbits: int
    at: float
    wall: float
    order: int
    pools: dict[PoolKey, float] = field(default_factory=dict)
    """Who has announced it, and how many seconds after the first."""


@dataclass(slots=True)
class _PoolTip:
    tip: _Tip
    confirmed: float
    lanes: set[LaneId] = field(default_factory=set)
    problem: str = ""


@dataclass(slots=True)
class _ChainState:
    tips: OrderedDict[bytes, _Tip] = field(default_factory=OrderedDict)
    pools: dict[PoolKey, _PoolTip] = field(default_factory=dict)
    timer: Timer | None = None
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TipView:
    """One block as the pools told it."""

    prevhash: bytes
    height: int
    """0 if not known."""
    seen_at: float
    """Unix seconds of the first word of it."""
    first: PoolKey
    behind_s: dict[PoolKey, float]
    """Pool -> seconds after the first; pools that never named it are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChainView:
    """One pool's idea of its chain."""

    pool: PoolKey
    chain: Chain
    height: int
    prevhash: bytes
    network_difficulty: float
    nbits: int
    block_seen_at: float
    behind_s: float | None
    """Behind the first pool of its chain at its newest block; 0: it was first; None: no other pool to compare with."""
    problem: str
    """Empty while all is well."""


class ChainObserver:
    """Follows every chain through ``PoolNotify``; emits ``NewBlockSeen`` and ``PoolBehind``."""

    def __init__(self, *, clock: Clock, events: EventStream, hashes_per_difficulty: float = HASHES_PER_DIFFICULTY,
                 alarm_delay_s: float = ALARM_DELAY_S) -> None:
        self._clock = clock
        self._events = events
        self._diff1 = diff1_target(hashes_per_difficulty)
        self._delay_s = alarm_delay_s
        self._chains: dict[ChainKey, _ChainState] = {}
        self._of_pool: dict[PoolKey, ChainKey] = {}
        events.subscribe(PoolNotify, self._on_notify)
        events.subscribe(PoolDisconnected, self._on_disconnected)

    # --- What pools say --------------------------------------------------------------------------------------------

    def _on_notify(self, job: PoolNotify) -> None:
        key = (job.chain, job.pool if job.chain is Chain.OTHER else None)
        if self._of_pool.get(job.pool) != key:
            self._move_pool(job.pool, key)
        state = self._chains[key]
        mine = state.pools.get(job.pool)
        now = self._clock.now()
        if mine is not None and mine.tip.prevhash == job.prevhash:
            mine.confirmed = now
            mine.lanes.add(job.lane)
            if mine.tip.nbits != job.nbits:
                mine.tip.nbits = job.nbits
            return
        tip = state.tips.get(job.prevhash) or self._new_tip(state, job, now)
        if mine is None:
            mine = state.pools[job.pool] = _PoolTip(tip=tip, confirmed=now)
        elif tip.order < mine.tip.order and now - mine.confirmed < LET_GO_S:
            mine.lanes.add(job.lane)
            return
        mine.lanes.add(job.lane)
        mine.tip, mine.confirmed = tip, now
        self._announced(state, job, tip, now)

    def _new_tip(self, state: _ChainState, job: PoolNotify, now: float) -> _Tip:
        height = height_of(job.coinbase1) or 0
        state.count += 1
        tip = _Tip(prevhash=job.prevhash, height=max(height - 1, 0), nbits=job.nbits, at=now,
                   wall=self._clock.wall(), order=state.count)
        state.tips[job.prevhash] = tip
        while len(state.tips) > TIPS_KEPT:
            state.tips.popitem(last=False)
        return tip

    def _announced(self, state: _ChainState, job: PoolNotify, tip: _Tip, now: float) -> None:
        if job.pool not in tip.pools:
            behind = now - tip.at
            tip.pools[job.pool] = behind
            self._events.emit(NewBlockSeen(pool=job.pool, chain=job.chain, height=tip.height, prevhash=tip.prevhash,
                                           nbits=tip.nbits, behind_s=behind))
        self._judge(state, job.chain)

    def _move_pool(self, pool: PoolKey, key: ChainKey) -> None:
        self._forget(pool)
        self._of_pool[pool] = key
        self._chains.setdefault(key, _ChainState())

    def _on_disconnected(self, event: PoolDisconnected) -> None:
        key = self._of_pool.get(event.pool)
        mine = self._chains[key].pools.get(event.pool) if key is not None else None
        if mine is None or event.lane not in mine.lanes:
            return
        mine.lanes.discard(event.lane)
        if not mine.lanes:
            self._forget(event.pool)

    def _forget(self, pool: PoolKey) -> None:
        key = self._of_pool.pop(pool, None)
        if key is None:
            return
        state = self._chains[key]
        mine = state.pools.pop(pool, None)
        if mine is not None and mine.problem:
            self._events.emit(PoolBehind(pool=pool, chain=key[0], detail="no connection any more", cleared=True))
        self._judge(state, key[0])

    # --- Who is behind ---------------------------------------------------------------------------------------------

    def _judge(self, state: _ChainState, chain: Chain) -> None:
        if state.timer is not None:
            state.timer.cancel()
            state.timer = None
        best = _best(state)
        if best is None:
            return
        due = best.at + self._delay_s
        late = self._clock.now() >= due
        for pool, mine in state.pools.items():
            if mine.tip is best:
                self._tell(pool, chain, mine, "")
            elif late:
                self._tell(pool, chain, mine, _problem(mine.tip, best, self._clock.now()))
        if not late and any(mine.tip is not best for mine in state.pools.values()):
            state.timer = self._clock.call_at(due, lambda: self._judge(state, chain))

    def _tell(self, pool: PoolKey, chain: Chain, mine: _PoolTip, problem: str) -> None:
        before, mine.problem = mine.problem, problem
        if bool(before) != bool(problem):
            self._events.emit(PoolBehind(pool=pool, chain=chain, detail=problem or "on the chain's tip again",
                                         cleared=not problem))

    # --- Reading ---------------------------------------------------------------------------------------------------

    def pools(self) -> Sequence[PoolChainView]:
        """Every pool that has a connection with a job."""
        return tuple(self._pool_view(pool, chain, state, mine) for (chain, _), state in self._chains.items()
                     for pool, mine in state.pools.items())

    def pool(self, key: PoolKey) -> PoolChainView | None:
        """One pool's idea of its chain; None without a job."""
        return next((view for view in self.pools() if view.pool == key), None)

    def tips(self, chain: Chain, pool: PoolKey | None = None) -> Sequence[TipView]:
        """The newest blocks of a chain, newest first; ``pool`` is needed for ``Chain.OTHER`` only."""
        state = self._chains.get((chain, pool if chain is Chain.OTHER else None))
        tips = reversed(state.tips.values()) if state else ()
        return tuple(TipView(prevhash=tip.prevhash, height=tip.height, seen_at=tip.wall, first=next(iter(tip.pools)),
                             behind_s=dict(tip.pools)) for tip in tips if tip.pools)

    def difficulty(self, chain: Chain, pool: PoolKey | None = None) -> float | None:
        """Network difficulty of the chain's newest block's successor, in units of a share's difficulty."""
        state = self._chains.get((chain, pool if chain is Chain.OTHER else None))
        best = _best(state) if state else None
        return None if best is None else network_difficulty(best.nbits, self._diff1)

    def _pool_view(self, pool: PoolKey, chain: Chain, state: _ChainState, mine: _PoolTip) -> PoolChainView:
        tip = mine.tip
        return PoolChainView(
            pool=pool, chain=chain, height=tip.height, prevhash=tip.prevhash, nbits=tip.nbits,
            network_difficulty=network_difficulty(tip.nbits, self._diff1), block_seen_at=tip.wall,
            behind_s=tip.pools.get(pool) if len(state.pools) > 1 else None, problem=mine.problem)


def _best(state: _ChainState) -> _Tip | None:
    """The tip that counts: the highest, then the first seen; where heights are not known, the newest."""
    tips = [mine.tip for mine in state.pools.values()]
    if not tips:
        return None
    if all(tip.height for tip in tips):
        return max(tips, key=lambda tip: (tip.height, -tip.order))
    return max(tips, key=lambda tip: tip.order)


def _problem(mine: _Tip, best: _Tip, now: float) -> str:
    age = f"for {now - best.at:.0f} s"
    if mine.height and mine.height == best.height:
        return f"on another block at height {mine.height} than the other pools of its chain {age}"
    if mine.height and best.height:
        return f"still on height {mine.height}, its chain is at {best.height} {age}"
    return f"not on the newest block of its chain {age}"
