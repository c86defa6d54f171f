"""Calls that are spread over time, so that a thousand miners do not move or reconnect at once."""

from collections import deque
from collections.abc import Callable, Iterable

from proxy.ports import Clock, Timer


class Pacer:
    """Runs the calls it is given one after the other, each followed by the pause of its own rate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[tuple[Callable[[], None], float]] = deque()
        self._timer: Timer | None = None

    def add(self, calls: Iterable[Callable[[], None]], *, per_s: float) -> None:
        """Run ``calls`` after those that wait already, at most ``per_s`` of them a second."""
        self._calls.extend((call, 1.0 / per_s) for call in calls)
        if self._timer is None:
            self._run_next()

    def _run_next(self) -> None:
        self._timer = None
        if self._calls:
            call, pause_s = self._calls.popleft()
            self._timer = self._clock.call_at(self._clock.now() + pause_s, self._run_next)
            call()
