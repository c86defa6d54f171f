"""Which upstream connections still send work for a block that has been found.

A block is worth nothing once its height is taken, so miners leave a connection that has not heard of the newest block
when another connection of the fleet has had it for ``STALE_S``. A pool says what it likes, so its word is checked:

* The hash of the previous block that a job names is that block's proof of work: as a number it must meet the target
  which the *late* connection's own job gives for that very block (so no retarget comes in between, and a claimed
  ``nbits`` proves nothing). On test networks the target is so large that everything meets it; there is nothing to win
  there either. Where blocks are made by several algorithms (DigiByte), only those of SHA-256 can be checked this way;
  the others move nobody and are left to the alarm ``pool_behind``.
* The connection that has it must have worked on the late connection's block before, and its height (BIP 34, from the
  coinbase) must be one above. So a pool on another branch of a split chain moves nobody, however it grows.
* A pool that alone named a block which it took back, or beside which another pool named a different one, is not
  believed alone for a while: an old block's hash meets the target as well, but it can be sold only once.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.chains.chain_key import ChainKey, chain_key
from proxy.chains.chain_split import ChainSplits, meets_target
from proxy.observe.events import ConnectionTipChanged, EventStream, PoolDisconnected, StaleTipLeft
from proxy.ports import Clock
from proxy.stratum.difficulty import target_of_nbits
from proxy.types import ConnectionId, PoolKey, SessionId

STALE_S = 1.5
"""How long a connection may be late. Good pools name a block within a second of each other; each second on a stale tip
is work for nothing, and each move makes a miner start its work anew (some firmware needs about a second for it)."""
HOLD_S = 30.0
HOLD_MOST_S = 600.0
HOLD_FORGET_S = 3600.0
"""A connection that was left is not taken up again for ``HOLD_S``, twice as long each time within ``HOLD_FORGET_S``:
one that is late again and again, or goes back and forth between two tips, does not drag miners with it."""
TAKEN_BACK_S = 600.0
CONTESTED_S = 86400.0
"""How long the word of a pool alone does not count after it took a block back, or named another one than a pool beside
it. Two real blocks of one height come about once a month, so an honest pool loses little by it."""
_PARENTS_KEPT = 64
_BLOCKS_KEPT = 4


@dataclass(slots=True)
class _NextBlock:
    """A block that followed another one in some pool's jobs."""

    at: float
    height: int
    pools: set[PoolKey] = field(default_factory=set)
    """Those that named it and did not take it back."""


@dataclass(slots=True)
class _ConnectionTip:
    """What a connection works on."""

    chain: ChainKey
    pool: PoolKey
    session: SessionId | None
    prevhash: bytes
    height: int
    """Of the block that is looked for, 0 where the coinbase does not tell."""
    nbits: int
    since: float


Blocks = dict[bytes, _NextBlock]
"""Hash -> block; all of them follow the same one."""


@dataclass(slots=True)
class _Hold:
    times: int
    until: float


