"""What has to be sent to the broker: what changed, each topic at most once in an interval, and what was removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

MOST_AT_ONCE = 100
"""Messages of one round; the others follow in the next ones."""
MOST_LEFT_BEHIND = 5000
EMPTY = b""
"""Removes a retained message."""
FIGURES_INTERVALS, FIGURES_S = 6, 30.0
"""Where nothing but figures changed, so many intervals pass, up to this time. Each message costs a millisecond of the
processor, and rates of five minutes say no more where they come six times as often."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What a topic is to hold."""

    payload: bytes
    state: object = None
    """What of it is sent as soon as it changes; None: all of it. The rest are figures, which never stand still."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the broker has of us; ``message`` is None where an earlier run sent it."""

    message: Retained | None
    at: float


class Outgoing:
    """Remembers what the broker holds. Times are monotonic seconds."""

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s
        self._figures_s = max(interval_s, min(FIGURES_INTERVALS * interval_s, FIGURES_S))
        self._held: dict[str, _Held] = {}

    def found(self, topic: str) -> None:
        """The broker holds something there that an earlier run sent."""
        if len(self._held) < MOST_LEFT_BEHIND:
            self._held.setdefault(topic, _Held(None, -inf))

    def due(self, wanted: Mapping[str, Retained], now: float) -> list[tuple[str, Retained | None]]:
        """What to send now, removals (None) first; call ``sent`` for each that was."""
        gone: list[tuple[str, Retained | None]] = [(topic, None) for topic in self._held if topic not in wanted]
        changed = [(topic, message) for topic, message in wanted.items() if self._is_due(topic, message, now)]
        return (gone + changed)[:MOST_AT_ONCE]

    def _is_due(self, topic: str, message: Retained, now: float) -> bool:
        held = self._held.get(topic)
        if held is None or held.message is None:
            return True
        if held.message.payload == message.payload:
            return False
        only_figures = message.state is not None and held.message.state == message.state
        return now - held.at >= (self._figures_s if only_figures else self._interval_s)

    def sent(self, topic: str, message: Retained | None, now: float) -> None:
        """The broker has it."""
        if message is None:
            self._held.pop(topic, None)
        else:
            self._held[topic] = _Held(message, now)
