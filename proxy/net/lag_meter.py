"""Measures how late the event loop runs timers."""

from collections.abc import Callable

from proxy.ports import Clock, Timer

INTERVAL_S = 0.25


class LagMeter:
    """Schedules a call every ``INTERVAL_S`` and gives ``observe`` how late it comes, in seconds."""

    def __init__(self, clock: Clock, observe: Callable[[float], None]) -> None:
        self._clock = clock
        self._observe = observe
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Measure until ``stop``."""
        if self._timer is None:
            self._schedule()

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self._due = self._clock.now() + INTERVAL_S
        self._timer = self._clock.call_at(self._due, self._called)

    def _called(self) -> None:
        self._observe(max(0.0, self._clock.now() - self._due))
        self._schedule()