class StaleTips:
    """Follows every connection through ``ConnectionTipChanged``; emits ``StaleTipLeft``."""

    def __init__(self, *, clock: Clock, events: EventStream) -> None:
        self.on_change: Callable[[frozenset[SessionId]], None] = _nothing
        """These sessions may have a connection that became stale, or one that may be used again."""
        self._clock = clock
        self._events = events
        self._tips: dict[ConnectionId, _ConnectionTip] = {}
        self._connections_of: dict[PoolKey, set[ConnectionId]] = {}
        self._following: dict[ChainKey, OrderedDict[bytes, Blocks]] = {}
        """Chain -> block -> the blocks that came after it."""
        self._splits = ChainSplits(events)
        self._doubted: dict[PoolKey, float] = {}
        self._holds: dict[SessionId, dict[PoolKey, _Hold]] = {}
        self._reported: dict[PoolKey, bytes] = {}
        """The tip of each pool that ``StaleTipLeft`` was last emitted for."""
        events.subscribe(ConnectionTipChanged, self._on_tip)
        events.subscribe(PoolDisconnected, self._on_disconnected)

    # --- Questions --------------------------------------------------------------------------------------------------

    def late_s(self, connection: ConnectionId) -> float | None:
        """Return for how long (seconds) a connection has been a block behind; None: it is not."""
        tip = self._tips.get(connection)
        if tip is None or not tip.height:
            return None
        found = self._following[tip.chain].get(tip.prevhash, {})
        since = min(
            (
                block.at
                for block_hash, block in found.items()
                if block.height == tip.height + 1
                and meets_target(block_hash, target_of_nbits(tip.nbits))
                and self._is_believed(block)
            ),
            default=None,
        )
        return None if since is None else self._clock.now() - max(since, tip.since)

    def is_to_be_left(self, session: SessionId, pool: PoolKey, connection: ConnectionId) -> bool:
        """Whether the session should not work through this connection if it can work elsewhere."""
        hold = self._holds.get(session, {}).get(pool)
        if hold is not None and self._clock.now() < hold.until - 1e-6:
            return True
        late_s = self.late_s(connection)
        return late_s is not None and late_s >= STALE_S - 1e-6

    def wait_s(self, connection: ConnectionId) -> float:
        """Return how long (seconds) a switch to this connection should wait for the block that others have."""
        late_s = self.late_s(connection)
        return 0.0 if late_s is None else max(0.0, STALE_S - late_s)

    # --- Commands ---------------------------------------------------------------------------------------------------

    def left(self, session: SessionId, pool: PoolKey, connection: ConnectionId) -> None:
        """The session left this connection for being late: it does not come back at once."""
        now, late_s = self._clock.now(), self.late_s(connection)
        holds = self._holds.setdefault(session, {})
        before = holds.get(pool)
        times = before.times + 1 if before is not None and now - before.until < HOLD_FORGET_S else 1
        until = now + min(HOLD_S * 2.0 ** (times - 1), HOLD_MOST_S)
        holds[pool] = _Hold(times, until)
        self._clock.call_at(until, lambda: self.on_change(frozenset((session,))))
        tip = self._tips.get(connection)
        if tip is not None and late_s is not None and self._reported.get(pool) != tip.prevhash:
            self._reported[pool] = tip.prevhash
            self._events.emit(
                StaleTipLeft(pool=pool, chain=tip.chain[0], height=tip.height - 1, late_s=round(late_s, 3))
            )

    def forget(self, session: SessionId) -> None:
        """The session ended."""
        self._holds.pop(session, None)

    # --- What pools say ---------------------------------------------------------------------------------------------

    def _on_tip(self, job: ConnectionTipChanged) -> None:
        before = self._tips.get(job.connection)
        if before is not None and before.prevhash == job.prevhash:
            before.nbits = job.nbits
            return
        now = self._clock.now()
        key = chain_key(job.chain, job.pool)
        tip = _ConnectionTip(key, job.pool, job.session, job.prevhash, job.height, job.nbits, now)
        self._tips[job.connection] = tip
        self._connections_of.setdefault(job.pool, set()).add(job.connection)
        following = self._following.setdefault(key, OrderedDict())
        if before is not None and before.chain == key:
            self._went_on(following, before, tip)
            self._went_back(following, before, tip)
        self._splits.named(job.chain, job.pool, tip.height, job.prevhash, job.nbits)
        late_s = self.late_s(job.connection)
        if late_s is not None and job.session is not None:
            sessions = frozenset((job.session,))
            self._clock.call_at(now + max(0.0, STALE_S - late_s), lambda: self.on_change(sessions))

    def _went_on(self, following: OrderedDict[bytes, Blocks], before: _ConnectionTip, tip: _ConnectionTip) -> None:
        """A connection went from a block to the next one."""
        if not before.height or tip.height != before.height + 1 or tip.prevhash in following:
            return
        if not meets_target(tip.prevhash, target_of_nbits(before.nbits)):
            return
        blocks = following.setdefault(before.prevhash, {})
        while len(following) > _PARENTS_KEPT:
            following.popitem(last=False)
        block = blocks.get(tip.prevhash)
        if block is None:
            if len(blocks) >= _BLOCKS_KEPT:
                return
            block = blocks[tip.prevhash] = _NextBlock(tip.since, tip.height)
        was_believed = self._is_believed(block)
        if tip.pool not in block.pools:
            block.pools.add(tip.pool)
            self._doubt(blocks, tip.since)
        if not was_believed and self._is_believed(block):
            block.at, chain, parent = tip.since, tip.chain, before.prevhash
            self._clock.call_at(tip.since + STALE_S, lambda: self._report_late(chain, parent))
        elif tip.session is not None and tip.since > block.at + STALE_S:
            # Whoever had nowhere to go yet, because all its connections were late, may go here.
            sessions = frozenset((tip.session,))
            self._clock.call_at(tip.since, lambda: self.on_change(sessions))

    def _doubt(self, blocks: Blocks, now: float) -> None:
        """Pools that alone name one of several blocks of a height are doubted; what two of them name is not."""
        for block in blocks.values():
            for pool in block.pools:
                if len(block.pools) > 1:
                    self._doubted.pop(pool, None)
                elif len(blocks) > 1:
                    self._doubted[pool] = now + CONTESTED_S

    def _went_back(self, following: OrderedDict[bytes, Blocks], before: _ConnectionTip, tip: _ConnectionTip) -> None:
        """A connection went from a block back to the one before it: what its pool said of that block counts no more."""
        block = following.get(tip.prevhash, {}).get(before.prevhash)
        if block is None or any(
            self._tips[connection].prevhash == before.prevhash for connection in self._connections_of.get(tip.pool, ())
        ):
            return
        block.pools.discard(tip.pool)
        self._doubted[tip.pool] = max(self._doubted.get(tip.pool, 0.0), tip.since + TAKEN_BACK_S)

    def _is_believed(self, block: _NextBlock) -> bool:
        now = self._clock.now()
        return len(block.pools) > 1 or any(self._doubted.get(pool, now) <= now for pool in block.pools)

    def _report_late(self, chain: ChainKey, parent: bytes) -> None:
        late = frozenset(
            tip.session
            for tip in self._tips.values()
            if tip.session is not None and tip.prevhash == parent and tip.chain == chain
        )
        if late:
            self.on_change(late)

    def _on_disconnected(self, event: PoolDisconnected) -> None:
        tip = self._tips.pop(event.connection, None)
        if tip is None:
            return
        connections = self._connections_of[tip.pool]
        connections.discard(event.connection)
        if not connections:
            del self._connections_of[tip.pool]
            self._splits.forget(tip.pool)


def _nothing(sessions: frozenset[SessionId]) -> None:
    """Nobody listens yet."""
