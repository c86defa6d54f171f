"""One pool as the engine runs it: its health, the endpoint in use, probes, and the making of connections.

A probe is an upstream connection that serves no miner: it subscribes and authorises as worker ``dpmp``, waits for a
job, and closes. It runs at start, while the pool is down (with backoff), when ready connections were lost, when a
connection hears of no new jobs, while a backup endpoint is in use (to find the way back), and now and then while no
miner keeps the pool under observation.
"""

from collections.abc import Callable
from typing import Any, Protocol

from proxy.config.snapshot import DIFFICULTY_PLACEHOLDER, Endpoint, HealthConfig, PoolConfig
from proxy.engine.pool_health import Backoff, PoolHealth, Random
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.upstream_connection import ConnectionUser, UpstreamConnection
from proxy.observe.events import (
    AuthorizeRewrite,
    EventStream,
    PoolDown,
    PoolReconnectFailed,
    PoolReconnectWait,
    PoolStateChanged,
    PoolUp,
)
from proxy.ports import Clock, Dialer, Timer
from proxy.stratum.patience import Patience
from proxy.stratum.pool_job import NotifyCache, PoolJob
from proxy.stratum.upstream import Credentials
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.stratum.version_rolling import PoolReading
from proxy.types import AdminStatus, ConnectionId, PoolKey, PoolStatus, SessionId, WorkerName

PROBE_WORKER = WorkerName("dpmp")
IDLE_PROBE_S = 300.0
HOME_PROBE_S = 60.0
"""How often the preferred endpoint is tried while a backup is in use."""
RISE_GAP_S = 1.0
WATCH_PROBE_S = 15.0
"""How often a pool is looked at that was taken out of work for what its coinbase pays: so soon it is back."""


class PoolOwner(Protocol):
    """The engine."""

    version: str

    def login_of(self, session: SessionId) -> tuple[WorkerName, str, str, str]:
        """(worker, the miner's user name, password, agent) of a session."""

    def asked_difficulty(
        self, session: SessionId, pool: PoolKey, productive: ProductiveDifficulty, *, estimated: bool
    ) -> float | None:
        """The difficulty that suits a session's miner on ``pool``; None where it is not known."""

    def next_connection_id(self) -> ConnectionId:
        """An id never used before."""

    def pool_changed(self, pool: "PoolSupervisor", *, was: PoolStatus) -> None:
        """The pool's status changed."""

    def pool_suspected(self, pool: "PoolSupervisor") -> None:
        """``suspected`` changed."""

    def pool_learned(self, pool: "PoolSupervisor") -> None:
        """Extranonce size or version mask became known or changed, or whether it refuses our user."""

    def pool_moved_home(self, pool: "PoolSupervisor") -> None:
        """The endpoint in use changed while connections are on another: they are to be renewed."""


