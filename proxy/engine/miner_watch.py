"""Closes the connection of a miner that does not log in, or never finds a share, and keeps that of the others alive."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from proxy.engine.idle_miners import overdue_s
from proxy.engine.session_part import SessionPart
from proxy.engine.work_sender import KEEP_ALIVE_S
from proxy.ports import Clock, Timer

if TYPE_CHECKING:
    from proxy.engine.session import Session


class MinerWatch(SessionPart):
    """One session's; a single timer, first for the handshake's end."""

    __slots__ = ("_clock", "_has_called", "_most_difficulty", "_no_share_since", "_timer")

    def __init__(self, session: "Session", clock: Clock) -> None:
        super().__init__(session)
        self._clock = clock
        self._timer: Timer | None = None
        self._has_called = False
        self._no_share_since: float | None = None
        self._most_difficulty = 0.0
        """The highest one that it was seen at before its first share."""

    def expect_handshake(self, call_s: float, handshake_s: float) -> None:
        """Close the connection unless the miner has made a call after ``call_s``, and subscribed and authorised after
        ``handshake_s``. Some firmware configures or authorises before it subscribes."""
        self._call_within(call_s, partial(self._end_silence, call_s, handshake_s))

    def called(self) -> None:
        """The miner has made a call."""
        self._has_called = True

    def logged_in(self) -> None:
        """The handshake is done: keep the miner from now on."""
        self.stop()
        self._timer = self._clock.call_at(self._clock.now() + KEEP_ALIVE_S, self._keep)

    def stop(self) -> None:
        """Watch it no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call_within(self, seconds: float, call: Callable[[], None]) -> None:
        deadlines = self._clock.deadlines
        self._timer = deadlines.call_at(deadlines.now() + seconds, call)

    def _end_silence(self, call_s: float, handshake_s: float) -> None:
        close = self._session.downstream.close
        if not self._has_called:
            close(f"nothing to subscribe with within {call_s:g} s")
            return
        late = f"not subscribed and authorised within {handshake_s:g} s"
        self._call_within(max(0.0, handshake_s - call_s), lambda: close(late))

    def _keep(self) -> None:
        self._timer = self._clock.call_at(self._session.sender.keep_alive(), self._keep)
        if not self._session.submits.any_share:
            self._let_go_if_overdue()

    def _let_go_if_overdue(self) -> None:
        """Close a connection that holds its place without ever having found a share, where the difficulty is no
        reason for it."""
        session, now = self._session, self._clock.now()
        if session.current is None or self._no_share_since is None:
            self._no_share_since = now  # what it waited without work does not count
        self._most_difficulty = max(self._most_difficulty, session.sender.assigned_difficulty or 0.0)
        worked_s = now - self._no_share_since
        if worked_s >= overdue_s(self._most_difficulty, session.profile):
            session.downstream.close(f"no share in {worked_s / 60.0:.0f} minutes")
