"""A session's way to one pool: keeps a ready connection there, renews it, drains it, and says what it holds.

Renewal is make-before-break: the new connection replaces the old one at its first job, then the old one drains. A
drained connection ends when no submit of it is open (after a grace for shares in flight), or after ``DRAIN_MOST_S``.
"""

from enum import StrEnum
from functools import partial
from typing import Protocol

from proxy.config.snapshot import Endpoint
from proxy.engine.backoff import Backoff
from proxy.engine.pool import UpstreamPool
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.shared_work import SharedWork
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.errors import LocalProtocolError
from proxy.observe.events import EventStream, PoolReconnectWait
from proxy.ports import Clock, Random, Timer
from proxy.stratum.pool_job import PoolJob
from proxy.types import PoolKey, SessionId

DRAIN_GRACE_S = 5.0
DRAIN_MOST_S = 10.0
RETRY_LEAST_S = 0.25
RETRY_MOST_S = 60.0
STEADY_S = 30.0
"""A connection that lived this long was a good one: when it breaks, the next is dialled at once."""
ASK_AGAIN_S = 600.0
"""How often a connection is replaced at most because its pool was asked for too high a difficulty."""
_LONG_AGO = -ASK_AGAIN_S
REFUSED_LEAST_S = 60.0
REFUSED_MOST_S = 900.0
"""Backoff of a user that the pool refuses: hammering gets addresses banned (MiningCore)."""


class LinkState(StrEnum):
    """Where a link stands."""

    IDLE = "idle"
    OPENING = "opening"
    WARM = "warm"
    WAITING = "waiting"
    """For its backoff, or for the pool to come back."""
    DRAINING = "draining"


_MOVES: dict[LinkState, tuple[LinkState, ...]] = {
    LinkState.IDLE: (LinkState.OPENING, LinkState.WAITING),
    LinkState.OPENING: (LinkState.WARM, LinkState.WAITING, LinkState.IDLE),
    LinkState.WARM: (LinkState.OPENING, LinkState.WAITING, LinkState.DRAINING, LinkState.IDLE),
    LinkState.WAITING: (LinkState.OPENING, LinkState.IDLE),
    LinkState.DRAINING: (LinkState.WARM, LinkState.IDLE),
}


class LinkOwner(Protocol):
    """Who works through a link: a session, or the miners of a shared connection together."""

    id: SessionId

    @property
    def current(self) -> PoolKey | None:
        """The pool that it works on."""

    def dial(self, link: "PoolLink", endpoint: Endpoint | None) -> UpstreamConnection:
        """Make a connection that serves the link, and dial it."""

    def work_came(self, link: "PoolLink", job: PoolJob, *, new_connection: bool) -> None:
        """The connection in use has a job."""

    def work_noted(self, link: "PoolLink", job: PoolJob) -> None:
        """The same job again, once all miners at work have theirs."""

    def update_ready(self) -> None:
        """The connection in use was lost."""

    def facts_changed(self) -> None:
        """What is told of it is another from this turn on."""


