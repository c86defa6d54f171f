"""One pool as the engine runs it: its endpoint in use, its miners' connections, its probe, what is known of it.

``pool_health`` decides whether it is up. It is probed at start; while it is down (with backoff); when ready connections
were lost; when one receives no new jobs; while a backup endpoint is in use, to see whether the primary one is back; and
every few minutes while no miner works there.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from proxy.config.snapshot import DIFFICULTY_PLACEHOLDER, Endpoint, HealthConfig, PoolConfig
from proxy.engine.backoff import Backoff
from proxy.engine.dial_pace import DialPace, Waiting
from proxy.engine.pool_health import SUSPECTED, PoolHealth, PoolState
from proxy.engine.probe import Probe, ProbeReason
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
from proxy.ports import Clock, Dialer, Random
from proxy.sentence import Sentence, sentence
from proxy.stratum.patience import Patience
from proxy.stratum.pool_context import PoolContext
from proxy.stratum.pool_job import NotifyCache
from proxy.stratum.upstream_handshake import Credentials
from proxy.types import AdminStatus, LineCount, PoolKey, PoolStatus, SessionId, WorkerName

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session

PROBE_WORKER = WorkerName("dpmp")
IDLE_PROBE_S = 300.0
REFUSAL_COUNTS_S = 1800.0
"""How long a pool counts as one that does not work after it refused a miner's user. Then miners are taken again to see:
without them nobody would find out that their users are accepted, where the probe's is not."""
PRIMARY_PROBE_S = 60.0
"""How often the primary endpoint is probed while a backup is in use."""
RISE_GAP_S = 1.0
EXCLUDED_PROBE_S = 15.0
"""How often a pool is probed that is excluded for what its coinbase pays: so soon it is back."""


