"""Names what holds the event loop: for whoever looks for the cause of lag (``DPMP_WATCH_LOOP=yes``).

The loop beats; a thread sees that a beat is overdue, and where the loop is just then. Nothing of it is there while
the switch is off, and the calls of the loop themselves are not touched. Where no single call is to blame that is said:
on a busy machine the process is not given a processor, and in a flood a turn is many short calls.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

HELD_S = 0.05
"""A loop that does not beat for longer is held."""
MOST_FRAMES = 6
NO_CALL = "no call: many short ones, or no processor"
_PROJECT = ("/proxy/", "/dashboard/", "/dpmp_site/")


class LoopWatch:
    """Gives ``report`` seconds and place of each time that the running loop was held; in the loop's thread."""

    def __init__(self, report: Callable[[float, str], None], held_s: float = HELD_S) -> None:
        self._report = report
        self._held_s = held_s
        self._loop = asyncio.get_running_loop()
        self._loops_thread = threading.get_ident()
        self._beat_at = time.monotonic()
        self._worked_s = time.thread_time()
        """The processor time of the loop's thread at the last beat."""
        self._seen: list[tuple[FrameType | None, str]] = []
        """The call of the loop, and the place in it, at each look since a beat was overdue; None: in no call."""
        self._loops_own: frozenset[CodeType] = frozenset()
        """What is there between two calls."""
        self._timer: asyncio.Handle | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch until ``stop``."""
        self._timer = self._loop.call_soon(self._begin)

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        below, frame = set[CodeType](), sys._getframe().f_back
        while frame is not None:
            below.add(frame.f_code)
            frame = frame.f_back
        self._loops_own = frozenset(below)
        self._beat_at, self._worked_s = time.monotonic(), time.thread_time()
        self._beat()
        threading.Thread(target=self._watch, name="loop watch", daemon=True).start()

    def _beat(self) -> None:
        now, worked_s = time.monotonic(), time.thread_time()
        held, worked, seen = now - self._beat_at, worked_s - self._worked_s, self._seen
        self._beat_at, self._worked_s, self._seen = now, worked_s, []
        self._timer = self._loop.call_later(self._held_s / 4, self._beat)
        if seen and held > self._held_s:
            self._report(held, explained(seen, held, worked))

    def _watch(self) -> None:
        while not self._ended.wait(self._held_s / 4):
            if time.monotonic() - self._beat_at > self._held_s:
                frame = sys._current_frames().get(self._loops_thread)
                if frame is not None:
                    self._seen.append((self._call_of(frame), place_of(frame)))

    def _call_of(self, frame: FrameType) -> FrameType | None:
        """The outermost frame of the call that the loop is in; None: it is in none."""
        call: FrameType | None = None
        at: FrameType | None = frame
        while at is not None and at.f_code not in self._loops_own:
            call, at = at, at.f_back
        return call


def explained(seen: list[tuple[FrameType | None, str]], held_s: float, worked_s: float) -> str:
    """What held the loop for ``held_s``, of which its thread had a processor for ``worked_s``."""
    calls = [each for each in seen if each[0] is not None]
    text = calls[0][1] if calls else NO_CALL
    if any(call is not calls[0][0] for call, _ in calls):
        text = f"many calls, one of them {text}"
    if worked_s < held_s / 2:
        text += f" (waited, or had no processor, for {held_s - worked_s:.3f} s of it)"
    return text


def place_of(frame: FrameType) -> str:
    """The innermost call, and the calls of ours that led there, innermost first."""
    places, at = [_place(frame)], frame.f_back
    while at is not None and len(places) < MOST_FRAMES:
        if any(part in at.f_code.co_filename for part in _PROJECT):
            places.append(_place(at))
        at = at.f_back
    return " < ".join(places)


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(code.co_filename.rsplit('/', 2)[-2:])}:{frame.f_lineno} {code.co_qualname}"
