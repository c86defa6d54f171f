"""How many requests somebody may make: a burst, and then some a second."""

from collections import OrderedDict


class Budgets:
    """A budget for each key; bounded, because one that is full again need not be remembered."""

    def __init__(self, *, burst: float, per_s: float, most: int = 4096) -> None:
        self._burst, self._per_s, self._most = burst, per_s, most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Key -> (what was left, when); the one that was asked for last is last."""

    def take(self, key: str, now: float) -> float:
        """Take one request from the budget of ``key``: 0, or the seconds until there is one."""
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - at) * self._per_s)
        granted = left >= 1.0
        self._left[key] = (left - 1.0 if granted else left, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return 0.0 if granted else (1.0 - left) / self._per_s
