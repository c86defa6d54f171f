"""When a pool counts as up or down: consecutive fresh dials, HAProxy's rise and fall, and backoff with jitter.

States and legal moves are the table ``_MOVES``. A pool under suspicion (all its ready connections were lost) is down at
the next failure; otherwise after ``fall`` failures in a row. It is up again after ``rise`` successes in a row.
"""

from typing import Protocol

from proxy.config.snapshot import HealthConfig
from proxy.errors import LocalProtocolError
from proxy.types import PoolStatus

_MOVES: dict[PoolStatus, tuple[PoolStatus, ...]] = {
    PoolStatus.STARTING: (PoolStatus.UP, PoolStatus.DOWN),
    PoolStatus.UP: (PoolStatus.DOWN,),
    PoolStatus.DOWN: (PoolStatus.UP,),
}


class Random(Protocol):
    """The part of ``random.Random`` that the core uses."""

    def random(self) -> float:
        """A number from [0, 1)."""


class Backoff:
    """Delays that double from ``least_s`` to ``most_s``, each spread over its upper half."""

    __slots__ = ("_least_s", "_most_s", "_random", "_tries")

    def __init__(self, least_s: float, most_s: float, random: Random) -> None:
        self._least_s, self._most_s, self._random = least_s, most_s, random
        self._tries = 0

    def next(self) -> float:
        """The seconds to wait before the next try."""
        delay = min(self._most_s, self._least_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return delay * (0.5 + 0.5 * self._random.random())

    def reset(self) -> None:
        """A try succeeded."""
        self._tries = 0


class PoolHealth:
    """Counts what dials tell; ``status`` is the verdict."""

    __slots__ = ("_config", "_failures", "_successes", "_suspect", "reason", "since", "status")

    def __init__(self, config: HealthConfig, now: float) -> None:
        self.status = PoolStatus.STARTING
        self.reason = ""
        self.since = now
        self._config = config
        self._failures = 0
        self._successes = 0
        self._suspect = False

    def configure(self, config: HealthConfig) -> None:
        """Use other limits from now on."""
        self._config = config

    @property
    def rising(self) -> bool:
        """Whether a pool that is down has begun to answer."""
        return self.status is PoolStatus.DOWN and self._successes > 0

    @property
    def falling(self) -> bool:
        """Whether the last dials of a pool that is not down failed."""
        return self.status is not PoolStatus.DOWN and self._failures > 0

    def suspect(self) -> None:
        """All ready connections were lost: the next failure counts as the last."""
        self._suspect = True

    def succeeded(self, now: float) -> bool:
        """A fresh dial ended with a job. Returns whether the status changed."""
        self._failures = 0
        self._suspect = False
        self._successes += 1
        needed = self._config.rise if self.status is PoolStatus.DOWN else 1
        return self._successes >= needed and self._move(PoolStatus.UP, "", now)

    def failed(self, reason: str, now: float) -> bool:
        """A fresh dial failed. Returns whether the status changed."""
        self._successes = 0
        self._failures += 1
        limit = 1 if self._suspect else self._config.fall
        if self.status is PoolStatus.DOWN:
            self.reason = reason
            return False
        return self._failures >= limit and self._move(PoolStatus.DOWN, reason, now)

    def fell_silent(self, reason: str, now: float) -> bool:
        """Everything that was open stalled together. Returns whether the status changed."""
        self._successes = 0
        return self._move(PoolStatus.DOWN, reason, now)

    def _move(self, status: PoolStatus, reason: str, now: float) -> bool:
        if status is self.status:
            return False
        if status not in _MOVES[self.status]:
            raise LocalProtocolError(f"pool health {self.status} -> {status}")
        self.status, self.reason, self.since = status, reason, now
        self._failures = self._successes = 0
        self._suspect = False
        return True
