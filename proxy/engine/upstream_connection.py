"""One connection to a pool: it dials, becomes ready, carries shares, and ends, once.

Keeping a session supplied with connections (retry, renewal, drain) is the matter of ``pool_link``.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from proxy.chains.coinbase import height_of
from proxy.config.snapshot import Endpoint, PoolConfig
from proxy.engine.backlog import Backlog
from proxy.engine.job_watch import JobWatch
from proxy.engine.redirect import redirect_target
from proxy.errors import RemoteProtocolError
from proxy.observe.events import (
    AuthResult,
    ConnectionTipChanged,
    EventStream,
    LateVerdict,
    PoolConnected,
    PoolConnecting,
    PoolDifficulty,
    PoolDisconnected,
    PoolMessage,
    PoolNotify,
    PoolProtocolError,
    PoolRedirect,
    PoolVersionMask,
    SubscribeResult,
    UpstreamTraffic,
)
from proxy.ports import Clock, Dialer, Link
from proxy.stratum.codec import Request
from proxy.stratum.extranonce import ExtranoncePadding
from proxy.stratum.pool_context import PoolContext
from proxy.stratum.pool_job import NotifyTemplate, PoolJob
from proxy.stratum.upstream import Upstream
from proxy.stratum.upstream_handshake import Credentials
from proxy.stratum.upstream_owner import PendingSubmit
from proxy.text import visible
from proxy.types import ConnectionId, SessionId

GOLDEN = 0.618033988749895
"""Its multiples are spread evenly over every interval (as phases of slicing are)."""


class ConnectionUser(Protocol):
    """Who uses a connection: a session's link to the pool, a probe, the delivery of a block."""

    def may_wait(self, connection: "UpstreamConnection") -> bool:
        """Whether nobody works through the connection, so that ``connection_job`` or ``connection_lost`` may follow a
        moment later."""

    def connection_job(self, connection: "UpstreamConnection", job: PoolJob) -> None:
        """A job came; the first one says that the connection is ready."""

    def connection_job_noted(self, connection: "UpstreamConnection", job: PoolJob) -> None:
        """The same job again, once all miners at work have theirs."""

    def connection_lost(self, connection: "UpstreamConnection", reason: str) -> None:
        """The connection is over (``ended``). Called once, last."""

    def connection_difficulty(self, connection: "UpstreamConnection", difficulty: float) -> None:
        """The pool set the difficulty of the jobs to come."""

    def connection_version_mask(self, connection: "UpstreamConnection", version_mask: int) -> None:
        """The pool said which version bits it allows, at any time."""

    def connection_stale(self, connection: "UpstreamConnection") -> None:
        """No job came for much longer than usual; the connection goes on."""

    def connection_redirected(self, connection: "UpstreamConnection", endpoint: Endpoint) -> None:
        """The pool asks its client to connect to ``endpoint``, which is one that may be honoured."""


