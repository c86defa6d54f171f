"""Whether a pool is up or down: a state machine over what dials and connections report.

Only fresh dials raise and lower a pool (``rise`` and ``fall`` are HAProxy's): a dial that brings a job, or whose user
is refused, has reached it. Rows are states, columns events, cells the next state; "=" stays, "-" cannot happen.

| state      | answered | rose | refused  | failed | fell | lost       | silent  | all silent | last silent |
|------------|----------|------|----------|--------|------|------------|---------|------------|-------------|
| STARTING   | UP       | -    | UP       | =      | DOWN | -          | -       | -          | -           |
| UP         | =        | -    | =        | =      | DOWN | GOING_DOWN | SUSPECT | SILENT     | DOWN        |
| SUSPECT    | UP       | -    | =        | =      | DOWN | GOING_DOWN | =       | =          | DOWN        |
| SILENT     | UP       | -    | SUSPECT  | -      | DOWN | GOING_DOWN | =       | =          | DOWN        |
| GOING_DOWN | UP       | -    | UP       | -      | DOWN | =          | -       | -          | -           |
| DOWN       | GOING_UP | UP   | GOING_UP | =      | -    | =          | =       | =          | =           |
| GOING_UP   | =        | UP   | =        | DOWN   | -    | =          | =       | =          | DOWN        |

REMOVED can follow each state and ignores everything. HAProxy's DRAIN and MAINT are what the operator wants of a pool,
whatever its state: ``AdminStatus`` in its configuration.
"""

from collections.abc import Callable
from enum import StrEnum

from proxy.config.snapshot import HealthConfig
from proxy.errors import LocalProtocolError
from proxy.ports import Clock
from proxy.types import PoolStatus


class PoolState(StrEnum):
    """Operational state of a pool."""

    STARTING = "starting"
    """Nothing is known yet: miners may try it."""
    UP = "up"
    SUSPECT = "suspect"
    """A connection fell silent while others work: nobody is moved here until a probe has found out more."""
    SILENT = "silent"
    """A connection fell silent and nothing comes on the others: as SUSPECT, and the next failed dial means down."""
    GOING_DOWN = "going_down"
    """No ready connection is left: the next failed dial means down."""
    DOWN = "down"
    GOING_UP = "going_up"
    """Down, but the last dial succeeded."""
    REMOVED = "removed"
    """The operator removed it, or the proxy ends."""


class PoolEvent(StrEnum):
    """What moves a pool from one state to another."""

    ANSWERED = "answered"
    """A fresh dial brought a job."""
    ROSE = "rose"
    """So did ``rise`` dials in a row."""
    REFUSED = "refused"
    """The pool was reached and refuses our user."""
    FAILED = "failed"
    """A fresh dial failed."""
    FELL = "fell"
    """So did ``fall`` dials in a row, or one where that is enough."""
    LOST = "lost"
    """The last ready connection was closed."""
    SILENT = "silent"
    """A connection fell silent, others are left."""
    ALL_SILENT = "all_silent"
    """A connection fell silent, and nothing comes on the others."""
    LAST_SILENT = "last_silent"
    """The last ready connection fell silent."""


_S, _E = PoolState, PoolEvent

MOVES: dict[PoolState, dict[PoolEvent, PoolState]] = {
    _S.STARTING: {_E.ANSWERED: _S.UP, _E.REFUSED: _S.UP, _E.FAILED: _S.STARTING, _E.FELL: _S.DOWN},
    _S.UP: {
        _E.ANSWERED: _S.UP,
        _E.REFUSED: _S.UP,
        _E.FAILED: _S.UP,
        _E.FELL: _S.DOWN,
        _E.LOST: _S.GOING_DOWN,
        _E.SILENT: _S.SUSPECT,
        _E.ALL_SILENT: _S.SILENT,
        _E.LAST_SILENT: _S.DOWN,
    },
    _S.SUSPECT: {
        _E.ANSWERED: _S.UP,
        _E.REFUSED: _S.SUSPECT,
        _E.FAILED: _S.SUSPECT,
        _E.FELL: _S.DOWN,
        _E.LOST: _S.GOING_DOWN,
        _E.SILENT: _S.SUSPECT,
        _E.ALL_SILENT: _S.SUSPECT,
        _E.LAST_SILENT: _S.DOWN,
    },
    _S.SILENT: {
        _E.ANSWERED: _S.UP,
        _E.REFUSED: _S.SUSPECT,
        _E.FELL: _S.DOWN,
        _E.LOST: _S.GOING_DOWN,
        _E.SILENT: _S.SILENT,
        _E.ALL_SILENT: _S.SILENT,
        _E.LAST_SILENT: _S.DOWN,
    },
    _S.GOING_DOWN: {_E.ANSWERED: _S.UP, _E.REFUSED: _S.UP, _E.FELL: _S.DOWN, _E.LOST: _S.GOING_DOWN},
    _S.DOWN: {
        _E.ANSWERED: _S.GOING_UP,
        _E.ROSE: _S.UP,
        _E.REFUSED: _S.GOING_UP,
        _E.FAILED: _S.DOWN,
        _E.LOST: _S.DOWN,
        _E.SILENT: _S.DOWN,
        _E.ALL_SILENT: _S.DOWN,
        _E.LAST_SILENT: _S.DOWN,
    },
    _S.GOING_UP: {
        _E.ANSWERED: _S.GOING_UP,
        _E.ROSE: _S.UP,
        _E.REFUSED: _S.GOING_UP,
        _E.FAILED: _S.DOWN,
        _E.LOST: _S.GOING_UP,
        _E.SILENT: _S.GOING_UP,
        _E.ALL_SILENT: _S.GOING_UP,
        _E.LAST_SILENT: _S.DOWN,
    },
    _S.REMOVED: dict.fromkeys(_E, _S.REMOVED),
}
"""A removed pool ignores everything: its connections may still be on their way to their end."""