class PoolSupervisor:
    """See the module. ``PoolSide`` for links, ``ConnectionUser`` for its own probe."""

    def __init__(
        self,
        config: PoolConfig,
        health: HealthConfig,
        *,
        owner: PoolOwner,
        clock: Clock,
        dialer: Dialer,
        events: EventStream,
        random: Random,
    ) -> None:
        self.key: PoolKey = config.key
        self.config = config
        self.health = PoolHealth(health, clock.now())
        self.extranonce2_size = config.extranonce2_size
        self.mask: int | None = None
        """Version bits that the pool allows; None while not known."""
        self.difficulty = 0.0
        self.refusal = ""
        """The pool's words when it last refused our user; empty since it accepted it."""
        self.jobs = 0
        """Jobs heard on connections of miners."""
        self.last_job_at: float | None = None
        """Monotonic seconds."""
        self.job_gap_s: float | None = None
        """The usual time between two jobs on one connection, averaged over those of miners; None until one is known."""
        self.suspected = False
        """Whether a connection fell silent and a probe is to find out more: nobody is moved here meanwhile."""
        self._mute = False
        """Whether shares went unanswered and none has been answered since: jobs alone prove little."""
        self.ready_connections: set[UpstreamConnection] = set()
        """Connections of miners that are ready."""
        self._limits = health
        self._owner = owner
        self._clock = clock
        self._dialer = dialer
        self._events = events
        self._endpoint = 0
        self._probe: UpstreamConnection | None = None
        self._probe_home = False
        self._probe_followed = False
        self._on_stale: UpstreamConnection | None = None
        self._timer: Timer | None = None
        self._backoff = Backoff(health.backoff_min_s, health.backoff_max_s, random)
        self._alive: set[UpstreamConnection] = set()
        self._notify_cache = NotifyCache()
        self._reading = PoolReading()
        self._patience = Patience(health.request_stall_s)
        self._stopped = False
        self._watched = False

    # --- Facts ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> PoolStatus:
        """Operational state."""
        return self.health.status

    @property
    def endpoint(self) -> Endpoint:
        """Where connections are opened now."""
        return self.config.endpoints[self._endpoint % len(self.config.endpoints)]

    @property
    def connections(self) -> int:
        """Open connections, probes included."""
        return sum(connection.is_open for connection in self._alive)

    @property
    def may_dial(self) -> bool:
        """Whether connections may be opened now."""
        return not self._stopped and self.status is not PoolStatus.DOWN and self.usable

    @property
    def works(self) -> bool:
        """Whether miners may hope for work here: not down, and it does not refuse our user."""
        return self.may_dial and not (self.refusal and not self.ready_connections)

    @property
    def usable(self) -> bool:
        """Whether the operator lets miners work here at all."""
        return self.config.status is not AdminStatus.DISABLED

    # --- Commands -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Have a first look at the pool."""
        if self.usable:
            self._start_probe()

    def stop(self) -> None:
        """Forget the pool; its connections are closed by their sessions."""
        self._stopped = True
        self._cancel_timer()
        self._drop_probe()

    def configure(self, config: PoolConfig, health: HealthConfig) -> None:
        """Use another configuration from now on."""
        moved = config.moved_from(self.config)
        returned = self.config.status is AdminStatus.DISABLED
        self.config, self._limits = config, health
        self._patience.least_s = health.request_stall_s
        self.health.configure(health)
        if not self.usable:
            self._cancel_timer()
            self._drop_probe()
        elif moved or returned:
            self.mask = None  # perhaps another pool: until it has said, rolling is offered
            self._endpoint = 0
            self._backoff.reset()
            self._drop_probe()
            self._start_probe()

    def watch(self, on: bool) -> None:
        """Look at the pool often although no miner works there, until ``watch(False)``."""
        self._watched = on
        self._schedule()

    def make_connection(
        self, session: SessionId, user: ConnectionUser, endpoint: Endpoint | None, productive: ProductiveDifficulty
    ) -> UpstreamConnection:
        """Make and dial a connection that subscribes with the miner's own agent (pools choose difficulty by it)."""
        worker, miner_user, password, agent = self._owner.login_of(session)
        asked = self._owner.asked_difficulty(session, self.key, productive, estimated=False)
        credentials = Credentials(
            agent=agent,
            user=self.config.user_for(worker),
            password=self._password(session, productive) or password or "x",
            minimum_difficulty=asked,
        )
        self._events.emit(
            AuthorizeRewrite(session=session, pool=self.key, user=miner_user, upstream_user=credentials.user)
        )
        connection = self._dial(user, credentials, endpoint or self.endpoint, session, productive=productive)
        connection.asked = asked
        return connection

    def resume(
        self, user: ConnectionUser, credentials: Credentials, endpoint: Endpoint, session_id: str
    ) -> UpstreamConnection:
        """Dial ``endpoint`` and ask for the session ``session_id`` again; ``forget`` the connection when it ends."""
        return self._dial(user, credentials, endpoint, None, resume=session_id)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection of ``resume`` ended; it says nothing of the pool's health."""
        self._alive.discard(connection)

    def _password(self, session: SessionId, productive: ProductiveDifficulty) -> str:
        """As configured, with the difficulty that suits the miner where the password has a place for it."""
        if DIFFICULTY_PLACEHOLDER not in self.config.password:
            return self.config.password
        return self.config.password_for(self._owner.asked_difficulty(session, self.key, productive, estimated=True))

    # --- PoolSide -------------------------------------------------------------------------------------------------

    def connection_ready(self, connection: UpstreamConnection) -> None:
        """A miner's connection got its first job: a fresh dial that succeeded."""
        self.ready_connections.add(connection)
        self._accepted(connection)
        self._suspect(False)
        if not self._mute:
            self._backoff.reset()
        self._changed(self.health.succeeded)
        self._schedule()

    def answer_heard(self) -> None:
        """A share was answered."""
        self._mute = False

    def job_heard(self, connection: UpstreamConnection) -> None:
        """A miner's connection got a job."""
        self.jobs += 1
        self.last_job_at = self._clock.now()
        self.difficulty = connection.upstream.difficulty
        if connection.gap_s:
            self.job_gap_s = (
                connection.gap_s if self.job_gap_s is None else 0.9 * self.job_gap_s + 0.1 * connection.gap_s
            )

    def connection_ended(self, connection: UpstreamConnection, reason: str) -> None:
        """A miner's connection ended; losing the last ready one puts the pool under suspicion and a probe finds out."""
        self._alive.discard(connection)
        had = connection in self.ready_connections
        self.ready_connections.discard(connection)
        if connection.wanted_end or connection.refused or self._stopped:
            return
        if not connection.reached and self.ready_connections and not self.suspected:
            # Others work here: a limit per address, perhaps. Nobody is to lose his work for it.
            self._unreachable(connection.endpoint, reason)
            self._schedule()
        elif not connection.reached:
            self._failed(connection.endpoint, reason)
        elif had:
            self._lost(connection, reason)

    def _lost(self, connection: UpstreamConnection, reason: str) -> None:
        """A ready connection broke: if it was the last, or all fell silent, the next failure decides."""
        stalled = connection.upstream.stalled
        self._mute = self._mute or stalled
        if not self.ready_connections:
            self.health.suspect()
            if stalled:
                self._changed_to_down(self.health.fell_silent, reason)
                self._schedule()  # not at once: a pool that answers probes and no shares would be back in a second
            else:
                self._start_probe()
        elif stalled and not self.suspected:
            self._suspect(True)
            if self._all_silent():
                self.health.suspect()
            self._start_probe()

    def _suspect(self, on: bool) -> None:
        if on is not self.suspected:
            self.suspected = on
            self._owner.pool_suspected(self)

    def _all_silent(self) -> bool:
        return all(connection.silent_for_s >= self._patience.limit_s for connection in self.ready_connections)

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """A connection hears of no new jobs: see what a fresh connection hears."""
        self._on_stale = connection
        self._start_probe()

    def learn(self, connection: UpstreamConnection) -> None:
        """Keep what a connection told about the pool."""
        upstream = connection.upstream
        known = (self.extranonce2_size, self.mask)
        self.extranonce2_size = upstream.extranonce2_size
        if upstream.mask is not None:
            self.mask = upstream.mask
        self.difficulty = upstream.difficulty
        if known != (self.extranonce2_size, self.mask):
            self._owner.pool_learned(self)

    def connection_version_mask(self, connection: UpstreamConnection, mask: int) -> None:
        """A connection, a miner's or the probe, heard which version bits the pool allows: in time, late, or anew."""
        if mask != self.mask:
            self.mask = mask
            self._owner.pool_learned(self)

    # --- ConnectionUser: the probe --------------------------------------------------------------------------------

    def connection_job(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """The probe got what it came for."""
        if connection is not self._probe:
            return
        self._probe = None
        stale, self._on_stale = self._on_stale, None
        old = stale.job if stale is not None else None
        if stale is not None and old is not None and old.notice.prevhash != job.notice.prevhash:
            stale.close("no new jobs here, although the pool has some", wanted=False)
        self._accepted(connection)
        connection.close("probe done")
        if self._probe_home:
            self._came_home()
        self._changed(self.health.succeeded)
        self._suspect(False)
        if self.status is not PoolStatus.DOWN and not self._mute:
            self._backoff.reset()
        self._schedule()

    def connection_answer(self, token: Any, answer: ShareAnswer) -> None:
        """Probes submit nothing."""

    def connection_lost(self, connection: UpstreamConnection, reason: str) -> None:
        """The probe failed (a refused login is no fault of the connection: the pool is reachable)."""
        self._alive.discard(connection)
        if connection is not self._probe:
            return
        self._probe = None
        self._on_stale = None
        if self._probe_home:
            self._probe_home = False
        elif connection.refused:
            self._refused(connection)
        else:
            self._failed(connection.endpoint, reason)
        self._schedule()

    def connection_redirected(self, connection: UpstreamConnection, endpoint: Endpoint) -> None:
        """A probe follows once, and goes nowhere else from there."""
        if connection is self._probe and not self._probe_followed:
            self._drop_probe()
            self._open_probe(endpoint)
            self._probe_followed = True

    # --- Its own --------------------------------------------------------------------------------------------------

    def _accepted(self, connection: UpstreamConnection) -> None:
        """The pool took our user."""
        was, self.refusal = self.refusal, ""
        self.learn(connection)
        if was:
            self._owner.pool_learned(self)

    def _refused(self, connection: UpstreamConnection) -> None:
        """The pool is there, but not for us: reachable for its health, an alarm for its owner."""
        self.refusal = connection.refused
        self._events.emit(
            PoolReconnectFailed(
                pool=self.key, endpoint=str(connection.endpoint), reason=f"refuses our user: {connection.refused}"
            )
        )
        self.learn(connection)
        self._changed(self.health.succeeded)
        self._owner.pool_learned(self)

    def _unreachable(self, endpoint: Endpoint, reason: str) -> None:
        self._events.emit(PoolReconnectFailed(pool=self.key, endpoint=str(endpoint), reason=reason))
        if endpoint == self.endpoint:
            self._endpoint = (self._endpoint + 1) % len(self.config.endpoints)

    def _failed(self, endpoint: Endpoint, reason: str) -> None:
        self._unreachable(endpoint, reason)
        self._changed_to_down(self.health.failed, f"{endpoint}: {reason}")
        self._schedule()

    def _came_home(self) -> None:
        self._probe_home = False
        self._endpoint = 0
        self._owner.pool_moved_home(self)

    def _changed(self, tell: Callable[[float], bool]) -> None:
        was, since = self.status, self.health.since
        if tell(self._clock.now()):
            down_s = self._clock.now() - since if was is PoolStatus.DOWN else 0.0
            self._events.emit(PoolStateChanged(pool=self.key, old=was, new=self.status))
            self._events.emit(PoolUp(pool=self.key, down_s=round(down_s, 3)))
            self._owner.pool_changed(self, was=was)

    def _changed_to_down(self, tell: Callable[[str, float], bool], reason: str) -> None:
        was = self.status
        if tell(reason, self._clock.now()):
            self._events.emit(PoolStateChanged(pool=self.key, old=was, new=self.status))
            self._events.emit(PoolDown(pool=self.key, reason=reason))
            self._owner.pool_changed(self, was=was)

    def _schedule(self) -> None:
        """Arrange for the next probe; one timer for a pool."""
        self._cancel_timer()
        if self._stopped or not self.usable or self._probe is not None:
            return
        delay = self._next_probe_s()
        if self.status is not PoolStatus.UP and delay > RISE_GAP_S:
            self._events.emit(PoolReconnectWait(pool=self.key, delay_s=round(delay, 3)))
        self._timer = self._clock.call_at(self._clock.now() + delay, self._probe_due)

    def _next_probe_s(self) -> float:
        if self.health.falling:
            return self._limits.backoff_min_s
        if self.status is PoolStatus.UP:
            usual = HOME_PROBE_S if self._endpoint else IDLE_PROBE_S
            return min(usual, WATCH_PROBE_S) if self._watched else usual
        if self.health.rising:
            return RISE_GAP_S
        return self._backoff.next() if self._endpoint == 0 else self._limits.backoff_min_s

    def _probe_due(self) -> None:
        self._timer = None
        if self.status is PoolStatus.UP and self._endpoint == 0 and self.ready_connections and not self.health.falling:
            self._schedule()
            return
        self._start_probe(home=self.status is PoolStatus.UP and self._endpoint != 0)

    def _start_probe(self, *, home: bool = False) -> None:
        if self._probe is not None or self._stopped or not self.usable:
            return
        self._cancel_timer()
        self._probe_home = home
        self._probe_followed = False
        self._open_probe(self.config.endpoints[0] if home else self.endpoint)

    def _open_probe(self, endpoint: Endpoint) -> None:
        credentials = Credentials(
            agent=f"dpmp/{self._owner.version}",
            user=self.config.user_for(PROBE_WORKER),
            password=self.config.password_for(None) or "x",
        )
        self._probe = self._dial(self, credentials, endpoint, None)

    def _dial(
        self,
        user: ConnectionUser,
        credentials: Credentials,
        endpoint: Endpoint,
        session: SessionId | None,
        *,
        resume: str = "",
        productive: ProductiveDifficulty | None = None,
    ) -> UpstreamConnection:
        connection = UpstreamConnection(
            connection_id=self._owner.next_connection_id(),
            pool=self.key,
            chain=self.config.chain,
            endpoint=endpoint,
            known=self.config.endpoints,
            credentials=credentials,
            user=user,
            clock=self._clock,
            events=self._events,
            session=session,
            patience=self._patience,
            job_stall_s=self._limits.job_stall_min_s,
            notify_cache=self._notify_cache,
            reading=self._reading,
            resume=resume,
            productive=productive,
        )
        self._alive.add(connection)
        connection.dial(self._dialer)
        return connection

    def _drop_probe(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.close("not wanted")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
