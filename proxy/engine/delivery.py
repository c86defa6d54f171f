"""Block candidates whose upstream session broke before the pool had answered: kept, and sent once if it is resumed.

A pool knows a share by its extranonce1, so a candidate is worth something only on its own session. ckpool resumes a
session whose id comes as the second parameter of ``mining.subscribe``: it gives the same extranonce1 again, once it has
noticed that the old connection is closed, and knows jobs for 10 minutes (src/stratifier.c, ``parse_subscribe``,
``disconnected_sessionid_exists``). Other pools (public-pool, MiningCore) ignore the parameter and give another
extranonce1; nothing is sent to them.

For each broken session one connection of its own is dialled, to the same server. It serves no miner, so nothing about
work, search space or difficulty of the miner's other connections depends on it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.config.snapshot import Endpoint
from proxy.engine.backoff import Backoff
from proxy.engine.candidate_limit import CandidateLimit
from proxy.engine.pool import UpstreamPool
from proxy.engine.reject_reasons import reason_of
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.observe.events import BlockDelivered, BlockKept, BlockNotDelivered, BlockResent, EventStream, LateVerdict
from proxy.ports import Clock, Random, Timer
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.submit_line import submit_fits
from proxy.stratum.upstream_handshake import Credentials
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.types import BlockFate, Chain, PoolKey, Reason, WorkerName

MAX_AGE_S = 600.0
"""Age of a candidate up to which it is sent: ckpool forgets jobs (and sessions) after 10 minutes."""
ANSWER_WITHIN_S = 30.0
"""How long a miner waits for the answer to a candidate that is kept."""
RETRY_LEAST_S = 0.5
RETRY_MOST_S = 15.0
NEW_SESSION_RETRY_S = (1.0, 5.0, 30.0, 60.0)
"""Pauses before the session is asked for again, the last one until the candidate is too old.

ckpool gives a new session while it believes the old connection open, and that takes it a minute or more where the line
broke without a word (src/connector.c). A pool that never resumes a session is dialled a dozen times for a block."""
LINGER_S = 5.0
"""How long a resumed session stays open for candidates that its miner had in flight."""
MAX_PER_POOL = 32
MAX_BLOCKS = 128
MAX_IDLE_SESSIONS = 64
"""Sessions without a candidate that are remembered: ckpool names a resumed one anew."""

_NOTHING = ShareAnswer(False, None, 0.0, lost=True)
_WORDS = {
    BlockFate.NO_ANSWER: "sent on the resumed session, which broke before the pool answered",
    BlockFate.NO_SESSION: "the pool gave its session no id, so it cannot be resumed",
    BlockFate.NEW_SESSION: "the pool gave a new session with another extranonce1",
    BlockFate.LOGIN_REFUSED: "the pool refused the login",
    BlockFate.EXPIRED: f"it could not be sent within {MAX_AGE_S / 60:.0f} minutes, after which pools forget a job",
    BlockFate.POOL_REMOVED: "the pool was removed, changed or switched off",
    BlockFate.TOO_MANY: f"more than {MAX_PER_POOL} candidates of the pool (or {MAX_BLOCKS} of all) were waiting",
}
TOO_LONG = "its submit is longer than what pools read"


class UndeliveredBlock(NamedTuple):
    """A block candidate without an answer, and what is needed to send it."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    endpoint: Endpoint | None
    """None where it is not known any more."""
    session_id: str
    """Empty where the pool named none."""
    extranonce1: bytes
    submit: tuple[str | int, ...]
    """Parameters of ``mining.submit``."""
    credentials: Credentials
    age_s: float = 0.0


