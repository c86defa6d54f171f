"""A session's link to one pool: keeps it supplied with a warm connection, renews it, drains it.

Renewal is make-before-break: the new connection replaces the old one at its first job, then the old one drains. A
drained connection ends when no submit of it is open (after a grace for shares in flight), or after ``DRAIN_MOST_S``.
"""

from enum import StrEnum
from typing import Any, Protocol

from proxy.config.snapshot import Endpoint
from proxy.engine.backoff import Backoff, Random
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.upstream_connection import ConnectionUser, UpstreamConnection
from proxy.errors import LocalProtocolError
from proxy.observe.events import EventStream, PoolReconnectWait
from proxy.ports import Clock, Timer
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.types import PoolKey, SessionId

DRAIN_GRACE_S = 5.0
DRAIN_MOST_S = 10.0
RETRY_LEAST_S = 0.25
RETRY_MOST_S = 60.0
STEADY_S = 30.0
"""A connection that lived this long was a good one: when it breaks, the next is dialled at once."""
REFUSED_LEAST_S = 60.0
REFUSED_MOST_S = 900.0
"""A user that the pool refuses is parked: hammering gets addresses banned (MiningCore)."""


class LinkState(StrEnum):
    """What an link is about."""

    IDLE = "idle"
    OPENING = "opening"
    WARM = "warm"
    WAITING = "waiting"
    """For its backoff, or for the pool to come back."""
    DRAINING = "draining"


_MOVES: dict[LinkState, tuple[LinkState, ...]] = {
    LinkState.IDLE: (LinkState.OPENING, LinkState.WAITING),
    LinkState.OPENING: (LinkState.WARM, LinkState.WAITING, LinkState.IDLE),
    LinkState.WARM: (
        LinkState.OPENING,
        LinkState.WAITING,
        LinkState.DRAINING,
        LinkState.IDLE,
    ),
    LinkState.WAITING: (LinkState.OPENING, LinkState.IDLE),
    LinkState.DRAINING: (LinkState.WARM, LinkState.IDLE),
}


class PoolSide(Protocol):
    """What an link asks of the pool it belongs to."""

    key: PoolKey

    @property
    def may_dial(self) -> bool:
        """Whether connections may be opened now; if not, ``PoolLink.pool_back`` will be called."""

    def make_connection(
        self, session: SessionId, user: ConnectionUser, endpoint: Endpoint | None, productive: ProductiveDifficulty
    ) -> UpstreamConnection:
        """Make a connection for the session's user (to ``endpoint``, else where the pool is now) and dial it."""

    def connection_ready(self, connection: UpstreamConnection) -> None:
        """A connection got its first job."""

    def job_heard(self, connection: UpstreamConnection) -> None:
        """A connection got a job."""

    def answer_heard(self) -> None:
        """A share was answered."""

    def connection_version_mask(self, connection: UpstreamConnection, mask: int) -> None:
        """A connection heard which version bits the pool allows."""

    def connection_ended(self, connection: UpstreamConnection, reason: str) -> None:
        """A connection ended."""

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """A connection hears of no new jobs."""


class LinkOwner(Protocol):
    """The session."""

    id: SessionId

    def work_came(self, link: "PoolLink", job: PoolJob, *, new_connection: bool) -> None:
        """The warm connection has a new job; ``new_connection``: it is another connection than before."""

    def work_lost(self, link: "PoolLink") -> None:
        """There is no warm connection any more; ``PoolLink.loss`` says why."""

    def share_answered(self, token: Any, answer: ShareAnswer) -> None:
        """A share's verdict, from whichever connection carried it."""

    def is_working_on(self, pool: PoolKey) -> bool:
        """Whether the miner works on ``pool`` now."""


