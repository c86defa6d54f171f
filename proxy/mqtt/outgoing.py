"""What has to be sent to the broker: what changed, each topic at most once in an interval, and what was removed."""

from collections.abc import Mapping
from math import inf

MOST_AT_ONCE = 100
"""Messages of one round; the others follow in the next ones."""
MOST_LEFT_BEHIND = 5000
EMPTY = b""
"""Removes a retained message."""


class Outgoing:
    """Remembers what the broker holds. Times are monotonic seconds."""

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s
        self._held: dict[str, tuple[bytes | None, float]] = {}
        """Topic -> what we sent last (None: an earlier run did) and when."""

    def found(self, topic: str) -> None:
        """The broker holds something there that an earlier run sent."""
        if len(self._held) < MOST_LEFT_BEHIND:
            self._held.setdefault(topic, (None, -inf))

    def due(self, wanted: Mapping[str, bytes], now: float) -> list[tuple[str, bytes]]:
        """What to send now, removals first; call ``sent`` for each that was."""
        gone = [(topic, EMPTY) for topic in self._held if topic not in wanted]
        changed = [
            (topic, payload)
            for topic, payload in wanted.items()
            if (held := self._held.get(topic)) is None or (held[0] != payload and now - held[1] >= self._interval_s)
        ]
        return (gone + changed)[:MOST_AT_ONCE]

    def sent(self, topic: str, payload: bytes, now: float) -> None:
        """The broker has it."""
        if payload == EMPTY:
            self._held.pop(topic, None)
        else:
            self._held[topic] = (payload, now)