class _Kept:
    """A candidate without an answer, and the miner that may wait for one. Implements ``PendingSubmit``."""

    __slots__ = ("_reply", "_timer", "block", "expires_at", "late", "sent_by")

    def __init__(self, block: UndeliveredBlock, answered: Callable[[ShareAnswer], None] | None, clock: Clock) -> None:
        now = clock.now()
        self.block = block
        self.expires_at = now + MAX_AGE_S - block.age_s
        self.sent_by: _BrokenSession | None = None
        """None until it is sent."""
        self.late = False
        """Whether the miner was told that there is no answer."""
        self._reply = answered
        deadlines = clock.deadlines
        self._timer = (
            deadlines.call_at(deadlines.now() + ANSWER_WITHIN_S, self._give_up) if answered is not None else None
        )

    @property
    def is_sent(self) -> bool:
        """Whether the pool was asked about it."""
        return self.sent_by is not None

    def answered(self, answer: ShareAnswer) -> None:
        """The pool's verdict, or none."""
        if self.sent_by is not None:
            self.sent_by.candidate_answered(self, answer)

    def accepted(self, latency_s: float, version_bits: int | None) -> None:
        """The pool accepted it."""
        self.answered(ShareAnswer(True, None, latency_s, version_bits=version_bits))

    def answered_late(self, answer: ShareAnswer) -> None:
        """The verdict of a pool that took longer than it was waited for."""
        if self.sent_by is not None:
            self.sent_by.delivery.tell_verdict(self.block, answer)

    def given_up(self) -> None:
        """It was reported as unanswered already, and is not sent a third time."""

    def reply(self, answer: ShareAnswer) -> None:
        """Answer the miner, unless it has its answer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(answer)

    def _give_up(self) -> None:
        self.late = True
        self.reply(_NOTHING)


class BlockDelivery:
    """Keeps the candidates of all pools, and one ``_BrokenSession`` for each upstream session that broke."""

    def __init__(
        self, *, pools: Mapping[PoolKey, UpstreamPool], clock: Clock, events: EventStream, random: Random
    ) -> None:
        self.pools = pools
        self.clock = clock
        self.random = random
        self.candidates = CandidateLimit(clock=clock, events=events)
        self._events = events
        self._sessions: dict[tuple[object, ...], _BrokenSession] = {}
        self._closed = False

    @property
    def open_submits(self) -> int:
        """Candidates that were sent and have no answer yet."""
        return sum(kept.is_sent for session in self._sessions.values() for kept in session.blocks)

    def deliver(self, block: UndeliveredBlock, answered: Callable[[ShareAnswer], None] | None = None) -> None:
        """Send ``block`` if its session can be resumed; ``answered`` hears once, ``ANSWER_WITHIN_S`` later at most."""
        kept = _Kept(block, answered, self.clock)
        if self._closed:
            kept.reply(_NOTHING)  # it stays in the journal, from where the next run takes it
        elif not block.session_id:
            self.fail(kept, BlockFate.NO_SESSION)
        elif block.age_s >= MAX_AGE_S:
            self.fail(kept, BlockFate.EXPIRED)
        elif block.endpoint is None:
            self.fail(kept, BlockFate.POOL_REMOVED)
        elif not submit_fits(block.submit):
            self.fail(kept, BlockFate.EXPIRED, TOO_LONG)
        elif self._is_full(block.pool):
            self.fail(kept, BlockFate.TOO_MANY)
        else:
            self._events.emit(
                BlockKept(worker=block.worker, pool=block.pool, chain=block.chain, header_hash=block.header_hash)
            )
            self._session(block, block.endpoint).add(kept)

    def give_up(self, block: UndeliveredBlock, fate: BlockFate, why: str = "") -> None:
        """Emit that ``block`` will not be sent (again), and ``why`` where its fate alone does not say it."""
        self.fail(_Kept(block, None, self.clock), fate, why)

    def close(self) -> None:
        """End all connections; miners that wait are told that there is no answer."""
        self._closed = True
        for session in self._sessions.values():
            for kept in session.close():
                kept.reply(_NOTHING)

    def _is_full(self, pool: PoolKey) -> bool:
        counts = [(session.pool, len(session.blocks)) for session in self._sessions.values()]
        own = sum(count for key, count in counts if key == pool)
        return own >= MAX_PER_POOL or sum(count for _, count in counts) >= MAX_BLOCKS

    def _session(self, block: UndeliveredBlock, endpoint: Endpoint) -> "_BrokenSession":
        key = (block.pool, endpoint, block.session_id, block.extranonce1, block.credentials.user)
        session = self._sessions.get(key)
        if session is None:
            idle = [known for known, each in self._sessions.items() if each.is_idle]
            for known in idle[: max(0, len(idle) - MAX_IDLE_SESSIONS + 1)]:
                del self._sessions[known]
            session = self._sessions[key] = _BrokenSession(block, endpoint, self)
        return session

    # --- For its sessions ------------------------------------------------------------------------------------------

    def sending(self, block: UndeliveredBlock) -> None:
        """Write down that ``block`` is sent, before it is."""
        self._events.emit(
            BlockResent(worker=block.worker, pool=block.pool, chain=block.chain, header_hash=block.header_hash)
        )

    def candidate_answered(self, kept: _Kept, connection: UpstreamConnection, answer: ShareAnswer) -> None:
        """The pool's verdict on a candidate that was sent again."""
        block = kept.block
        answer = self.tell_verdict(block, answer)
        if kept.late:
            self._events.emit(LateVerdict(pool=block.pool, connection=connection.id, accepted=answer.accepted))
        kept.reply(answer)

    def tell_verdict(self, block: UndeliveredBlock, answer: ShareAnswer) -> ShareAnswer:
        """Emit what the pool said of ``block`` at last; returns what that means for its miner.

        A duplicate had arrived and was accepted: ckpool enters a hash in its table of shares only by accepting it
        (src/stratifier.c, ``parse_submit``, ``new_share``).
        """
        error = answer.error
        fate = BlockFate.ACCEPTED if answer.accepted else BlockFate.REJECTED
        if error is not None and not answer.accepted and reason_of(error) is Reason.DUPLICATE:
            fate, answer = BlockFate.ARRIVED, answer._replace(accepted=True, error=None)
        self._events.emit(
            BlockDelivered(
                worker=block.worker,
                pool=block.pool,
                chain=block.chain,
                header_hash=block.header_hash,
                fate=fate,
                accepted=answer.accepted,
                message=answer.error.text if answer.error is not None else "",
            )
        )
        return answer

    def fail(self, kept: _Kept, fate: BlockFate, why: str = "") -> None:
        """``kept`` will not be sent, or was sent without an answer."""
        block = kept.block
        self._events.emit(
            BlockNotDelivered(
                worker=block.worker,
                pool=block.pool,
                chain=block.chain,
                header_hash=block.header_hash,
                fate=fate,
                reason=why or _WORDS[fate],
            )
        )
        kept.reply(_NOTHING)