class PoolLink:
    """See the module. Implements ``ConnectionUser`` for its connections."""

    __slots__ = (
        "_clock",
        "_elsewhere",
        "_events",
        "_finishing",
        "_leaving",
        "_next",
        "_outdated",
        "_owner",
        "_parked",
        "_retry",
        "_timer",
        "_traced",
        "connection",
        "loss",
        "pool",
        "productive",
        "refused",
        "state",
    )

    def __init__(self, *, pool: PoolSide, owner: LinkOwner, clock: Clock, events: EventStream, random: Random) -> None:
        self.pool = pool
        self.state = LinkState.IDLE
        self.connection: UpstreamConnection | None = None
        self.productive = ProductiveDifficulty()
        """Over all its connections."""
        self.refused = ""
        """Why the pool refused this user, until it accepts it."""
        self.loss = ""
        """Why the last connection in use ended; known before the pool or the session hears of the end."""
        self._next: UpstreamConnection | None = None
        self._elsewhere: Endpoint | None = None
        """Where the pool sent the connection that had no job yet: the next dial goes there."""
        self._outdated = False
        """Whether the connection in use is to be replaced (another wallet or address), and has not been."""
        self._leaving: list[UpstreamConnection] = []
        self._owner = owner
        self._clock = clock
        self._events = events
        self._retry = Backoff(RETRY_LEAST_S, RETRY_MOST_S, random)
        self._parked = Backoff(REFUSED_LEAST_S, REFUSED_MOST_S, random)
        self._timer: Timer | None = None
        self._finishing = False
        self._traced = False

    @property
    def open_submits(self) -> int:
        """Shares without a verdict on any connection, also on those that are leaving."""
        return sum(
            connection.open_submits for connection in (self.connection, *self._leaving) if connection is not None
        )

    @property
    def warm_connection(self) -> UpstreamConnection | None:
        """The connection that shares and jobs go through, if it is ready and has a job."""
        connection = self.connection
        return connection if connection is not None and connection.job is not None else None

    @property
    def connections(self) -> int:
        """Connections that exist in any stage."""
        return len(self._leaving) + (self.connection is not None) + (self._next is not None)

    # --- Commands -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See that there is a warm connection; harmless when there is."""
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
            self._drop_next("renewed again")
            self._next = self._make_connection(endpoint)
        elif self.state is LinkState.OPENING and self.connection is not None:
            old, self.connection = self.connection, None
            self._let_go(old, "renewed")
            self._move(LinkState.IDLE)
            self._dial()
        elif self.state is LinkState.WAITING:
            self.refused = ""
            self._parked.reset()
            self._cancel_timer()
            self._dial()

    def drain(self) -> None:
        """The connection is not wanted any more: let open submits finish, then close it."""
        match self.state:
            case LinkState.WARM:
                self._cancel_timer()
                self._move(LinkState.DRAINING)
                self._drop_next("not wanted")
                since = self._clock.now()
                self._timer = self._clock.call_at(since + DRAIN_GRACE_S, lambda: self._drained(since))
            case LinkState.OPENING | LinkState.WAITING:
                self.close("not wanted")

    def close(self, reason: str) -> None:
        """End all connections now."""
        self._end(reason, keep=set())

    def _end(self, reason: str, *, keep: set[UpstreamConnection]) -> None:
        self._cancel_timer()
        if self.state is not LinkState.IDLE:
            self._move(LinkState.IDLE)
        self._drop_next(reason)
        connection, self.connection = self.connection, None
        for each in [connection, *self._leaving]:
            if each is not None and each not in keep:
                self._let_go(each, reason)

    def finish(self, reason: str) -> None:
        """The miner is gone: connections with open submits wait for their verdicts, the others end now."""
        connections = [
            connection
            for connection in (self.connection, *self._leaving)
            if connection is not None and connection.open_submits
        ]
        for connection in connections:
            self._see_off(connection)
        if self.connection in connections:
            self.connection = None
        self._finishing = True
        for connection in connections:
            self._close_later(connection, reason)
        self._end(reason, keep=set(connections))

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
        """Let the raw traffic of all its connections be heard, of those to come too, or no more."""
        self._traced = on
        for connection in (self.connection, self._next, *self._leaving):
            if connection is not None:
                connection.upstream.traced = on

    # --- ConnectionUser -------------------------------------------------------------------------------------------

    def connection_job(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """Take work from the connection in use; a renewed connection takes over at its first job."""
        self.pool.job_heard(connection)
        if connection is self._next:
            old, self.connection, self._next = self.connection, connection, None
            self._outdated = False
            self.pool.connection_ready(connection)
            self._owner.work_came(self, job, new_connection=True)
            if old is not None:
                self._let_go_gently(old)
        elif connection is self.connection:
            first = self.state is LinkState.OPENING
            if first:
                self._move(LinkState.WARM)
                self._parked.reset()
                self.refused = ""
                self.pool.connection_ready(connection)
            self._owner.work_came(self, job, new_connection=first)

    def connection_answer(self, token: Any, answer: ShareAnswer) -> None:
        """Pass a verdict on, also from a connection that is leaving; the last one ends it where the miner is gone."""
        if not answer.lost:
            self.pool.answer_heard()
        self._owner.share_answered(token, answer)
        if self._finishing:
            for connection in [connection for connection in self._leaving if not connection.open_submits]:
                connection.close("miner left")

    def connection_lost(self, connection: UpstreamConnection, reason: str) -> None:
        """Find out what was lost; the connection in use is replaced after its backoff."""
        if connection in self._leaving:
            self._leaving.remove(connection)
        if connection is self._next:
            self._next = None
            self.pool.connection_ended(connection, reason)
            if self.state is LinkState.WARM:
                delay = (self._parked if connection.refused else self._retry).next()
                self._timer = self._clock.call_at(self._clock.now() + delay, self._renew_again)
        elif connection is self.connection:
            if connection.lived_s >= STEADY_S:
                self._retry.reset()
            self.loss = connection.refused or reason
            self.connection, self._next = self._next, None
            self._cancel_timer()
            self._move(self._after_loss())
            self.refused = connection.refused
            self.pool.connection_ended(connection, reason)
            self._owner.work_lost(self)
            if self.state is LinkState.WAITING:
                self._wait()
        else:
            self.pool.connection_ended(connection, reason)

    def connection_version_mask(self, connection: UpstreamConnection, mask: int) -> None:
        """Let the pool know, for the miners to come."""
        self.pool.connection_version_mask(connection, mask)

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """Let the pool find out whether the connection is dead."""
        if connection is self.connection:
            self.pool.connection_stale(connection)

    def connection_redirected(self, connection: UpstreamConnection, endpoint: Endpoint) -> None:
        """Follow, without a gap; before the first job after a backoff, for some pools send their clients in circles."""
        if connection is not self.connection:
            return
        if self.state is LinkState.OPENING:
            self._elsewhere, self.connection = endpoint, None
            self._let_go(connection, "redirected")
            self._move(LinkState.WAITING)
            self._wait()
        elif self._next is None:
            self.renew(endpoint)

    # --- Its own --------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        if not self.pool.may_dial:
            if self.state is not LinkState.WAITING:
                self._move(LinkState.WAITING)
            return
        self._move(LinkState.OPENING)
        elsewhere, self._elsewhere = self._elsewhere, None
        self._outdated = False
        self.connection = self._make_connection(elsewhere)

    def _make_connection(self, endpoint: Endpoint | None = None) -> UpstreamConnection:
        connection = self.pool.make_connection(self._owner.id, self, endpoint, self.productive)
        connection.upstream.traced = self._traced
        return connection

    def _wait(self) -> None:
        delay = (self._parked if self.refused else self._retry).next()
        self._events.emit(PoolReconnectWait(pool=self.pool.key, delay_s=round(delay, 3), session=self._owner.id))
        self._timer = self._clock.call_at(self._clock.now() + delay, self._try_again)

    def _after_loss(self) -> LinkState:
        """What follows a loss: the connection that was to replace it anyway, an end, or another try."""
        if self.connection is not None:
            return LinkState.OPENING
        return LinkState.IDLE if self.state is LinkState.DRAINING else LinkState.WAITING

    def _renew_again(self) -> None:
        self._timer = None
        if self.state is LinkState.WARM and self._next is None:
            self.renew()

    def _try_again(self) -> None:
        self._timer = None
        if self.state is LinkState.WAITING:
            self._dial()

    def _drained(self, since: float) -> None:
        self._timer = None
        connection = self.connection
        if self.state is not LinkState.DRAINING or connection is None:
            return
        now = self._clock.now()
        if now < since + DRAIN_MOST_S and (connection.open_submits or self._owner.is_working_on(self.pool.key)):
            self._timer = self._clock.call_at(since + DRAIN_MOST_S, lambda: self._drained(since))
            return
        if self._owner.is_working_on(self.pool.key):
            self._timer = self._clock.call_at(now + DRAIN_GRACE_S, lambda: self._drained(since))
            return
        self.close("drained")

    def _see_off(self, connection: UpstreamConnection) -> None:
        if connection not in self._leaving:
            self._leaving.append(connection)

    def _let_go_gently(self, connection: UpstreamConnection) -> None:
        """Close a connection that was replaced once its shares in flight had their chance."""
        self._see_off(connection)
        self._close_later(connection, "replaced")

    def _close_later(self, connection: UpstreamConnection, reason: str) -> None:
        self._clock.call_at(self._clock.now() + DRAIN_GRACE_S, lambda: connection.close(reason))

    def _let_go(self, connection: UpstreamConnection, reason: str) -> None:
        self._see_off(connection)
        connection.close(reason)

    def _drop_next(self, reason: str) -> None:
        coming, self._next = self._next, None
        if coming is not None:
            self._let_go(coming, reason)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _move(self, state: LinkState) -> None:
        if state not in _MOVES[self.state]:
            raise LocalProtocolError(f"link {self.state} -> {state}")
        self.state = state
