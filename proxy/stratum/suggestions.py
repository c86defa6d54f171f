"""Which difficulty a pool is told on one connection: the latest one wanted, and seldom."""

from collections.abc import Callable

from proxy.ports import Clock, Timer

SUGGEST_PAUSE_S = 30.0
"""No pool hears suggestions more often on a connection: a miner may send thousands a second, and is one of many."""


class Suggestions:
    """One connection's; made with the first."""

    __slots__ = ("_clock", "_said", "_said_at", "_send", "_timer", "_wanted")

    def __init__(self, clock: Clock, send: Callable[[], None]) -> None:
        """``send`` sends what ``take`` returns; where the connection is not ready, that goes with the handshake."""
        self._clock = clock
        self._send = send
        self._wanted = 0.0
        self._said = 0.0
        """What the pool was told last; 0 for nothing."""
        self._said_at = -SUGGEST_PAUSE_S
        self._timer: Timer | None = None
        """Runs while the next suggestion has to wait."""

    def want(self, difficulty: float) -> None:
        """Suggest an integer from 1 on (ckpool reads no float), sent only when it changes."""
        whole = float(int(difficulty)) if difficulty >= 1 else difficulty
        if whole > 0 and whole != self._wanted:
            self._wanted = whole
            if self._timer is None:
                self._now_or_later()

    def take(self) -> float:
        """What is to be said now."""
        self._said, self._said_at = self._wanted, self._clock.now()
        return int(self._said) if self._said >= 1 else self._said

    def close(self) -> None:
        """Nothing is said any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now_or_later(self) -> None:
        self._timer = None
        if self._wanted == self._said:
            return
        due = self._said_at + SUGGEST_PAUSE_S
        if self._clock.now() < due - 1e-6:
            self._timer = self._clock.call_at(due, self._now_or_later)
        else:
            self._send()