class _BrokenSession:
    """One upstream session that broke; resumes it for the candidates found on it. Implements ``ConnectionUser``."""

    __slots__ = (
        "_connection",
        "_endpoint",
        "_extranonce1",
        "_login",
        "_others",
        "_retry",
        "_session_id",
        "_timer",
        "blocks",
        "delivery",
        "pool",
    )

    def __init__(self, block: UndeliveredBlock, endpoint: Endpoint, delivery: BlockDelivery) -> None:
        self.pool = block.pool
        self.blocks: list[_Kept] = []
        self._endpoint = endpoint
        self._login = block.credentials
        self._extranonce1 = block.extranonce1
        self._session_id = block.session_id
        self.delivery = delivery
        self._connection: UpstreamConnection | None = None
        self._timer: Timer | None = None
        self._retry = Backoff(RETRY_LEAST_S, RETRY_MOST_S, delivery.random)
        self._others = 0
        """How often the pool gave another session since the first candidate that waits."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is open."""
        return not self.blocks and self._connection is None

    def add(self, kept: _Kept) -> None:
        """Send ``kept`` as soon as the session is resumed."""
        self.blocks.append(kept)
        if self._is_resumed(self._connection):
            self._send()
        elif self._connection is None and self._timer is None:
            self._others = 0
            self._dial()

    def candidate_answered(self, kept: _Kept, answer: ShareAnswer) -> None:
        """The pool's verdict, or none."""
        connection = self._connection
        if kept not in self.blocks or connection is None:
            return
        self.blocks.remove(kept)
        if answer.lost:
            self.delivery.fail(kept, BlockFate.NO_ANSWER)
        else:
            self.delivery.candidate_answered(kept, connection, answer)
        if not self._is_asking:
            self._cancel_timer()
            self._after(LINGER_S, self._done)

    def close(self) -> list[_Kept]:
        """End the connection and return what still waited."""
        left, self.blocks = self.blocks, []
        self._drop_connection("shutting down")
        self._cancel_timer()
        return left

    # --- ConnectionUser -------------------------------------------------------------------------------------------

    def may_wait(self, connection: UpstreamConnection) -> bool:
        """Never."""
        return False

    def connection_job_noted(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """There is no more to it."""

    def connection_job(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """Logged in, with a first job: see whose session it is."""
        if connection is not self._connection:
            return
        if self._usable_pool is None:
            self._drop_connection("the pool was removed or switched off")
            self._fail_all(BlockFate.POOL_REMOVED)
        elif self._is_resumed(connection):
            self._session_id = connection.session_id or self._session_id
            self._send()
        elif not self._is_asking:
            self._drop_connection("not the session that was asked for")
            self._another_session()

    def connection_difficulty(self, connection: UpstreamConnection, difficulty: float) -> None:
        """It does no work."""

    def connection_lost(self, connection: UpstreamConnection, reason: str) -> None:
        """Try again, unless the pool wants nobody of that name."""
        pool = self.delivery.pools.get(self.pool)
        if pool is not None:
            pool.forget(connection)
        if connection is not self._connection:
            return
        self._connection = None
        self._cancel_timer()
        if connection.refused:
            self._fail_all(BlockFate.LOGIN_REFUSED)
        elif self.blocks:
            self._after(self._retry.next(), self._dial)

    def connection_version_mask(self, connection: UpstreamConnection, version_mask: int) -> None:
        """Candidates go with the bits that they were found with."""

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """It does no work."""

    def connection_redirected(self, connection: UpstreamConnection, endpoint: Endpoint) -> None:
        """Another server does not know the session."""

    # --- Its own --------------------------------------------------------------------------------------------------

    @property
    def _usable_pool(self) -> UpstreamPool | None:
        pool = self.delivery.pools.get(self.pool)
        return pool if pool is not None and pool.usable else None

    @property
    def _is_asking(self) -> bool:
        """Whether the pool has candidates that it has not answered."""
        return any(kept.is_sent for kept in self.blocks)

    def _is_resumed(self, connection: UpstreamConnection | None) -> bool:
        return connection is not None and connection.ready and connection.extranonce1 == self._extranonce1

    def _dial(self) -> None:
        self._timer = None
        now = self.delivery.clock.now()
        for kept in [kept for kept in self.blocks if now >= kept.expires_at - 1e-6]:
            self.blocks.remove(kept)
            self.delivery.fail(kept, BlockFate.NEW_SESSION if self._others else BlockFate.EXPIRED)
        pool = self._usable_pool
        if pool is None:
            self._fail_all(BlockFate.POOL_REMOVED)
        elif self.blocks:
            self._connection = pool.resume(self, self._login, self._endpoint, self._session_id)

    def _send(self) -> None:
        connection = self._connection
        for kept in [kept for kept in self.blocks if not kept.is_sent]:
            if connection is None or not connection.ready:
                return
            kept.sent_by = self
            self.delivery.sending(kept.block)
            connection.submit_params(kept, kept.block.submit)

    def _another_session(self) -> None:
        pause = NEW_SESSION_RETRY_S[min(self._others, len(NEW_SESSION_RETRY_S) - 1)]
        self._others += 1
        self._after(pause, self._dial)

    def _fail_all(self, fate: BlockFate) -> None:
        blocks, self.blocks = self.blocks, []
        for kept in blocks:
            self.delivery.fail(kept, fate)

    def _done(self) -> None:
        self._timer = None
        if self._is_asking:
            return
        self._drop_connection("block delivered")
        if self.blocks:  # the pool took the extranonce1 away meanwhile
            self._another_session()

    def _drop_connection(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(reason)

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        clock = self.delivery.clock
        self._timer = clock.call_at(clock.now() + delay_s, call)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
