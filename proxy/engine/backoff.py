"""Exponential backoff with jitter."""

from proxy.ports import Random


class Backoff:
    """Delays that double from ``least_s`` to ``most_s``, each spread over its upper half."""

    __slots__ = ("_least_s", "_most_s", "_random", "_tries")

    def __init__(self, least_s: float, most_s: float, random: Random) -> None:
        self._least_s, self._most_s, self._random = least_s, most_s, random
        self._tries = 0

    def next(self) -> float:
        """The seconds to wait before the next try."""
        delay = min(self._most_s, self._least_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return delay * (0.5 + 0.5 * self._random.random())

    def reset(self) -> None:
        """A try succeeded."""
        self._tries = 0
