"""Which upstream connections still send work for a block that has been found.

A block is worth nothing once its height is taken, so miners leave a connection that has not heard of the newest block
when another connection of the fleet has had it for ``STALE_S``, and may come back once it has. A pool says what it
likes, so its word is checked:

* The hash of the previous block that a job names is that block's proof of work: as a number it must meet the target
  which the *late* connection's own job gives for that very block (so no retarget comes in between, and a claimed
  ``nbits`` proves nothing). On test networks the target is so large that everything meets it; there is nothing to win
  there either. Where blocks are made by several algorithms (DigiByte), only those of SHA-256 can be checked this way;
  the others move nobody and are left to the alarm ``pool_behind``.
* The connection that has it must have worked on the late connection's block before, and its height (BIP 34, from the
  coinbase) must be one above. So a pool on another branch of a split chain moves nobody, however it grows.
* A claim counts only while the pool stands by it: a connection works on the block, or has gone on to the next.
* The hash of an old block meets the target as well. So a pool is doubted, and none of its claims count for
  ``DOUBT_S``, twice as long each further time up to ``DOUBT_MOST_S``, once it

  * names a block of the claimed height or below after its last connection left the claimed block (for another one, by a
    detour, or because it closed), and no other pool bears the claimed block out,
  * names two blocks after the same one, or takes up a block two below what it claimed,
  * and another pool stand alone with different blocks after the same one, and neither gives way in ``CONTEST_S``.

  No block of a pool is believed twice. Doubt costs a pool none of its work: it only moves nobody.

What a pool can gain: one that lies alone holds miners from another pool until that pool names the real block, once
before each doubt. With a block every 10 minutes that is 10 minutes on average in the first 6 hours, 20 in the first 18,
and 10 a day later, times the other pools' part of the work: 3 % of the first 6 hours, under 1 % in the long run. Pools
that lie together are believed: each bears the other out.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.chains.block_claims import BlockClaim, PoolClaims
from proxy.chains.chain_key import ChainKey, chain_key
from proxy.chains.chain_split import ChainSplits, meets_target
from proxy.observe.events import ConnectionTipChanged, EventStream, PoolDisconnected, StaleTipLeft
from proxy.ports import Clock
from proxy.stratum.difficulty import target_of_nbits
from proxy.types import ConnectionId, PoolKey, SessionId

STALE_S = 1.5
"""How long a connection may be late. Good pools name a block within a second of each other; each second on a stale tip
is work for nothing, and each move makes a miner start its work anew (some firmware needs about a second for it)."""
HOLD_S = 60.0
HOLD_MOST_S = 600.0
HOLD_FORGET_S = 3600.0
"""A connection that was left, went on, and came back to the block for which it was left, is not taken up again for
``HOLD_S``, twice as long each time within ``HOLD_FORGET_S``: going back and forth does not drag miners along."""
CONTEST_S = 60.0
"""How long two pools may name different blocks of one height before neither is believed alone."""
DOUBT_S = 6 * 3600.0
DOUBT_MOST_S = 24 * 3600.0
DOUBT_FORGET_S = 7 * 24 * 3600.0
"""A pool that has not been doubted for so long starts at ``DOUBT_S`` again."""
_LEFT_TIPS_KEPT = 8

ChainClaims = dict[PoolKey, PoolClaims]
"""What each pool says of one chain."""


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


@dataclass(slots=True)
class _Doubt:
    times: int
    until: float


@dataclass(slots=True)
class _Left:
    """That a session left its connection to a pool."""

    tips: OrderedDict[bytes, bool] = field(default_factory=OrderedDict)
    """Blocks for which it was left -> whether the connection has worked on another one since."""
    flaps: int = 0
    held_until: float = 0.0
    held_for: bytes = b""


class StaleTips:
    """Follows every connection through ``ConnectionTipChanged``; emits ``StaleTipLeft``."""

    def __init__(self, *, clock: Clock, events: EventStream) -> None:
        self.on_change: Callable[[frozenset[SessionId]], None] = _nothing
        """These sessions may have a connection that became stale, or one that may be used again."""
        self._clock = clock
        self._events = events
        self._tips: dict[ConnectionId, _ConnectionTip] = {}
        self._connections_of: Counter[PoolKey] = Counter()
        """How many of ``_tips`` each pool has."""
        self._claims: dict[ChainKey, ChainClaims] = {}
        self._splits = ChainSplits(events)
        self._doubts: dict[PoolKey, _Doubt] = {}
        self._left: dict[SessionId, dict[PoolKey, _Left]] = {}
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
        claims, since = self._claims[tip.chain], None
        for pool, said in claims.items():
            claim = said.by_parent.get(tip.prevhash)
            if (
                claim is not None  # seldom: nearly all connections work on the newest block
                and claim.height == tip.height + 1
                and meets_target(claim.block, target_of_nbits(tip.nbits))
                and self._counts(pool, said, claim)
                and not claims[tip.pool].had_before(claim.block, tip.prevhash)
            ):
                since = claim.at if since is None else min(since, claim.at)
        return None if since is None else self._clock.now() - max(since, tip.since)

    def is_to_be_left(self, session: SessionId, pool: PoolKey, connection: ConnectionId) -> bool:
        """Whether the session should not work through this connection if it can work elsewhere."""
        left = left_by_pool.get(pool) if (left_by_pool := self._left.get(session)) else None
        if left is not None and self._clock.now() < left.held_until - 1e-6 and self._is_claimed(pool, left.held_for):
            return True
        late_s = self.late_s(connection)
        return late_s is not None and late_s >= STALE_S - 1e-6

    def wait_s(self, connection: ConnectionId) -> float:
        """Return how long (seconds) a switch to this connection should wait for the block that others have."""
        late_s = self.late_s(connection)
        return 0.0 if late_s is None else max(0.0, STALE_S - late_s)

    def _counts(self, pool: PoolKey, said: PoolClaims, claim: BlockClaim) -> bool:
        return not self._is_doubted(pool) and said.stands_by(claim)

    def _is_doubted(self, pool: PoolKey) -> bool:
        doubt = self._doubts.get(pool)
        return doubt is not None and self._clock.now() < doubt.until - 1e-6

    def _is_claimed(self, pool: PoolKey, parent: bytes) -> bool:
        """Whether another pool's claim that a block came after ``parent`` counts."""
        return any(
            other != pool and (claim := said.by_parent.get(parent)) is not None and self._counts(other, said, claim)
            for claims in self._claims.values()
            for other, said in claims.items()
        )

    # --- Commands ---------------------------------------------------------------------------------------------------

    def left(self, session: SessionId, pool: PoolKey, connection: ConnectionId) -> None:
        """The session left this connection for being late."""
        now, late_s, tip = self._clock.now(), self.late_s(connection), self._tips.get(connection)
        if tip is None or late_s is None:
            return
        left = self._left.setdefault(session, {}).setdefault(pool, _Left())
        if left.tips.pop(tip.prevhash, False):
            left.flaps = left.flaps + 1 if now - left.held_until < HOLD_FORGET_S else 1
            left.held_until = now + min(HOLD_S * 2.0 ** (left.flaps - 1), HOLD_MOST_S)
            left.held_for = tip.prevhash
            self._clock.call_at(left.held_until, lambda: self.on_change(frozenset((session,))))
        left.tips[tip.prevhash] = False
        while len(left.tips) > _LEFT_TIPS_KEPT:
            left.tips.popitem(last=False)
        if self._reported.get(pool) != tip.prevhash:
            self._reported[pool] = tip.prevhash
            self._events.emit(
                StaleTipLeft(pool=pool, chain=tip.chain[0], height=tip.height - 1, late_s=round(late_s, 3))
            )

    def forget(self, session: SessionId) -> None:
        """The session ended."""
        self._left.pop(session, None)

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
        claims, said = self._said_by(tip.pool, key)
        self._connections_of[tip.pool] += before is None
        said.working_on[tip.prevhash] = said.working_on.get(tip.prevhash, 0) + 1
        if before is not None and before.chain == key:
            self._claim(claims, said, before, tip)
        said.see(tip.prevhash)
        if before is not None:
            self._stop_working_on(before)
        self._look_at_abandoned(claims, said, tip)
        self._splits.named(job.chain, job.pool, tip.height, job.prevhash, job.nbits)
        self._note_movement(tip)
        late_s = self.late_s(job.connection)
        if late_s is not None and job.session is not None:
            sessions = frozenset((job.session,))
            self._clock.call_at(now + max(0.0, STALE_S - late_s), lambda: self.on_change(sessions))

    def _said_by(self, pool: PoolKey, key: ChainKey) -> tuple[ChainClaims, PoolClaims]:
        """What is said of a chain, and what of it by ``pool``. A new block asks for it once for each connection."""
        claims = self._claims.get(key)
        if claims is None:
            claims = self._claims[key] = {}
        said = claims.get(pool)
        if said is None:
            said = claims[pool] = PoolClaims()
        return claims, said

    def _claim(self, claims: ChainClaims, said: PoolClaims, before: _ConnectionTip, tip: _ConnectionTip) -> None:
        """Keep that a connection went from a block to the next one."""
        if not before.height or tip.height != before.height + 1:
            return
        known = said.by_parent.get(before.prevhash)
        if known is None:
            if tip.prevhash in said.seen:
                return
            claim = BlockClaim(before.prevhash, tip.prevhash, tip.height, tip.since)
            said.add(claim)
            self._contest(claims, claim, tip)
            chain, parents = tip.chain, frozenset((before.prevhash,))
            self._clock.call_at(tip.since + STALE_S, lambda: self._look_again(chain, parents))
        elif known.block != tip.prevhash:
            if not known.is_withdrawn:
                self._withdraw(claims, said, known, tip)
        elif tip.session is not None and tip.since > known.at + STALE_S:
            # Whoever had nowhere to go yet, because all its connections were late, may go here.
            sessions = frozenset((tip.session,))
            self._clock.call_at(tip.since, lambda: self.on_change(sessions))

    def _contest(self, claims: ChainClaims, claim: BlockClaim, tip: _ConnectionTip) -> None:
        if len(_sides_of(claims, claim.parent)) > 1:
            self._clock.call_at(tip.since + CONTEST_S, lambda: self._settle(claims, tip.chain, claim.parent))

    def _settle(self, claims: ChainClaims, chain: ChainKey, parent: bytes) -> None:
        """Doubt the pools that alone name one of several blocks of a height; what two of them name is not doubted."""
        sides = {
            block: believed
            for block, pools in _sides_of(claims, parent).items()
            if (believed := [pool for pool in pools if not self._is_doubted(pool)])
        }
        if len(sides) > 1:
            for pools in sides.values():
                if len(pools) == 1:
                    self._doubt(claims, chain, pools[0])

    def _stop_working_on(self, before: _ConnectionTip) -> None:
        """A connection left the block it worked on, or closed."""
        said = self._claims[before.chain][before.pool]
        left = said.working_on[before.prevhash] - 1
        if left:
            said.working_on[before.prevhash] = left
            return
        del said.working_on[before.prevhash]
        claim = said.by_block.get(before.prevhash)
        if claim is None or claim.is_withdrawn or said.stands_by(claim):
            return
        said.abandoned[claim.block] = claim
        if not self._is_doubted(before.pool):
            chain, parents = before.chain, frozenset((claim.parent,))
            self._clock.call_at(self._clock.now(), lambda: self._look_again(chain, parents))

    def _look_at_abandoned(self, claims: ChainClaims, said: PoolClaims, tip: _ConnectionTip) -> None:
        """See whether the pool takes back what it claimed, by what it names now."""
        for block, claim in list(said.abandoned.items()):
            if block == tip.prevhash:
                del said.abandoned[block]
            elif tip.height and tip.height <= claim.height:
                self._withdraw(claims, said, claim, tip)
        highest = said.highest
        if highest is not None and 0 < tip.height < highest.height - 1 and tip.since > highest.at + CONTEST_S:
            self._withdraw(claims, said, highest, tip)  # another connection of the pool says that it is not so high

    def _withdraw(self, claims: ChainClaims, said: PoolClaims, claim: BlockClaim, tip: _ConnectionTip) -> None:
        """The pool took a claim back. Where no other pool bears the block out, nothing of it is to be believed."""
        taken_back: BlockClaim | None = claim
        while taken_back is not None and not taken_back.is_withdrawn:
            said.withdraw(taken_back)
            if self._is_borne_out(claims, tip.pool, taken_back):
                return
            self._doubt(claims, tip.chain, tip.pool)
            earlier = said.by_block.get(taken_back.parent)
            goes_too = earlier is not None and tip.prevhash != earlier.block and tip.height <= earlier.height
            taken_back = earlier if goes_too and not said.working_on.get(taken_back.parent) else None

    def _is_borne_out(self, claims: ChainClaims, pool: PoolKey, claim: BlockClaim) -> bool:
        return any(
            other != pool
            and not self._is_doubted(other)
            and (
                bool(said.working_on.get(claim.block))
                or (
                    (same := said.by_parent.get(claim.parent)) is not None
                    and same.block == claim.block
                    and not same.is_withdrawn
                )
            )
            for other, said in claims.items()
        )

    def _doubt(self, claims: ChainClaims, chain: ChainKey, pool: PoolKey) -> None:
        now, doubt = self._clock.now(), self._doubts.get(pool)
        if doubt is None or now - doubt.until >= DOUBT_FORGET_S:
            doubt = self._doubts[pool] = _Doubt(0, 0.0)
        if now >= doubt.until - 1e-6:
            doubt.times += 1
        doubt.until = now + min(DOUBT_S * 2.0 ** (doubt.times - 1), DOUBT_MOST_S)
        parents = frozenset(claims[pool].by_parent)
        for at in (now, doubt.until):
            self._clock.call_at(at, lambda: self._look_again(chain, parents))

    def _note_movement(self, tip: _ConnectionTip) -> None:
        if tip.session is not None and (left := self._left.get(tip.session, {}).get(tip.pool)) is not None:
            for block in left.tips:
                left.tips[block] = left.tips[block] or block != tip.prevhash

    def _look_again(self, chain: ChainKey, parents: frozenset[bytes]) -> None:
        """Let the sessions act whose connections work on these blocks, or are held off for them."""
        sessions = {
            tip.session
            for tip in self._tips.values()
            if tip.session is not None and tip.prevhash in parents and tip.chain == chain
        }
        sessions |= {
            session
            for session, pools in self._left.items()
            if any(left.held_for in parents and left.held_until > self._clock.now() for left in pools.values())
        }
        if sessions:
            self.on_change(frozenset(sessions))

    def _on_disconnected(self, event: PoolDisconnected) -> None:
        tip = self._tips.pop(event.connection, None)
        if tip is None:
            return
        self._stop_working_on(tip)
        self._connections_of[tip.pool] -= 1
        if not self._connections_of[tip.pool]:
            del self._connections_of[tip.pool]
            self._splits.forget(tip.pool)


def _sides_of(claims: ChainClaims, parent: bytes) -> dict[bytes, list[PoolKey]]:
    """Return the blocks that pools say came after ``parent``, and who says so, without what they took back."""
    sides: dict[bytes, list[PoolKey]] = {}
    for pool, said in claims.items():
        claim = said.by_parent.get(parent)
        if claim is not None and not claim.is_withdrawn:
            sides.setdefault(claim.block, []).append(pool)
    return sides


def _nothing(sessions: frozenset[SessionId]) -> None:
    """Nobody listens yet."""
