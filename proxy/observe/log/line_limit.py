"""How many lines one peer may cause, and how many were left out."""

from collections import OrderedDict
from dataclasses import dataclass

from proxy.observe.events import REGISTRY, Event, LinesLeftOut

LIMITED = frozenset(kind for kind in REGISTRY.values() if kind.limited)
"""What a miner, a pool or a visitor can cause as often as it likes. Neither what blocks and alarms need, nor what the
operator asked for (``DEBUG``, raw traffic), nor what the proxy decides (where miners work) is ever left out."""

BURST, PER_S = 1000.0, 5.0
"""Lines of one event by one peer: at once, and each second after. A farm behind one address that reconnects after a
power cut writes one line of each for each miner."""
ALL_BURST, ALL_PER_S = 10_000.0, 50.0
"""The same for all peers together: addresses are cheap."""
MOST_PEERS = 4096
"""Pairs of event and peer that are remembered; the one not heard of for longest is forgotten."""


REFILL_S = 0.1
"""A budget is looked after so often at most: it gains half a line meanwhile, and a storm brings thousands."""
FORGOTTEN_AT_ONCE = 2
"""More than one for each that comes, so that the number falls again after a storm."""


class _Budget:
    """Lines left, refilled as time passes."""

    __slots__ = ("at", "left_out", "lines")

    def __init__(self, lines: float, now: float) -> None:
        self.lines = lines
        self.at = now
        self.left_out = 0
        """Since the last report."""

    def refill(self, now: float, burst: float, per_s: float) -> None:
        passed, self.at = now - self.at, now
        self.lines = min(burst, self.lines + max(0.0, passed) * per_s)  # the wall clock may be set back

    def is_full(self, now: float) -> bool:
        """Whether it holds all lines that a peer may have, and nothing is to be told of it."""
        return not self.left_out and self.lines + (now - self.at) * PER_S >= BURST


@dataclass(slots=True)
class _Sum:
    """What was left out of one event."""

    lines: int = 0
    peers: int = 0
    most: int = 0
    most_peer: str = ""

    def add(self, peer: str, lines: int) -> None:
        self.lines += lines
        self.peers += 1
        if lines > self.most:
            self.most, self.most_peer = lines, peer


class LineLimit:
    """Decides for each event whether its line is written. ``now`` is in seconds of one clock."""

    def __init__(self) -> None:
        self._all: dict[type[Event], _Budget] = {}
        self._peers: OrderedDict[tuple[type[Event], str], _Budget] = OrderedDict()
        self._forgotten: dict[type[Event], _Sum] = {}

    def admits(self, event: Event, peer: str, now: float) -> bool:
        """Whether the line of ``event`` is written; if not, it is counted. ``peer`` is who caused it."""
        kind = type(event)
        if kind not in LIMITED:
            return True
        mine, all_of_it = self._peers.get((kind, peer)), self._all.get(kind)
        if all_of_it is None:
            all_of_it = self._all[kind] = _Budget(ALL_BURST, now)
        if mine is None or not 0.0 <= now - mine.at < REFILL_S:
            mine = self._budget(kind, peer, now)
            mine.refill(now, BURST, PER_S)
        if not 0.0 <= now - all_of_it.at < REFILL_S:
            all_of_it.refill(now, ALL_BURST, ALL_PER_S)
        if mine.lines >= 1.0 and all_of_it.lines >= 1.0:
            mine.lines -= 1.0
            all_of_it.lines -= 1.0
            return True
        mine.left_out += 1
        return False

    def report(self) -> list[LinesLeftOut]:
        """What was left out since the last report: an entry for each event."""
        sums, self._forgotten = self._forgotten, {}
        for (kind, peer), budget in self._peers.items():
            if budget.left_out:
                sums.setdefault(kind, _Sum()).add(peer, budget.left_out)
                budget.left_out = 0
        return [
            LinesLeftOut(left_out=kind.name, lines=each.lines, peers=each.peers, most_by=each.most_peer, most=each.most)
            for kind, each in sums.items()
        ]

    def _budget(self, kind: type[Event], peer: str, now: float) -> _Budget:
        key = (kind, peer)
        budget = self._peers.get(key)
        if budget is not None:
            self._peers.move_to_end(key)
            return budget
        self._forget_full(now)
        if len(self._peers) >= MOST_PEERS:
            (old_kind, old_peer), old = self._peers.popitem(last=False)
            if old.left_out:
                self._forgotten.setdefault(old_kind, _Sum()).add(old_peer, old.left_out)
        budget = self._peers[key] = _Budget(BURST, now)
        return budget

    def _forget_full(self, now: float) -> None:
        """Forget some of those not heard of for longest that have all their lines again: a new one is the same."""
        for _ in range(FORGOTTEN_AT_ONCE):
            oldest = next(iter(self._peers), None)
            if oldest is None or not self._peers[oldest].is_full(now):
                return
            del self._peers[oldest]