_STATUS = {
    _S.STARTING: PoolStatus.STARTING,
    _S.UP: PoolStatus.UP,
    _S.SUSPECT: PoolStatus.UP,
    _S.SILENT: PoolStatus.UP,
    _S.GOING_DOWN: PoolStatus.UP,
    _S.DOWN: PoolStatus.DOWN,
    _S.GOING_UP: PoolStatus.DOWN,
}
"""What pages and metrics show; a removed pool keeps the status that it had."""


SUSPECTED = frozenset({PoolState.SUSPECT, PoolState.SILENT})


class PoolHealth:
    """Counts what dials report. ``on_move(state, status and seconds in that status before)``
    follows each change of state."""

    __slots__ = ("_clock", "_config", "_failures", "_on_move", "_successes", "reason", "since", "state", "status")

    def __init__(
        self, config: HealthConfig, clock: Clock, on_move: Callable[[PoolState, PoolStatus, float], None]
    ) -> None:
        self.state = PoolState.STARTING
        self.status = PoolStatus.STARTING
        self.reason = ""
        """Why it is down."""
        self.since = clock.now()
        """Monotonic seconds of the last change of ``status``."""
        self._config = config
        self._clock = clock
        self._on_move = on_move
        self._failures = 0
        self._successes = 0

    def configure(self, config: HealthConfig) -> None:
        """Use other limits from now on."""
        self._config = config

    @property
    def is_down(self) -> bool:
        """Whether miners can expect no work."""
        return self.state in (PoolState.DOWN, PoolState.GOING_UP, PoolState.REMOVED)

    @property
    def is_suspected(self) -> bool:
        """Whether nobody is to be moved to it until a probe has found out more."""
        return self.state in SUSPECTED

    @property
    def is_failing(self) -> bool:
        """Whether the last dials of a pool that is not down failed."""
        return self.status is not PoolStatus.DOWN and self._failures > 0

    def answered(self) -> None:
        """A fresh dial ended with a job."""
        self._succeeded(PoolEvent.ANSWERED)

    def refused(self) -> None:
        """A fresh dial reached the pool, which refuses our user."""
        self._succeeded(PoolEvent.REFUSED)

    def failed(self, reason: str) -> None:
        """A fresh dial failed."""
        self._successes = 0
        self._failures += 1
        if self.status is PoolStatus.DOWN:
            self.reason = reason
            self._handle(PoolEvent.FAILED)
            return
        limit = 1 if self.state in (PoolState.SILENT, PoolState.GOING_DOWN) else self._config.fall
        self._handle(PoolEvent.FELL if self._failures >= limit else PoolEvent.FAILED, reason)

    def lost(self) -> None:
        """The last ready connection was closed."""
        self._handle(PoolEvent.LOST)

    def last_fell_silent(self, reason: str) -> None:
        """The last ready connection was given up for its silence."""
        self._successes = 0
        self._handle(PoolEvent.LAST_SILENT, reason)

    def fell_silent(self, *, all_silent: bool) -> None:
        """A connection was given up for its silence, others are left; ``all_silent``: nothing comes on them either."""
        self._handle(PoolEvent.ALL_SILENT if all_silent else PoolEvent.SILENT)

    def remove(self) -> None:
        """The pool is not used any more."""
        self.state = PoolState.REMOVED

    def _succeeded(self, event: PoolEvent) -> None:
        self._failures = 0
        self._successes += 1
        has_risen = self.status is PoolStatus.DOWN and self._successes >= self._config.rise
        self._handle(PoolEvent.ROSE if has_risen else event)

    def _handle(self, event: PoolEvent, reason: str = "") -> None:
        before, was = self.state, self.status
        state = MOVES[before].get(event)
        if state is None:
            raise LocalProtocolError(f"pool health: {event} while {before}")
        if state is before:
            return
        self.state, self.status = state, _STATUS[state]
        now = self._clock.now()
        spent_s = now - self.since
        if self.status is not was:
            self.reason, self.since = reason, now
            self._failures = self._successes = 0
        self._on_move(before, was, spent_s)