class UpstreamPool:
    """One configured pool. Reports what changed to the engine."""

    def __init__(
        self,
        config: PoolConfig,
        health: HealthConfig,
        *,
        engine: "Engine",
        clock: Clock,
        dialer: Dialer,
        events: EventStream,
        random: Random,
    ) -> None:
        self.key: PoolKey = config.key
        self.config = config
        self.health = PoolHealth(health, clock, self._state_changed)
        self.probe = Probe(self, clock)
        self.extranonce2_size = config.extranonce2_size
        self.version_mask: int | None = None
        """Version bits that the pool allows; None while not known."""
        self.difficulty = 0.0
        self.refusal = ""
        """What the pool said when it last refused our user; empty since it accepted it."""
        self._miner_refused_at: float | None = None
        """When it last refused a miner's user; None since it accepted a user."""
        self.excluded = False
        """Whether its payout check failed and the operator chose that it gets no work then."""
        self.jobs = 0
        """Jobs received on connections of miners."""
        self.last_job_at: float | None = None
        """Monotonic seconds."""
        self.job_gap_s: float | None = None
        """Usual time between two jobs on a connection, averaged over those of miners; None until one is known."""
        self.ready_connections: dict[UpstreamConnection, None] = {}
        """Ready connections of miners, the oldest first; a set of thousands takes twice as much memory."""
        self._limits = health
        self._own_agent = f"dpmp/{engine.version}"
        self._engine = engine
        self._clock = clock
        self._dialer = dialer
        self._events = events
        self._pace = DialPace(clock, lambda: engine.config.limits.dials_per_s)
        self._endpoint = 0
        """Index of the endpoint in use; 0 is the primary one."""
        self._answers_at_silence = -1
        """How many shares had been answered when a connection last fell silent."""
        self._backoff = Backoff(health.backoff_min_s, health.backoff_max_s, random)
        self._others: dict[UpstreamConnection, None] = {}
        """Connections of all kinds that are not ready ones of miners and have not ended."""
        self._patience = Patience(health.request_stall_s)
        self._context = PoolContext(
            patience=self._patience, lines=engine.pool_lines.setdefault(config.key, LineCount())
        )

    # --- Facts ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> PoolStatus:
        """Operational state, as pages and metrics show it."""
        return self.health.status

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint in use."""
        return self.config.endpoints[self._endpoint % len(self.config.endpoints)]

    @property
    def connections(self) -> int:
        """Open connections, probes included, and those of which miners at work are still to be told that they ended."""
        return len(self.ready_connections) + sum(connection.is_open for connection in self._others)

    def coinbases(self) -> Iterator[bytes]:
        """The second part of the coinbase in the newest job of each connection."""
        return (connection.job.template.coinb2 for connection in self._all() if connection.job is not None)

    def _all(self) -> Iterator[UpstreamConnection]:
        return chain(self.ready_connections, self._others)

    @property
    def usable(self) -> bool:
        """Whether the operator lets the proxy connect to it at all."""
        return self.config.status is not AdminStatus.DISABLED

    @property
    def may_dial(self) -> bool:
        """Whether connections of miners may be opened now."""
        return self.usable and not self.health.is_down

    @property
    def works(self) -> bool:
        """Whether miners can expect work here: not down, and it does not refuse our user."""
        return self.may_dial and (bool(self.ready_connections) or not self._refuses_miners)

    @property
    def _refuses_miners(self) -> bool:
        """Whether a miner's user was refused lately and none accepted since. That the probe's user is refused proves
        nothing: some pools take only workers that were set up there."""
        refused_at = self._miner_refused_at
        return refused_at is not None and self._clock.now() < refused_at + REFUSAL_COUNTS_S - 1e-6

    @property
    def suspected(self) -> bool:
        """Whether nobody is to be moved here until a probe has found out more."""
        return self.health.is_suspected

    @property
    def _shares_unanswered(self) -> bool:
        """Whether a connection fell silent and no share has been answered since: jobs alone prove little."""
        return self._answers_at_silence == self._patience.shares_answered

    # --- Commands -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Send the first probe."""
        self._start_probe(ProbeReason.START)

    def stop(self) -> None:
        """The pool was removed, or the proxy ends; miners' connections are closed by their sessions."""
        self.health.remove()
        self.probe.cancel()

    def configure(self, config: PoolConfig, health: HealthConfig) -> None:
        """Use another configuration from now on."""
        moved = config.moved_from(self.config)
        returned = not self.usable
        self.config, self._limits = config, health
        self._patience.least_s = health.request_stall_s
        self.health.configure(health)
        if not self.usable:
            self.probe.cancel()
        elif moved or returned:
            self.version_mask = None  # perhaps another pool: until it has said, rolling is offered
            self._context = replace(self._context, notify_cache=NotifyCache())  # what it sends is announced anew
            self._endpoint = 0
            self._backoff.reset()
            self.probe.cancel()
            self._start_probe(ProbeReason.START)

    def is_gone_for(self, session: "Session") -> None:
        """Let a miner know that the pool is down, unless it is not any more."""
        if not self.may_dial:
            session.update_ready()
            session.pool_links.pool_gone(self.key, self.health.reason)

    def exclude(self, excluded: bool) -> None:
        """Probe the pool often although no miner works there, for as long as it is excluded."""
        self.excluded = excluded
        self._schedule_probe()

    def make_connection(
        self, session: "Session", user: ConnectionUser, endpoint: Endpoint | None, productive: ProductiveDifficulty
    ) -> UpstreamConnection:
        """Dial a connection that subscribes with the miner's own agent (pools choose difficulty by it)."""
        asked = session.asked_difficulty.on(self.key, productive, estimated=False)
        password, suitable = self.config.password, None
        if DIFFICULTY_PLACEHOLDER in password:
            suitable = session.asked_difficulty.on(self.key, productive, estimated=True)
            password = self.config.password_for(suitable)
        credentials = Credentials(
            agent=session.downstream.agent or self._own_agent,
            user=self.config.user_for(session.worker),
            password=password or session.password or "x",
            minimum_difficulty=asked,
        )
        self._events.emit(
            AuthorizeRewrite(session=session.id, pool=self.key, user=session.user, upstream_user=credentials.user)
        )
        connection = self._make(user, credentials, endpoint or self.endpoint, session.id)
        connection.asked = asked
        connection.pinned = max(asked or 0.0, suitable or 0.0)
        if session.has_earned or (
            self._engine.scheduler.is_known(session.worker) and self._pace.is_free_for(session.worker)
        ):
            connection.dial(self._dialer)
        else:
            self._pace.dial_in_turn(
                session.address, Waiting(connection, session.is_unconnected, lambda: connection.dial(self._dialer))
            )
        return connection

    def make_shared_connection(
        self,
        ident: SessionId,
        user: ConnectionUser,
        endpoint: Endpoint | None,
        *,
        user_group: str,
        asked_by: "Session | None",
    ) -> UpstreamConnection:
        """Dial a connection for many miners, known as ``ident``, under the user name of ``user_group``.

        ``asked_by``: whoever chose that name; a stranger's connection waits for its turn.
        """
        credentials = Credentials(
            agent=self._own_agent,
            user=self.config.shared_user(user_group),
            password=self.config.password_for(None) or "x",
        )
        connection = self._make(user, credentials, endpoint or self.endpoint, ident)
        if asked_by is None or asked_by.has_earned or self._engine.scheduler.is_known(asked_by.worker):
            connection.dial(self._dialer)
        else:
            self._pace.dial_in_turn(
                asked_by.address, Waiting(connection, asked_by.is_unconnected, lambda: connection.dial(self._dialer))
            )
        return connection

    def resume(
        self, user: ConnectionUser, credentials: Credentials, endpoint: Endpoint, session_id: str
    ) -> UpstreamConnection:
        """Dial ``endpoint`` and ask for the session ``session_id`` again; ``forget`` the connection when it ends."""
        return self._dial(user, credentials, endpoint, resume=session_id)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection of ``resume`` ended; it says nothing of the pool's health."""
        self._others.pop(connection, None)

    # --- Connections of miners ------------------------------------------------------------------------------------

    def connection_ready(self, connection: UpstreamConnection) -> None:
        """A miner's connection got its first job: a fresh dial that succeeded."""
        self._others.pop(connection, None)
        self.ready_connections[connection] = None
        self._accepted(connection)
        if not self._shares_unanswered:
            self._backoff.reset()
        before = self.health.state
        self.health.answered()
        if self.health.state is not before or self._endpoint or not self.probe.is_scheduled:
            self._schedule_probe()  # else one is to come that looks itself whether it is needed

    def job_heard(self, connection: UpstreamConnection) -> None:
        """A miner's connection got a job."""
        self.jobs += 1
        self.last_job_at = self._clock.now()
        self.difficulty = connection.difficulty
        if connection.gap_s:
            self.job_gap_s = (
                connection.gap_s if self.job_gap_s is None else 0.9 * self.job_gap_s + 0.1 * connection.gap_s
            )

    def connection_ended(self, connection: UpstreamConnection, reason: str) -> None:
        """A miner's connection ended, ``reason`` says why. Losing the last ready one starts a probe."""
        self._others.pop(connection, None)
        was_ready = connection in self.ready_connections
        self.ready_connections.pop(connection, None)
        if connection.refused:
            self._refused_miner()
        if connection.wanted_end or connection.refused or self.health.state is PoolState.REMOVED:
            return
        if was_ready:
            self._lost(connection, reason)
        elif not connection.reached and self.ready_connections and not self.suspected:
            # Others work here: a limit per address, perhaps. Nobody is to lose his work for it.
            self._unreachable(connection.endpoint, reason)
            self._schedule_probe()
        elif not connection.reached:
            self._failed(connection.endpoint, reason)
            self._schedule_probe()

    def _refused_miner(self) -> None:
        self._miner_refused_at = now = self._clock.now()
        self._engine.pool_learned(self)
        self._clock.call_at(now + REFUSAL_COUNTS_S, lambda: self._engine.pool_learned(self))

    def _lost(self, connection: UpstreamConnection, reason: str) -> None:
        """A ready connection broke."""
        if not connection.stalled:
            if not self.ready_connections:
                self.health.lost()
                self._start_probe(ProbeReason.SUSPECTED)
            return
        self._answers_at_silence = self._patience.shares_answered
        if not self.ready_connections:
            self.health.last_fell_silent(reason)
            self._schedule_probe()  # not at once: a pool that answers probes and no shares would be back in a second
        elif not self.suspected:
            self.health.fell_silent(
                all_silent=all(one.silent_for_s >= self._patience.limit_s for one in self.ready_connections)
            )
            self._start_probe(ProbeReason.SUSPECTED)

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """A miner's connection receives no new jobs: compare it with what a probe receives."""
        self._start_probe(ProbeReason.STALE)
        self.probe.compare(connection)

    def learn(self, connection: UpstreamConnection) -> None:
        """Keep what a connection learned of the pool."""
        known = (self.extranonce2_size, self.version_mask)
        self.extranonce2_size = connection.extranonce2_size
        if connection.version_mask is not None:
            self.version_mask = connection.version_mask
        self.difficulty = connection.difficulty
        if known != (self.extranonce2_size, self.version_mask):
            self._engine.pool_learned(self)

    def connection_version_mask(self, connection: UpstreamConnection, version_mask: int) -> None:
        """The pool said on a miner's or the probe's connection which version bits it allows."""
        if version_mask != self.version_mask:
            self.version_mask = version_mask
            self._engine.pool_learned(self)

    # --- The probe ------------------------------------------------------------------------------------------------

    def dial_probe(self, probe: Probe, endpoint: Endpoint) -> UpstreamConnection:
        """Dial ``endpoint`` as a worker of our own."""
        credentials = Credentials(
            agent=self._own_agent,
            user=self.config.user_for(PROBE_WORKER),
            password=self.config.password_for(None) or "x",
        )
        return self._dial(probe, credentials, endpoint)

    def probe_answered(self, connection: UpstreamConnection, reason: ProbeReason) -> None:
        """The probe got a job."""
        self._accepted(connection)
        connection.close("probe done")
        if reason is ProbeReason.PRIMARY_ENDPOINT:
            self._endpoint = 0
            self._engine.pool_endpoint_changed(self)
        self.health.answered()
        if not self.health.is_down and not self._shares_unanswered:
            self._backoff.reset()
        self._schedule_probe()

    def probe_refused(self, connection: UpstreamConnection, reason: ProbeReason) -> None:
        """The pool is there, but not for us: reachable for its health, an alarm for its owner."""
        if reason is not ProbeReason.PRIMARY_ENDPOINT:
            self.refusal = connection.refused
            self._events.emit(
                PoolReconnectFailed(
                    pool=self.key, endpoint=str(connection.endpoint), reason=f"refuses our user: {connection.refused}"
                )
            )
            self.learn(connection)
            self.health.refused()
            self._engine.pool_learned(self)
        self._schedule_probe()

    def probe_failed(self, connection: UpstreamConnection, reason: ProbeReason, problem: str) -> None:
        """The probe could not connect, or brought no job; a primary endpoint that is still away says nothing new."""
        if reason is not ProbeReason.PRIMARY_ENDPOINT:
            self._failed(connection.endpoint, problem)
        self._schedule_probe()

    def probe_due(self) -> None:
        """Probe now, unless miners' connections say enough."""
        if self.status is not PoolStatus.UP or self.health.is_failing:
            self._start_probe(ProbeReason.DOWN)
        elif self._endpoint:
            self._start_probe(ProbeReason.PRIMARY_ENDPOINT)
        elif self.ready_connections:
            self._schedule_probe()
        else:
            self._start_probe(ProbeReason.IDLE)

    def _start_probe(self, reason: ProbeReason) -> None:
        if self._may_probe:
            at = self.config.endpoints[0] if reason is ProbeReason.PRIMARY_ENDPOINT else self.endpoint
            self.probe.start(reason, at)

    @property
    def _may_probe(self) -> bool:
        return self.usable and self.health.state is not PoolState.REMOVED

    def _schedule_probe(self) -> None:
        if not self._may_probe or self.probe.is_running:
            return
        delay_s = self._next_probe_s()
        if self.status is not PoolStatus.UP and delay_s > RISE_GAP_S:
            self._events.emit(PoolReconnectWait(pool=self.key, delay_s=round(delay_s, 3)))
        self.probe.schedule(delay_s)

    def _next_probe_s(self) -> float:
        if self.health.is_failing:
            return self._limits.backoff_min_s
        if self.status is PoolStatus.UP:
            usual_s = PRIMARY_PROBE_S if self._endpoint else IDLE_PROBE_S
            return min(usual_s, EXCLUDED_PROBE_S) if self.excluded else usual_s
        if self.health.state is PoolState.GOING_UP:
            return RISE_GAP_S
        return self._backoff.next() if self._endpoint == 0 else self._limits.backoff_min_s

    # --- Its own --------------------------------------------------------------------------------------------------

    def _accepted(self, connection: UpstreamConnection) -> None:
        """The pool took our user."""
        was, self.refusal = self.refusal or self._miner_refused_at is not None, ""
        self._miner_refused_at = None
        self.learn(connection)
        if was:
            self._engine.pool_learned(self)

    def _unreachable(self, endpoint: Endpoint, reason: str) -> None:
        self._events.emit(PoolReconnectFailed(pool=self.key, endpoint=str(endpoint), reason=reason))
        if endpoint == self.endpoint:
            self._endpoint = (self._endpoint + 1) % len(self.config.endpoints)

    def _failed(self, endpoint: Endpoint, reason: str) -> None:
        self._unreachable(endpoint, reason)
        self.health.failed(sentence("{endpoint}: {why}", endpoint=str(endpoint), why=Sentence.of(reason)))

    def _state_changed(self, before: PoolState, was: PoolStatus, spent_s: float) -> None:
        if self.status is not was:
            self._events.emit(PoolStateChanged(pool=self.key, old=was, new=self.status))
            if self.status is PoolStatus.DOWN:
                self._events.emit(PoolDown(pool=self.key, reason=self.health.reason))
            else:
                down_s = spent_s if was is PoolStatus.DOWN else 0.0
                self._events.emit(PoolUp(pool=self.key, down_s=round(down_s, 3)))
            self._engine.pool_changed(self, was=was)
        elif self.ready_connections and (before in SUSPECTED) is not self.suspected:
            self._engine.pool_suspected(self)

    def _make(
        self,
        user: ConnectionUser,
        credentials: Credentials,
        endpoint: Endpoint,
        session: SessionId | None,
        *,
        resume: str = "",
    ) -> UpstreamConnection:
        connection = UpstreamConnection(
            connection_id=self._engine.next_connection_id(),
            pool=self.config,
            context=self._context,
            backlog=self._engine.backlog,
            endpoint=endpoint,
            credentials=credentials,
            user=user,
            clock=self._clock,
            events=self._events,
            session=session,
            job_stall_s=self._limits.job_stall_min_s,
            resume=resume,
        )
        self._others[connection] = None
        return connection

    def _dial(
        self, user: ConnectionUser, credentials: Credentials, endpoint: Endpoint, *, resume: str = ""
    ) -> UpstreamConnection:
        """Dial a connection that serves no miner."""
        connection = self._make(user, credentials, endpoint, None, resume=resume)
        connection.dial(self._dialer)
        return connection
