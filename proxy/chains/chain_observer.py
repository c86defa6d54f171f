"""The chains as the pools' jobs show them: heights, difficulty, who is first with a block, who is behind.

Pools of the same chain are compared; pools of ``Chain.OTHER`` each stand alone, because nobody knows what they mine. A
pool takes part while it has a connection that has sent a job. Constant work per job, everything kept is bounded.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.chains.chain_key import ChainKey, chain_key
from proxy.chains.coinbase import height_of
from proxy.observe.events import (
    ChainSplit,
    ConnectionTipChanged,
    EventStream,
    NewBlockSeen,
    PoolBehind,
    PoolDisconnected,
    PoolNotify,
)
from proxy.ports import Clock, Timer
from proxy.sentence import sentence
from proxy.stratum.difficulty import diff1_target, network_difficulty
from proxy.types import HASHES_PER_DIFFICULTY, Chain, ConnectionId, PoolKey

ALARM_DELAY_S = 45.0
"""How late a pool may be before it is reported. Templates reach good pools within 2 s; a slow block takes 20."""
STEP_BACK_S = 90.0
"""A pool goes back to an older tip (an invalidated block) only if none of its connections has named the newer for so
long: one connection of a pool may simply lag."""
BLOCKS_KEPT = 64


@dataclass(slots=True)
class _Block:
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
class _PoolChain:
    tip: _Block
    confirmed: float
    at_work: dict[ConnectionId, None] = field(default_factory=dict)
    """Connections that serve a miner: only they raise and end an alarm, for a probe comes and goes. No set: one of
    thousands takes twice as much memory."""
    others: dict[ConnectionId, None] = field(default_factory=dict)
    work: _Block | None = None
    """The tip that miners work on."""
    work_confirmed: float = 0.0
    missed: _Block | None = None
    """The first block that miners here did not get; None while they work on the newest."""
    problem: str = ""

    def heard(self, job: PoolNotify | ConnectionTipChanged) -> None:
        """One of the connections has brought ``job``."""
        (self.others if job.session is None else self.at_work)[job.connection] = None


@dataclass(slots=True)
class _ObservedChain:
    blocks: OrderedDict[bytes, _Block] = field(default_factory=OrderedDict)
    pools: dict[PoolKey, _PoolChain] = field(default_factory=dict)
    timer: Timer | None = None
    count: int = 0
    split: ChainSplit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChainView:
    """One pool's idea of its chain."""

    height: int
    """Of the newest block, 0 if not known."""
    network_difficulty: float
    """Of the next block, in units of a share's difficulty."""
    block_seen_at: float
    behind_s: float | None
    """Behind the first pool of its chain at its newest block; 0: it was first; None: no other pool to compare with."""
    problem: str
    """Empty while all is well."""
    problem_since: float
    """Unix seconds: since when the pool has been behind; it does not grow while ``problem`` lasts. 0: no problem."""