class PoolLink:
    """What its owner knows of its way to a pool; nobody reaches behind it.

    Each has a connection of its own to the pool. ``SharedLink`` is that of a miner whose connection is shared: it has
    the facts and those commands that hold for both (``MinerLink``). Implements ``ConnectionUser``.
    """

    is_shared = False
    is_current = True
    """Whether connections of this kind are still made as this one was."""
    work: SharedWork | None = None
    """Nobody else gets its jobs."""

    __slots__ = (
        "_asked_for_less_at",
        "_clock",
        "_draining",
        "_events",
        "_outdated",
        "_random",
        "_redirected_to",
        "_refused_backoff",
        "_replacement",
        "_retry_backoff",
        "_session",
        "_timer",
        "_traced",
        "_worked_through",
        "connection",
        "loss",
        "pool",
        "productive",
        "refused",
        "state",
    )

    def __init__(
        self, *, pool: UpstreamPool, session: LinkOwner, clock: Clock, events: EventStream, random: Random
    ) -> None:
        self.pool = pool
        self.state = LinkState.IDLE
        self.connection: UpstreamConnection | None = None
        """The one in use: new jobs, and the shares for them, go through it."""
        self.productive = ProductiveDifficulty()
        """Over all its connections."""
        self.refused = ""
        """Why the pool refused this user, until it accepts it."""
        self.loss = ""
        """Why the last connection in use ended; known before the pool or the session hears of the end."""
        self._replacement: UpstreamConnection | None = None
        """Takes the place of the connection in use at its first job."""
        self._draining: tuple[UpstreamConnection, ...] = ()
        """Not in use any more, and not ended yet."""
        self._redirected_to: Endpoint | None = None
        """Where the pool sent the connection that had no job yet: the next dial goes there."""
        self._outdated = False
        """Whether the connection in use is to be replaced (another wallet or address), and has not been."""
        self._asked_for_less_at = _LONG_AGO
        self._worked_through: UpstreamConnection | None = None
        """The connection that the miner works through; None while it works elsewhere."""
        self._session = session
        self._clock = clock
        self._events = events
        self._random = random
        self._retry_backoff: Backoff | None = None
        """None from a success on: most links never wait."""
        self._refused_backoff: Backoff | None = None
        self._timer: Timer | None = None
        self._traced = False

    # --- Facts ----------------------------------------------------------------------------------------------------

    @property
    def job(self) -> PoolJob | None:
        """The newest job of the connection in use; None where it is not ready or has none."""
        return self.connection.job if self.connection is not None else None

    @property
    def has_new_job(self) -> bool:
        """Whether nobody has looked yet if the miner can use ``job``."""
        return self.connection is not None and self.connection.has_new_job

    @property
    def difficulty(self) -> float:
        """The pool's, for the jobs to come; 0 without a connection."""
        return self.connection.difficulty if self.connection is not None else 0.0

    @property
    def open_submits(self) -> int:
        """Shares without a verdict on any connection, also on those that drain."""
        return sum(each.open_submits for each in (self.connection, *self._draining) if each is not None)

    @property
    def line_id(self) -> SessionId:
        """As whose the connection is known."""
        return self._session.id

    @property
    def is_dialled(self) -> bool:
        """Whether the connection in use stands, or is being dialled."""
        return self.connection is not None and self.connection.is_dialled

    @property
    def connections(self) -> int:
        """Connections that exist in any stage."""
        return len(self._draining) + (self.connection is not None) + (self._replacement is not None)

    # --- Commands -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See that there is a ready connection; harmless when there is."""
        match self.state:
            case LinkState.IDLE:
                self._dial()
            case LinkState.DRAINING:
                self._cancel_timer()
                self._move(LinkState.WARM)
                if self._outdated:
                    self.renew()

    def renew(self, endpoint: Endpoint | None = None) -> None:
        """Replace the connection by a fresh one (to ``endpoint``), without a gap."""
        self._outdated = self.state in (LinkState.WARM, LinkState.DRAINING)
        if self.state is LinkState.WARM:
            self._cancel_timer()
            self._drop_replacement("renewed again")
            self._replacement = self._make_connection(endpoint)
        elif self.state is LinkState.OPENING and self.connection is not None:
            old, self.connection = self.connection, None
            self._close(old, "renewed")
            self._move(LinkState.IDLE)
            self._dial()
        elif self.state is LinkState.WAITING:
            self._note_refusal("")
            self._refused_backoff = None
            self._cancel_timer()
            self._dial()

    def renew_for_less(self, difficulty: float) -> None:
        """Replace the connection, without a gap, if its handshake asked for more than twice ``difficulty``.

        MiningCore keeps the minimum that it was asked for, and its vardiff is off, for the life of the connection. Once
        in ``ASK_AGAIN_S`` at most.
        """
        now, connection = self._clock.now(), self.connection
        if connection is None or self.state is not LinkState.WARM or self._replacement is not None:
            return
        if connection.pinned > 2 * difficulty and now >= self._asked_for_less_at + ASK_AGAIN_S:
            self._asked_for_less_at = now
            self.renew()

    def drain(self) -> None:
        """The connection is not wanted any more: let open submits finish, then close it."""
        match self.state:
            case LinkState.WARM:
                self._cancel_timer()
                self._move(LinkState.DRAINING)
                self._drop_replacement("not wanted")
                since = self._clock.deadlines.now()
                self._timer = self._clock.deadlines.call_at(since + DRAIN_GRACE_S, lambda: self._drained(since))
            case LinkState.OPENING | LinkState.WAITING:
                self.close("not wanted")

    def close(self, reason: str) -> None:
        """End all connections now."""
        self._end(reason, keep=[])

    def finish(self, reason: str) -> None:
        """The miner is gone: connections with open submits wait for their verdicts, the others end now."""
        waiting = [each for each in (self.connection, *self._draining) if each is not None and each.open_submits]
        for connection in waiting:
            self._retire(connection)
            connection.close_when_answered(reason)
            self._close_later(connection, reason)
        if self.connection in waiting:
            self.connection = None
        self._end(reason, keep=waiting)

    def retire(self, reason: str) -> None:
        """Another link took this one's place: shares in flight have their chance, as after a renewal, and those that
        are open then are waited for a while longer."""
        self._cancel_timer()
        if self.state is not LinkState.IDLE:
            self._move(LinkState.IDLE)
        self._drop_replacement(reason)
        connection, self.connection = self.connection, None
        if connection is not None:
            self._retire(connection)
        since = self._clock.deadlines.now()
        for each in self._draining:
            self._clock.deadlines.call_at(since + DRAIN_GRACE_S, partial(_close_if_answered, each, reason))
            self._clock.deadlines.call_at(since + DRAIN_MOST_S, partial(each.close, reason))

    def _end(self, reason: str, *, keep: list[UpstreamConnection]) -> None:
        self._cancel_timer()
        if self.state is not LinkState.IDLE:
            self._move(LinkState.IDLE)
        self._drop_replacement(reason)
        connection, self.connection = self.connection, None
        for each in [connection, *self._draining]:
            if each is not None and each not in keep:
                self._close(each, reason)

    def detach(self) -> None:
        """Its owner is no more, and refers to it: without a circle both are freed at once."""
        del self._session

    def pool_gone(self, reason: str) -> None:
        """The pool is down: every connection ends, and the next one waits until it is back."""
        if self.state in (LinkState.WARM, LinkState.OPENING):
            self.close(reason)
            self.open()

    def pool_back(self) -> None:
        """The pool may be dialled again."""
        if self.state is LinkState.WAITING and not (self.refused and self._timer is not None):
            self._cancel_timer()
            self._dial()

    def trace(self, on: bool) -> None:
        """Let the raw traffic of all its connections be logged, of those to come too, or no more."""
        self._traced = on
        for connection in (self.connection, self._replacement, *self._draining):
            if connection is not None:
                connection.trace(on)

    # --- The miner's work -----------------------------------------------------------------------------------------

    def start_work(self) -> bool:
        """The miner works through the connection in use from now on. Returns whether it did not so far."""
        if self._worked_through is self.connection:
            return False
        now = self._clock.now()
        if self._worked_through is not None:
            self.productive.stop_work(now)
        self._worked_through = self.connection
        self.productive.start_work(self.difficulty, now)
        return True

    def stop_work(self) -> None:
        """The miner works elsewhere from now on; some pools lower the difficulty of a connection meanwhile."""
        self._worked_through = None
        self.productive.stop_work(self._clock.now())

    def held_difficulty(self, difficulty: float) -> float:
        """What the miner last worked at here, if the pool's ``difficulty`` is far lower now that it is back; else 0."""
        if self._worked_through is None or self._worked_through is not self.connection:
            return 0.0
        return self.productive.held(difficulty, self._clock.now())

    def ask_for(self, difficulty: float | None) -> None:
        """Suggest at least ``difficulty`` on the connection in use from now on; None for nothing."""
        if self.connection is not None:
            self.connection.asked = difficulty

    def suggest(self, difficulty: float | None) -> None:
        """Suggest ``difficulty``, or what was asked for if that is more, unless the pool knows."""
        if self.connection is not None:
            larger = max(difficulty or 0.0, self.connection.asked or 0.0)
            if larger:
                self.connection.suggest(larger)

    # --- ConnectionUser -------------------------------------------------------------------------------------------

    def may_wait(self, connection: UpstreamConnection) -> bool:
        """Where the miner has work elsewhere."""
        in_use = connection is self.connection and self.state is not LinkState.OPENING
        return in_use and self._session.current not in (None, self.pool.key)

    def connection_job(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """Take work from the connection in use; a replacement takes over at its first job."""
        self.pool.job_heard(connection)
        if connection is self._replacement:
            old, self.connection, self._replacement = self.connection, connection, None
            self._outdated = False
            self.pool.connection_ready(connection)
            self._session.work_came(self, job, new_connection=True)
            if old is not None:
                self._retire(old)
                self._close_later(old, "replaced")
        elif connection is self.connection:
            first = self.state is LinkState.OPENING
            if first:
                self._move(LinkState.WARM)
                self._refused_backoff = None
                self._note_refusal("")
                self.pool.connection_ready(connection)
            self._session.work_came(self, job, new_connection=first)

    def _note_refusal(self, why: str) -> None:
        if why != self.refused:
            self.refused = why
            self._session.facts_changed()

    def connection_job_noted(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """Look at what the connection in use is to be asked for, and whether the miner can stay."""
        if connection is self.connection:
            self._session.work_noted(self, job)

    def connection_lost(self, connection: UpstreamConnection, reason: str) -> None:
        """Find out what was lost; the connection in use is replaced after its backoff."""
        if connection in self._draining:
            self._draining = tuple(each for each in self._draining if each is not connection)
        if connection is self._replacement:
            self._replacement = None
            self.pool.connection_ended(connection, reason)
            if self.state is LinkState.WARM:
                delay = self._next_delay_s(refused=bool(connection.refused))
                self._timer = self._clock.call_at(self._clock.now() + delay, self._renew_again)
        elif connection is self.connection:
            if connection.lived_s >= STEADY_S:
                self._retry_backoff = None
            self.loss = connection.refused or reason
            self.connection, self._replacement = self._replacement, None
            self._cancel_timer()
            self._move(self._after_loss())
            self._note_refusal(connection.refused)
            self.pool.connection_ended(connection, reason)
            self._session.update_ready()
            if self.state is LinkState.WAITING:
                self._wait()
        else:
            self.pool.connection_ended(connection, reason)

    def connection_difficulty(self, connection: UpstreamConnection, difficulty: float) -> None:
        """Remember what the pool set, and whether the miner works there."""
        self.productive.pool_set(difficulty, self._clock.now(), at_work=connection is self._worked_through)

    def connection_version_mask(self, connection: UpstreamConnection, version_mask: int) -> None:
        """Let the pool know, for the miners to come."""
        self.pool.connection_version_mask(connection, version_mask)

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """Let the pool find out whether the connection is dead."""
        if connection is self.connection:
            self.pool.connection_stale(connection)

    def connection_redirected(self, connection: UpstreamConnection, endpoint: Endpoint) -> None:
        """Follow, without a gap; before the first job after a backoff, for some pools send their clients in circles."""
        if connection is not self.connection:
            return
        if self.state is LinkState.OPENING:
            self._redirected_to, self.connection = endpoint, None
            self._close(connection, "redirected")
            self._move(LinkState.WAITING)
            self._wait()
        elif self._replacement is None:
            self.renew(endpoint)

    # --- Its own --------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        if not self.pool.may_dial:
            if self.state is not LinkState.WAITING:
                self._move(LinkState.WAITING)
            return
        self._move(LinkState.OPENING)
        endpoint, self._redirected_to = self._redirected_to, None
        self._outdated = False
        self.connection = self._make_connection(endpoint)

    def _make_connection(self, endpoint: Endpoint | None = None) -> UpstreamConnection:
        connection = self._session.dial(self, endpoint)
        connection.trace(self._traced)
        return connection

    def _wait(self) -> None:
        delay = self._next_delay_s(refused=bool(self.refused))
        self._events.emit_later(
            PoolReconnectWait(pool=self.pool.key, delay_s=round(delay, 3), session=self._session.id)
        )
        self._timer = self._clock.call_at(self._clock.now() + delay, self._try_again)

    def _next_delay_s(self, *, refused: bool) -> float:
        """How long to wait before the next try."""
        if refused:
            backoff = self._refused_backoff = self._refused_backoff or Backoff(
                REFUSED_LEAST_S, REFUSED_MOST_S, self._random
            )
        else:
            backoff = self._retry_backoff = self._retry_backoff or Backoff(RETRY_LEAST_S, RETRY_MOST_S, self._random)
        return backoff.next()

    def _after_loss(self) -> LinkState:
        """What follows a loss: the connection that was to replace it anyway, an end, or another try."""
        if self.connection is not None:
            return LinkState.OPENING
        return LinkState.IDLE if self.state is LinkState.DRAINING else LinkState.WAITING

    def _renew_again(self) -> None:
        self._timer = None
        if self.state is LinkState.WARM and self._replacement is None:
            self.renew()

    def _try_again(self) -> None:
        self._timer = None
        if self.state is LinkState.WAITING:
            self._dial()

    def _drained(self, since: float) -> None:
        self._timer = None
        connection = self.connection
        assert connection is not None, "the timer ends with the state"
        now, in_use = self._clock.deadlines.now(), self._session.current == self.pool.key
        if now < since + DRAIN_MOST_S and (connection.open_submits or in_use):
            self._timer = self._clock.deadlines.call_at(since + DRAIN_MOST_S, lambda: self._drained(since))
        elif in_use:
            self._timer = self._clock.deadlines.call_at(now + DRAIN_GRACE_S, lambda: self._drained(since))
        else:
            self.close("drained")

    def _retire(self, connection: UpstreamConnection) -> None:
        if connection not in self._draining:
            self._draining = (*self._draining, connection)

    def _close(self, connection: UpstreamConnection, reason: str) -> None:
        self._retire(connection)
        connection.close(reason)

    def _close_later(self, connection: UpstreamConnection, reason: str) -> None:
        """Close it once its shares in flight had their chance."""
        self._clock.deadlines.call_at(self._clock.deadlines.now() + DRAIN_GRACE_S, lambda: connection.close(reason))

    def _drop_replacement(self, reason: str) -> None:
        replacement, self._replacement = self._replacement, None
        if replacement is not None:
            self._close(replacement, reason)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _move(self, state: LinkState) -> None:
        if state not in _MOVES[self.state]:
            raise LocalProtocolError(f"pool link {self.state} -> {state}")
        self.state = state


def _close_if_answered(connection: UpstreamConnection, reason: str) -> None:
    if not connection.open_submits:
        connection.close(reason)
    else:
        connection.close_when_answered(reason)
