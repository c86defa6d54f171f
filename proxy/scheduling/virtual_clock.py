"""Virtual time: a ``Clock`` that stands still until it is told to move. For simulations and tests."""

import heapq
from collections.abc import Callable

START_WALL = 1_750_000_000.0
"""15 June 2025, 15:06:40 UTC: a Sunday, no daylight saving change near."""


class VirtualTimer:
    """A call on a ``VirtualClock``."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the call."""
        self.callback = None


class VirtualClock:
    """Implements ``proxy.ports.Clock``; time moves only in ``advance``.

    Calls run in the order of their time, equal times in the order they were asked for. Inside a call, ``now()`` is the
    time it was asked for (or the present, if that was past).
    """

    def __init__(self, now: float = 0.0, wall: float = START_WALL) -> None:
        self._now = now
        self._wall_offset = wall - now
        self._queue: list[tuple[float, int, VirtualTimer]] = []
        self._count = 0

    def now(self) -> float:
        """Monotonic seconds."""
        return self._now

    def wall(self) -> float:
        """Unix seconds."""
        return self._now + self._wall_offset

    @property
    def deadlines(self) -> "VirtualClock":
        """Itself: nothing keeps virtual time from hearing anybody."""
        return self

    def set_wall(self, wall: float) -> None:
        """Make the wall clock jump; monotonic time is not touched."""
        self._wall_offset = wall - self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        """Run ``callback`` once at monotonic time ``when``, or within the next ``advance`` if that is past."""
        timer = VirtualTimer(when, callback)
        self._count += 1
        heapq.heappush(self._queue, (when, self._count, timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass and run what falls due, also what is asked for on the way; 0 runs what is due now."""
        self.advance_to(self._now + seconds)

    def advance_to(self, when: float) -> None:
        """Let time pass until monotonic time ``when``."""
        while self._queue and self._queue[0][0] <= when:
            due, _, timer = heapq.heappop(self._queue)
            self._now = max(self._now, due)
            if timer.callback is not None:
                callback, timer.callback = timer.callback, None
                callback()
        self._now = max(self._now, when)

    def next_due(self) -> float | None:
        """Monotonic time of the next call, None if there is none."""
        while self._queue and self._queue[0][2].callback is None:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    @property
    def pending(self) -> int:
        """How many calls are asked for and not cancelled."""
        return sum(timer.callback is not None for _, _, timer in self._queue)