class ChainObserver:
    """Follows every chain through pools' jobs and connections' tips; emits ``NewBlockSeen`` and ``PoolBehind``."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventStream,
        hashes_per_difficulty: float = HASHES_PER_DIFFICULTY,
    ) -> None:
        self._clock = clock
        self._events = events
        self._diff1 = diff1_target(hashes_per_difficulty)
        self._chains: dict[ChainKey, _ObservedChain] = {}
        self._of_pool: dict[PoolKey, ChainKey] = {}
        events.subscribe(PoolNotify, self._on_job)
        events.subscribe(ConnectionTipChanged, self._on_job)
        events.subscribe(PoolDisconnected, self._on_disconnected)
        events.subscribe(ChainSplit, self._on_split)

    # --- What pools say --------------------------------------------------------------------------------------------

    def _on_job(self, job: PoolNotify | ConnectionTipChanged) -> None:
        """A job that is new, or the first one on its block that one of the pool's connections brought."""
        key = chain_key(job.chain, job.pool)
        if self._of_pool.get(job.pool) != key:
            self._move_pool(job.pool, key)
        state = self._chains[key]
        mine = state.pools.get(job.pool)
        now = self._clock.now()
        if mine is not None and mine.tip.prevhash == job.prevhash:
            mine.confirmed = now
            mine.heard(job)
            if mine.tip.nbits != job.nbits:
                mine.tip.nbits = job.nbits
            self._works_on(state, mine, mine.tip, job)
            return
        tip = state.blocks.get(job.prevhash) or self._new_tip(state, job, now)
        if mine is None:
            mine = state.pools[job.pool] = _PoolChain(tip=tip, confirmed=now)
        elif tip.order < mine.tip.order and now - mine.confirmed < STEP_BACK_S:
            mine.heard(job)
            self._works_on(state, mine, tip, job)
            return
        mine.heard(job)
        mine.tip, mine.confirmed = tip, now
        self._announced(job, tip, now)
        self._works_on(state, mine, tip, job)

    def _new_tip(self, state: _ObservedChain, job: PoolNotify | ConnectionTipChanged, now: float) -> _Block:
        height = job.height if isinstance(job, ConnectionTipChanged) else height_of(job.coinbase1) or 0
        state.count += 1
        tip = _Block(
            prevhash=job.prevhash,
            height=max(height - 1, 0),
            nbits=job.nbits,
            at=now,
            wall=self._clock.wall(),
            order=state.count,
        )
        state.blocks[job.prevhash] = tip
        while len(state.blocks) > BLOCKS_KEPT:
            state.blocks.popitem(last=False)
        return tip

    def _announced(self, job: PoolNotify | ConnectionTipChanged, tip: _Block, now: float) -> None:
        if job.pool not in tip.pools:
            behind = now - tip.at
            tip.pools[job.pool] = behind
            self._events.emit(
                NewBlockSeen(
                    pool=job.pool,
                    chain=job.chain,
                    height=tip.height,
                    prevhash=tip.prevhash,
                    nbits=tip.nbits,
                    behind_s=behind,
                )
            )

    def _move_pool(self, pool: PoolKey, key: ChainKey) -> None:
        self._forget(pool)
        self._of_pool[pool] = key
        self._chains.setdefault(key, _ObservedChain())

    def _on_disconnected(self, event: PoolDisconnected) -> None:
        key = self._of_pool.get(event.pool)
        mine = self._chains[key].pools.get(event.pool) if key is not None else None
        if mine is None:
            return
        was_at_work = event.connection in mine.at_work
        if not was_at_work and event.connection not in mine.others:
            return
        del (mine.at_work if was_at_work else mine.others)[event.connection]
        if not mine.at_work and not mine.others:
            self._forget(event.pool)
        elif was_at_work and not mine.at_work:
            self._nobody_works(self._of_pool[event.pool], event.pool, mine)

    def _forget(self, pool: PoolKey) -> None:
        key = self._of_pool.pop(pool, None)
        if key is None:
            return
        state = self._chains[key]
        mine = state.pools.pop(pool, None)
        if mine is not None:
            self._nobody_works(key, pool, mine)

    def _on_split(self, event: ChainSplit) -> None:
        """Of pools on different branches none is behind: ``ChainSplit`` says what is wrong."""
        state = self._chains.get((event.chain, None))
        if state is not None:
            state.split = None if event.cleared else event
            self._compare(state, event.chain)

    # --- Who is behind ---------------------------------------------------------------------------------------------

    def _works_on(
        self, state: _ObservedChain, mine: _PoolChain, tip: _Block, job: PoolNotify | ConnectionTipChanged
    ) -> None:
        """Follow what miners work on; a connection that lags does not take its pool back (as ``STEP_BACK_S`` says)."""
        if job.session is None:
            return
        now, before = self._clock.now(), mine.work
        if before is not None and tip.order < before.order and now - mine.work_confirmed < STEP_BACK_S:
            return
        mine.work, mine.work_confirmed = tip, now
        if before is not tip:
            self._compare(state, job.chain)

    def _nobody_works(self, key: ChainKey, pool: PoolKey, mine: _PoolChain) -> None:
        """The pool's last miner left it: it is neither behind nor a measure for others."""
        mine.work = mine.missed = None
        if mine.problem:
            mine.problem = ""
            self._events.emit(PoolBehind(pool=pool, chain=key[0], detail="no connection any more", cleared=True))
        self._compare(self._chains[key], key[0])

    def _compare(self, state: _ObservedChain, chain: Chain) -> None:
        if state.timer is not None:
            state.timer.cancel()
            state.timer = None
        best = _best([mine.work for mine in state.pools.values() if mine.work is not None])
        if best is None:
            return
        now, dues = self._clock.now(), []
        for pool, mine in state.pools.items():
            if mine.work is best or state.split is not None:
                mine.missed = None
                self._report(pool, chain, mine, "")
            elif mine.work is not None:
                mine.missed = mine.missed or best
                due = mine.missed.at + ALARM_DELAY_S
                if now >= due:
                    self._report(pool, chain, mine, _problem(mine.work, best), now - mine.missed.at)
                else:
                    dues.append(due)
        if dues:
            state.timer = self._clock.call_at(min(dues), lambda: self._compare(state, chain))

    def _report(self, pool: PoolKey, chain: Chain, mine: _PoolChain, problem: str, age_s: float = 0.0) -> None:
        before, mine.problem = mine.problem, problem
        if bool(before) != bool(problem):
            split = self._chains[chain_key(chain, pool)].split
            detail = (
                f"{problem} for {age_s:.0f} s"
                if problem
                else "its chain has split"
                if split
                else "on the chain's tip again"
            )
            self._events.emit(PoolBehind(pool=pool, chain=chain, detail=detail, cleared=not problem))

    # --- Reading ---------------------------------------------------------------------------------------------------

    def pool(self, key: PoolKey) -> PoolChainView | None:
        """One pool's idea of its chain; None without a connection that has sent a job."""
        chain = self._of_pool.get(key)
        mine = self._chains[chain].pools.get(key) if chain is not None else None
        if chain is None or mine is None:
            return None
        tip, missed = mine.tip, mine.missed if mine.problem else None
        return PoolChainView(
            height=tip.height,
            network_difficulty=network_difficulty(tip.nbits, self._diff1),
            block_seen_at=tip.wall,
            behind_s=tip.pools.get(key) if len(self._chains[chain].pools) > 1 else None,
            problem=mine.problem,
            problem_since=missed.wall if missed else 0.0,
        )

    def splits(self) -> Sequence[ChainSplit]:
        """The chains that have split."""
        return tuple(state.split for state in self._chains.values() if state.split is not None)


def _best(tips: Sequence[_Block]) -> _Block | None:
    """The tip that counts: the highest, then the first seen; where heights are not known, the newest."""
    if not tips:
        return None
    if all(tip.height for tip in tips):
        return max(tips, key=lambda tip: (tip.height, -tip.order))
    return max(tips, key=lambda tip: tip.order)


def _problem(mine: _Block, best: _Block) -> str:
    if mine.height and mine.height == best.height:
        return sentence("on another block at height {height:d} than the other pools of its chain", height=mine.height)
    if mine.height and best.height:
        return sentence("still on height {height:d}, its chain is at {best:d}", height=mine.height, best=best.height)
    return sentence("not on the newest block of its chain")
