"""Time in which the loop was free to hear what peers say: for deadlines that others have to keep.

While a call holds the loop, or a flood of them does, what a pool has answered waits in its socket. Counted by the
clock, that time would look like the pool's silence, and a pool that is well would be given up. So a beat on the loop
counts no more than ``MOST_S`` between two of its beats, however long it was: each beat is a turn of the loop in which
all sockets were read.
"""

from collections.abc import Callable

from proxy.net.timer_wheel import COARSE_FROM_S, TimerWheel
from proxy.ports import Clock, Timer

BEAT_S = 0.25
MOST_S = 0.5
"""So much of the time between two beats counts at most. A loop that is late by less is as free as ever."""


class FreeTimeClock:
    """``Clock`` that follows another one, and stands still while the loop is held.

    ``on_error`` is given what the call of a coarse timer raised.
    """

    __slots__ = ("_beat_at", "_clock", "_clock_now", "_free", "_wheel")

    def __init__(self, clock: Clock, on_error: Callable[[Exception], None]) -> None:
        self._clock = clock
        self._wheel = TimerWheel(_Deadlines(self, clock), on_error)
        self._clock_now = clock.now
        self._free = self._beat_at = clock.now()
        self._arm()

    @property
    def deadlines(self) -> "FreeTimeClock":
        """Itself."""
        return self

    def now(self) -> float:
        """Free seconds; what the other clock says, less all the time that did not count."""
        passed = self._clock_now() - self._beat_at
        return self._free + (passed if passed < MOST_S else MOST_S)

    def wall(self) -> float:
        """Unix seconds."""
        return self._clock.wall()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` once so much free time has passed.

        What is due in ``COARSE_FROM_S`` or later may be called half a second after its time.
        """
        if when - self.now() >= COARSE_FROM_S:
            return self._wheel.call_at(when, callback)
        return _Deadline(self, self._clock, when, callback)

    def _arm(self) -> None:
        self._clock.call_at(self._beat_at + BEAT_S, self._beat)

    def _beat(self) -> None:
        self._free, self._beat_at = self.now(), self._clock.now()
        self._arm()


class _Deadlines:
    """The exact timers of free time."""

    __slots__ = ("_clock", "_free", "now")

    def __init__(self, free: FreeTimeClock, clock: Clock) -> None:
        self._free = free
        self._clock = clock
        self.now = free.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` once so much free time has passed."""
        return _Deadline(self._free, self._clock, when, callback)


class _Deadline:
    """A call that waits for free time."""

    __slots__ = ("_callback", "_clock", "_free", "_timer", "_when")

    def __init__(self, free: FreeTimeClock, clock: Clock, when: float, callback: Callable[[], None]) -> None:
        self._free = free
        self._clock = clock
        self._when = when
        self._callback = callback
        self._timer = self._arm()

    def cancel(self) -> None:
        """Forget the call."""
        self._timer.cancel()

    def _arm(self) -> Timer:
        return self._clock.call_at(self._clock.now() + self._when - self._free.now(), self._due)

    def _due(self) -> None:
        if self._free.now() < self._when - 1e-6:
            self._timer = self._arm()
        else:
            self._callback()
