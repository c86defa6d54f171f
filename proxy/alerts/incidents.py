"""One thing that can be wrong, from its first occurrence to the all-clear.

    fine --wrong--> waiting --delay_s--> reported --right--> fine, reported
    any --wrong ``flaps`` times in ``flap_window_s``--> flapping, reported once
    flapping --``calm_s`` without a change--> its state is reported

What is wrong for less than the delay is not reported, unless it happens again and again.
"""

from collections import deque
from enum import Enum

from proxy.alerts.rules import AlertConfig


class Phase(Enum):
    """What to report."""

    RAISED = "raised"
    CLEARED = "cleared"
    FLAPPING = "flapping"
    STABLE = "stable"
    """It flapped, and has been fine since."""


class Incident:
    """The state of one kind for one subject. Times are monotonic seconds."""

    __slots__ = ("_falls", "_flapping", "_reported", "lasted_s", "since", "text", "wrong")

    def __init__(self) -> None:
        self.wrong = False
        self.since = 0.0
        """When ``wrong`` changed last."""
        self.lasted_s = 0.0
        """How long it was wrong, the last time that it ended."""
        self.text = ""
        """What was wrong, the last time that it was."""
        self._reported = False
        self._flapping = False
        self._falls: deque[float] = deque(maxlen=100)

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten: fine, reported so, and not flapping."""
        return not (self.wrong or self._reported or self._falls)

    @property
    def falls(self) -> int:
        """How often it went wrong within the window."""
        return len(self._falls)

    def observe(self, now: float, text: str | None) -> None:
        """Take the state: ``text`` says what is wrong; None: all is well."""
        wrong = text is not None
        self.text = text if text is not None else self.text
        if wrong == self.wrong:
            return
        if wrong:
            self._falls.append(now)
        else:
            self.lasted_s = now - self.since
        self.wrong, self.since = wrong, now

    def due(self, now: float, delay_s: float, config: AlertConfig) -> Phase | None:
        """What to report now; each change once."""
        while self._falls and now - self._falls[0] > config.flap_window_s:
            self._falls.popleft()
        if self._flapping:
            return self._end_flapping(now, config)
        if len(self._falls) >= config.flaps:
            self._flapping = self._reported = True
            return Phase.FLAPPING
        if self.wrong and not self._reported and now - self.since >= delay_s:
            self._reported = True
            return Phase.RAISED
        if self._reported and not self.wrong:
            self._reported = False
            return Phase.CLEARED
        return None

    def _end_flapping(self, now: float, config: AlertConfig) -> Phase | None:
        if now - self.since < config.calm_s:
            return None
        self._flapping, self._reported = False, self.wrong
        self._falls.clear()
        return Phase.RAISED if self.wrong else Phase.STABLE
