"""Names what holds the event loop: for whoever looks for the cause of lag (``DPMP_WATCH_LOOP=yes``).

The loop beats; a thread sees that a beat is overdue, and where the loop is just then. Nothing of it is there while
the switch is off, and the calls of the loop themselves are not touched.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

HELD_S = 0.05
"""A loop that does not beat for longer is held."""
MOST_FRAMES = 6
_PROJECT = ("/proxy/", "/dashboard/", "/dpmp_site/")


class LoopWatch:
    """Gives ``report`` seconds and place of each time that the running loop was held; in the loop's thread."""

    def __init__(self, report: Callable[[float, str], None], held_s: float = HELD_S) -> None:
        self._report = report
        self._held_s = held_s
        self._loop = asyncio.get_running_loop()
        self._loops_thread = threading.get_ident()
        self._beat_at = time.monotonic()
        self._where = ""
        self._timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch until ``stop``."""
        self._beat()
        threading.Thread(target=self._watch, name="loop watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        now = time.monotonic()
        held, where = now - self._beat_at, self._where
        self._beat_at, self._where = now, ""
        self._timer = self._loop.call_later(self._held_s / 4, self._beat)
        if where:
            self._report(held, where)

    def _watch(self) -> None:
        while not self._ended.wait(self._held_s / 4):
            if not self._where and time.monotonic() - self._beat_at > self._held_s:
                frame = sys._current_frames().get(self._loops_thread)
                self._where = place_of(frame) if frame is not None else "?"


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
