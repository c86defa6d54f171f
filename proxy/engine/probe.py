"""A probe is an upstream connection that serves no miner: it logs in as worker ``dpmp``, waits for a job and closes.

One probe of a pool at a time:

| state      | schedule  | start      | due  | redirected | answered, refused or failed | cancel |
|------------|-----------|------------|------|------------|-----------------------------|--------|
| IDLE       | SCHEDULED | CONNECTING | -    | -          | -                           | =      |
| SCHEDULED  | SCHEDULED | CONNECTING | IDLE | -          | -                           | IDLE   |
| CONNECTING | =         | =          | -    | REDIRECTED | IDLE                        | IDLE   |
| REDIRECTED | =         | =          | -    | =          | IDLE                        | IDLE   |

It reports what it found to its pool (``probe_answered``, ``probe_refused``, ``probe_failed``), which decides when the
next one is due and where it goes.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from proxy.config.snapshot import Endpoint
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.errors import LocalProtocolError
from proxy.ports import Clock, Timer
from proxy.stratum.pool_job import PoolJob

if TYPE_CHECKING:
    from proxy.engine.pool import UpstreamPool


class ProbeReason(StrEnum):
    """Why a pool is probed."""

    START = "start"
    """Nothing is known of it, or it has another address."""
    DOWN = "down"
    """It is down, or its last dials failed."""
    SUSPECTED = "suspected"
    """Connections of miners were lost or fell silent."""
    STALE = "stale"
    """A connection receives no new jobs."""
    PRIMARY_ENDPOINT = "primary endpoint"
    """A backup endpoint is in use: is the first one back?"""
    IDLE = "idle"
    """No miner works there, so nothing else shows how it is."""


class ProbeState(StrEnum):
    """What the probe does."""

    IDLE = "idle"
    SCHEDULED = "scheduled"
    CONNECTING = "connecting"
    REDIRECTED = "redirected"
    """Connecting where the pool sent it; it goes nowhere else from there."""


_MOVES: dict[ProbeState, tuple[ProbeState, ...]] = {
    ProbeState.IDLE: (ProbeState.SCHEDULED, ProbeState.CONNECTING),
    ProbeState.SCHEDULED: (ProbeState.SCHEDULED, ProbeState.CONNECTING, ProbeState.IDLE),
    ProbeState.CONNECTING: (ProbeState.REDIRECTED, ProbeState.IDLE),
    ProbeState.REDIRECTED: (ProbeState.IDLE,),
}


class Probe:
    """The probes of one pool, one after the other. Implements ``ConnectionUser``."""

    def __init__(self, pool: "UpstreamPool", clock: Clock) -> None:
        self.state = ProbeState.IDLE
        self.reason = ProbeReason.START
        """Of the probe that runs, or ran last."""
        self._pool = pool
        self._clock = clock
        self._timer: Timer | None = None
        self._connection: UpstreamConnection | None = None
        self._stale: UpstreamConnection | None = None

    @property
    def is_running(self) -> bool:
        """Whether a connection is being tried."""
        return self.state in (ProbeState.CONNECTING, ProbeState.REDIRECTED)

    @property
    def is_scheduled(self) -> bool:
        """Whether one is to come."""
        return self.state is ProbeState.SCHEDULED

    def schedule(self, delay_s: float) -> None:
        """Have ``UpstreamPool.probe_due`` called in ``delay_s``, unless a probe runs."""
        if not self.is_running:
            self._move(ProbeState.SCHEDULED)
            self._timer = self._clock.call_at(self._clock.now() + delay_s, self._due)

    def start(self, reason: ProbeReason, endpoint: Endpoint) -> None:
        """Connect to ``endpoint`` now, unless a probe runs."""
        if not self.is_running:
            self._move(ProbeState.CONNECTING)
            self.reason = reason
            self._connection = self._pool.dial_probe(self, endpoint)

    def compare(self, stale: UpstreamConnection) -> None:
        """Close ``stale``, which receives no new jobs, if the probe that runs gets a job for another block."""
        if self.is_running:
            self._stale = stale

    def cancel(self) -> None:
        """Neither run nor wait any more."""
        if self.state is not ProbeState.IDLE:
            self._move(ProbeState.IDLE)
            self._stale = None
            self._drop()

    # --- ConnectionUser -------------------------------------------------------------------------------------------

    def may_wait(self, connection: UpstreamConnection) -> bool:
        """Never."""
        return False

    def connection_job_noted(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """There is no more to it."""

    def connection_job(self, connection: UpstreamConnection, job: PoolJob) -> None:
        """The pool works."""
        if connection is not self._connection:
            return
        stale = self._end()
        if stale is not None and stale.job is not None and stale.job.template.prevhash != job.template.prevhash:
            stale.close("no new jobs here, although the pool has some", wanted=False)
        self._pool.probe_answered(connection, self.reason)

    def connection_difficulty(self, connection: UpstreamConnection, difficulty: float) -> None:
        """Nobody works through a probe."""

    def connection_lost(self, connection: UpstreamConnection, reason: str) -> None:
        """The probe failed (a refused login is no fault of the connection: the pool is reachable)."""
        self._pool.forget(connection)
        if connection is not self._connection:
            return
        self._end()
        if connection.refused:
            self._pool.probe_refused(connection, self.reason)
        else:
            self._pool.probe_failed(connection, self.reason, reason)

    def connection_version_mask(self, connection: UpstreamConnection, version_mask: int) -> None:
        """Let the pool know, for the miners to come."""
        self._pool.connection_version_mask(connection, version_mask)

    def connection_stale(self, connection: UpstreamConnection) -> None:
        """A probe ends with its first job."""

    def connection_redirected(self, connection: UpstreamConnection, endpoint: Endpoint) -> None:
        """Follow once."""
        if connection is self._connection and self.state is ProbeState.CONNECTING:
            self._move(ProbeState.REDIRECTED)
            self._drop()
            self._connection = self._pool.dial_probe(self, endpoint)

    # --- Its own --------------------------------------------------------------------------------------------------

    def _due(self) -> None:
        self._move(ProbeState.IDLE)
        self._pool.probe_due()

    def _end(self) -> UpstreamConnection | None:
        """The connection has said what there is to know; returns the one to compare it with."""
        self._move(ProbeState.IDLE)
        self._connection = None
        stale, self._stale = self._stale, None
        return stale

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close("not wanted")

    def _move(self, state: ProbeState) -> None:
        if state not in _MOVES[self.state]:
            raise LocalProtocolError(f"probe {self.state} -> {state}")
        self.state = state
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