class UpstreamConnection:
    """A connection of its own to ``endpoint`` of a pool; owner of one ``Upstream``."""

    __slots__ = (
        "_backlog",
        "_began_at",
        "_cancel_dial",
        "_deadlines",
        "_events",
        "_is_new",
        "_is_open",
        "_job_watch",
        "_known",
        "_notify_cache",
        "_session",
        "_tip",
        "_unnoted",
        "_untold_end",
        "_user",
        "asked",
        "chain",
        "ended",
        "endpoint",
        "id",
        "padding",
        "pinned",
        "pool",
        "reached",
        "reading",
        "refused",
        "upstream",
        "wanted_end",
    )

    def __init__(
        self,
        *,
        connection_id: ConnectionId,
        pool: PoolConfig,
        context: PoolContext,
        backlog: Backlog,
        endpoint: Endpoint,
        credentials: Credentials,
        user: ConnectionUser,
        clock: Clock,
        events: EventStream,
        session: SessionId | None,
        job_stall_s: float,
        resume: str = "",
    ) -> None:
        self.id = connection_id
        self.pool = pool.key
        self.chain = pool.chain
        self.endpoint = endpoint
        self.padding = ExtranoncePadding(connection_id << 8)
        """Another start for each connection: some pools give the same extranonce1 to all (p2pool an empty one)."""
        self.refused = ""
        """Why the pool refused our user; empty where it did not."""
        self.ended = False
        self.wanted_end = False
        self.reached = False
        """Whether a job was ever handed over."""
        self.upstream = Upstream(
            clock=clock,
            owner=self,
            credentials=credentials,
            context=context,
            spread=connection_id * GOLDEN % 1.0,
            resume=resume,
        )
        self.reading = context.reading
        self._notify_cache = context.notify_cache
        self._tip: tuple[bytes, int] | None = None
        """Previous block and compact target of the newest job that was noted."""
        self._backlog = backlog
        self._unnoted: PoolJob | None = None
        """The newest job, while it waits in the backlog."""
        self._is_new = False
        """Whether ``_unnoted`` was not handed over yet."""
        self._untold_end: tuple[str, bool] | None = None
        """Why it ended, and whether that was wanted, while nobody was told."""
        self._known = pool.endpoints
        self._user = user
        self._deadlines = clock.deadlines
        self._events = events
        self._session = session
        self._job_watch = JobWatch(self, clock, context.patience, job_stall_s)
        self.asked: float | None = None
        """The difficulty that this connection is to have, where one is known that suits the miner."""
        self.pinned = 0.0
        """What the pool was asked for in the handshake, by the minimum or the password, and may keep for good; 0 for
        nothing."""
        self._cancel_dial: Callable[[], None] | None = None
        self._is_open = False
        self._began_at = 0.0
        """When it was opened; while it is not, when it was dialled."""

    # --- What a session does with it ------------------------------------------------------------------------------

    def dial(self, dialer: Dialer) -> None:
        """Start connecting."""
        self._began_at = self._deadlines.now()
        self._events.emit(
            PoolConnecting(
                pool=self.pool,
                connection=self.id,
                endpoint=str(self.endpoint),
                probe=self._session is None,
                session=self._session,
            )
        )
        self._cancel_dial = dialer.dial(self.endpoint, self)

    @property
    def job(self) -> PoolJob | None:
        """The newest job, once the connection is ready."""
        return self.upstream.job if self.upstream.ready else None

    @property
    def has_new_job(self) -> bool:
        """Whether the newest job was not handed over yet."""
        return self._unnoted is not None and self._is_new

    @property
    def ready(self) -> bool:
        """Whether shares can be submitted."""
        return self.upstream.ready

    @property
    def credentials(self) -> Credentials:
        """How we logged in to the pool."""
        return self.upstream.credentials

    @property
    def session_id(self) -> str:
        """What the pool calls the session; empty where it names none."""
        return self.upstream.session_id

    @property
    def open_submits(self) -> int:
        """Shares without a verdict yet."""
        return self.upstream.open_submits

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._is_open and not self.ended

    @property
    def is_dialled(self) -> bool:
        """Whether it is being dialled, or stands: one that waits for its turn is neither."""
        return not self.ended and (self._cancel_dial is not None or self._is_open)

    @property
    def lived_s(self) -> float:
        """Seconds since the connection stood; 0 if it never did."""
        return self._deadlines.now() - self._began_at if self._is_open else 0.0

    @property
    def gap_s(self) -> float:
        """The usual time between two jobs (seconds); 0 until two were heard."""
        return self._job_watch.gap_s

    @property
    def silent_for_s(self) -> float:
        """Seconds since anything came from the pool."""
        return self._deadlines.now() - self.upstream.last_received

    @property
    def difficulty(self) -> float:
        """The pool's, for the jobs to come."""
        return self.upstream.difficulty

    @property
    def version_mask(self) -> int | None:
        """Version bits that the pool allows; None while it has not said."""
        return self.upstream.version_mask

    @property
    def extranonce1(self) -> bytes:
        """The pool's."""
        return self.upstream.extranonce1

    @property
    def extranonce2_size(self) -> int:
        """The pool's; 0 until it has said."""
        return self.upstream.extranonce2_size

    @property
    def stalled(self) -> bool:
        """Whether it was given up because the pool fell silent."""
        return self.upstream.stalled

    # Sending is the endpoint's own: these give its methods, with no hop in between.

    @property
    def submit(self) -> Callable[[PendingSubmit, PoolJob, bytes, int, int, int], bool]:
        """``Upstream.submit``."""
        return self.upstream.submit

    @property
    def submit_params(self) -> Callable[[PendingSubmit, Sequence[str | int]], bool]:
        """``Upstream.submit_params``."""
        return self.upstream.submit_params

    @property
    def params_of(self) -> Callable[[PoolJob, bytes, int, int, int], list[str | int]]:
        """``Upstream.params_of``."""
        return self.upstream.params_of

    @property
    def suggest(self) -> Callable[[float], None]:
        """``Upstream.suggest``."""
        return self.upstream.suggest

    def job_overdue(self) -> None:
        """No job came for much longer than usual."""
        self._user.connection_stale(self)

    def close_when_answered(self, reason: str) -> None:
        """Close once its last open submit has ended."""
        self.upstream.when_all_answered(lambda: self.close(reason))

    def trace(self, on: bool) -> None:
        """Let the raw traffic be heard, or no more."""
        self.upstream.traced = on

    def close(self, reason: str, *, wanted: bool = True) -> None:
        """End the connection; ``connection_lost`` follows (at once if it never opened)."""
        if self.ended:
            return
        self.wanted_end = wanted
        if not self._is_open:
            if self._cancel_dial is not None:
                self._cancel_dial()
            self._end(reason)
        else:
            self.upstream.close(reason, wanted=wanted)

    # --- LinkHandler ----------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> Upstream:
        """The pool answered the dial; the endpoint itself is given the bytes."""
        self._cancel_dial = None
        if self.ended:
            link.close()
            return self.upstream
        dialled_at, self._began_at = self._began_at, self._deadlines.now()
        self._is_open = True
        self._job_watch.start()
        self._events.emit(
            PoolConnected(
                pool=self.pool,
                connection=self.id,
                endpoint=str(self.endpoint),
                probe=self._session is None,
                latency_ms=round((self._began_at - dialled_at) * 1e3, 1),
                session=self._session,
            )
        )
        self.upstream.opened(link)
        return self.upstream

    def received(self, payload: bytes) -> None:
        """Bytes from the pool."""
        self.upstream.received(payload)

    def closed(self, reason: str) -> None:
        """The stream ended, or never began."""
        if self._is_open:
            self.upstream.closed(reason)
        elif not self.ended:
            self._end(reason)

    # --- UpstreamOwner --------------------------------------------------------------------------------------------

    def upstream_subscribed(self, extranonce1: bytes, size: int) -> None:
        """Emit ``SubscribeResult``."""
        self._events.emit(
            SubscribeResult(
                pool=self.pool,
                connection=self.id,
                extranonce1=extranonce1.hex(),
                extranonce2_size=size,
                session=self._session,
            )
        )

    def upstream_authorized(self, ok: bool, message: str) -> None:
        """Emit ``AuthResult``; a refusal is no fault of the connection."""
        self.refused = "" if ok else message or "refused without a reason"
        self._events.emit(
            AuthResult(
                pool=self.pool,
                connection=self.id,
                user=self.credentials.user,
                ok=ok,
                message=message,
                session=self._session,
            )
        )

    def upstream_job(self, job: PoolJob) -> None:
        """Announce a job that is new, hand it over, and look out for the next one.

        A new block comes on all connections of a fleet at once: what no miner waits for is done afterwards.
        """
        self.catch_up()
        template = job.template
        is_first = self._notify_cache.announce(template)
        if is_first:
            self._announce(job)
        if is_first or self._tip is None:
            self._note_tip(template)
        self._job_watch.job_came()
        self.reached = True
        self._is_new = self._user.may_wait(self)
        if not self._is_new:
            self._user.connection_job(self, job)
            self._backlog.miner_served()
        if not self.ended:
            self._unnoted = job
            self._backlog.add(self)

    def catch_up(self) -> None:
        """Do what remains to be done for the newest job, or after the end; harmless where nothing does."""
        job, self._unnoted = self._unnoted, None
        if self._untold_end is not None:
            (reason, wanted), self._untold_end = self._untold_end, None
            self._tell_end(reason, wanted=wanted)
            return
        if job is None or self.ended:
            return
        self._note_tip(job.template)
        if self._is_new:
            self._user.connection_job(self, job)
        self._user.connection_job_noted(self, job)

    def _announce(self, job: PoolJob) -> None:
        template = job.template
        if self._events.wants(PoolNotify):
            self._events.emit(
                PoolNotify(
                    pool=self.pool,
                    connection=self.id,
                    chain=self.chain,
                    job=str(template.job_id),
                    prevhash=template.prevhash,
                    version=template.version,
                    nbits=template.nbits,
                    ntime=template.ntime,
                    clean=job.clean,
                    coinbase1=template.coinb1,
                    extranonce1=job.extranonce1,
                    extranonce2_size=job.extranonce2_size,
                    coinbase2=template.coinb2,
                    session=self._session,
                )
            )

    def _note_tip(self, template: NotifyTemplate) -> None:
        if self._tip is not template.tip and self._tip != template.tip:
            self._tip = template.tip
            self._events.emit(
                ConnectionTipChanged(
                    pool=self.pool,
                    connection=self.id,
                    chain=self.chain,
                    height=height_of(template.coinb1) or 0,
                    prevhash=template.prevhash,
                    nbits=template.nbits,
                    session=self._session,
                )
            )

    def upstream_difficulty(self, difficulty: float) -> None:
        """Emit ``PoolDifficulty``; it holds from the next job on."""
        self._events.emit(
            PoolDifficulty(pool=self.pool, connection=self.id, difficulty=difficulty, session=self._session)
        )
        self._user.connection_difficulty(self, difficulty)

    def upstream_version_mask(self, version_mask: int) -> None:
        """Emit ``PoolVersionMask``, and let the pool know for the miners to come."""
        self._events.emit(PoolVersionMask(pool=self.pool, connection=self.id, mask=version_mask, session=self._session))
        self._user.connection_version_mask(self, version_mask)

    def upstream_late(self, accepted: bool) -> None:
        """Emit ``LateVerdict``; nobody waits for it any more."""
        self._events.emit(LateVerdict(pool=self.pool, connection=self.id, accepted=accepted))

    def upstream_request(self, request: Request) -> None:
        """``client.*`` ends here; no miner ever sees it."""
        if request.method == "client.reconnect":
            target = redirect_target(request.params, self.endpoint, self._known)
            self._events.emit(
                PoolRedirect(
                    pool=self.pool,
                    honoured=target is not None,
                    target=visible(" ".join(str(param)[:80] for param in request.params[:2])),
                )
            )
            if target is not None:
                self._user.connection_redirected(self, target)
        elif request.method == "client.show_message":
            text = visible(str(request.params[0])[:500]) if request.params else ""
            self._events.emit(PoolMessage(pool=self.pool, text=text))

    def upstream_problem(self, problem: RemoteProtocolError) -> None:
        """Emit ``PoolProtocolError``."""
        self._events.emit(
            PoolProtocolError(pool=self.pool, connection=self.id, problem=str(problem), session=self._session)
        )

    def upstream_traffic(self, direction: str, line: bytes) -> None:
        """Emit ``UpstreamTraffic``."""
        if self._session is not None:
            self._events.emit(
                UpstreamTraffic(
                    session=self._session,
                    pool=self.pool,
                    direction=direction,
                    line=line.decode("utf-8", "replace").rstrip(),
                )
            )

    def upstream_closed(self, reason: str, wanted: bool) -> None:
        """The connection is over. A pool that dies ends those of a fleet at once: miners at work go first."""
        if self._user.may_wait(self):
            self.ended = True
            self._untold_end = reason, wanted
            self._backlog.add(self)
        else:
            self._tell_end(reason, wanted=wanted)
            self._backlog.miner_served()

    # --- Its own ---------------------------------------------------------------------------------------------------

    def _tell_end(self, reason: str, *, wanted: bool) -> None:
        self._events.emit_later(
            PoolDisconnected(
                pool=self.pool,
                connection=self.id,
                reason=reason,
                wanted=wanted or self.wanted_end,
                session=self._session,
            )
        )
        self._end(reason)

    def _end(self, reason: str) -> None:
        """Refer to nothing any more that refers to us, so that all of it is freed at once."""
        self.ended = True
        self._job_watch.end()
        self._cancel_dial = None
        self.upstream.detach()
        self._user.connection_lost(self, reason)
        del self._user
