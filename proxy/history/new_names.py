"""How many workers that history has never heard of it writes by their own name."""

from collections import OrderedDict

from proxy.history.tallies import OTHERS
from proxy.types import WorkerName

HOUR_S = 3600.0
PER_HOUR = 0.1
"""Names an hour, as a part of the names that are kept in memory; as many as those at once, so that a new farm fits."""
UNPROVEN = 0.2
"""The part of that for names without an accepted share: anybody can think of names, but a share is work."""
KNOWN = 4
"""Names remembered as written, as a multiple of those in memory."""


class _Budget:
    """Names left, refilled as time passes."""

    __slots__ = ("_at", "_left", "most")

    def __init__(self, most: float) -> None:
        self.most = most
        self._left = most
        self._at: float | None = None

    def take(self, now: float) -> bool:
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(self.most, self._left + passed * self.most * PER_HOUR / HOUR_S)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class NewNames:
    """Bounds the rows of history: 64 names on each connection, and others on the next, would each be one for ever."""

    def __init__(self, most: int) -> None:
        self._known: OrderedDict[WorkerName, None] = OrderedDict()
        self.apply(most)

    def apply(self, most: int) -> None:
        """Use the limit of names of a new configuration; the budget begins anew."""
        self._most = most
        self._proven, self._unproven = _Budget(most), _Budget(most * UNPROVEN)

    def knows(self, name: WorkerName) -> None:
        """History has ``name`` already."""
        self._known[name] = None
        self._known.move_to_end(name)
        if len(self._known) > KNOWN * self._most:
            self._known.popitem(last=False)

    def stored_as(self, name: WorkerName, now: float, *, proven: bool) -> WorkerName:
        """``name``, or ``OTHERS`` where it is one new name too many. ``proven``: it has an accepted share."""
        if name in self._known or name == OTHERS:
            return name
        if not (self._proven if proven else self._unproven).take(now):
            return OTHERS
        self.knows(name)
        return name
