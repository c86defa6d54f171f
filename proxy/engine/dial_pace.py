"""How fast one pool is dialled for miners that have earned nothing yet.

A dial costs the pool a login, and whoever reaches the miners' port can cause two of them by connecting. So those for
strangers wait for their turn: each address has its own pace, and all of them together a larger one, in which addresses
take turns. Miners that have had an accepted share, and as many connections of a worker known by its name as a worker
has, are dialled at once: neither a fleet that leaves a pool nor one that comes back after a restart waits.

Within an address, whoever is not being connected to any other pool goes first: work on one pool comes before a choice
of two.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import NamedTuple

from proxy.engine.upstream_connection import UpstreamConnection
from proxy.ports import Clock, Timer
from proxy.types import WorkerName

ALL_ADDRESSES = 5.0
"""The pace of all addresses together, in paces of one."""
NAME_BURST = 4.0
NAME_PER_S = 0.2
"""Dials for a known name that do not wait: a firmware that connects twice, and once more."""
MAX_BUCKETS = 4_096
"""Addresses and names whose dials are remembered."""
_PURGE_LEAST = 64


class Waiting(NamedTuple):
    """A connection that is dialled when its turn comes."""

    connection: UpstreamConnection
    is_urgent: Callable[[], bool]
    """Whether its miner is not being connected to any other pool."""
    dial: Callable[[], None]


class _Buckets:
    """Dials of late by key, which fall at a rate."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def has_left(self, key: str, now: float, *, per_s: float, burst: float) -> bool:
        """Whether ``key`` may dial once more."""
        spent, at = self._spent.pop(key, (0.0, now))
        spent = max(0.0, spent - (now - at) * per_s)
        self._spent[key] = (spent, now)
        self._forget_empty(now, per_s)
        if len(self._spent) > MAX_BUCKETS:
            self._spent.popitem(last=False)
        return spent + 1.0 <= burst + 1e-6

    def _forget_empty(self, now: float, per_s: float) -> None:
        """Forget the oldest two whose dials have fallen to none: a new one is the same."""
        for _ in range(2):
            oldest, (spent, at) = next(iter(self._spent.items()))
            if at == now or spent > (now - at) * per_s:
                return
            del self._spent[oldest]

    def count(self, key: str) -> None:
        """``key`` dials."""
        spent, at = self._spent[key]
        self._spent[key] = (spent + 1.0, at)


class DialPace:
    """One pool's. ``per_s`` returns the dials a second for one address, as they are set now."""

    __slots__ = ("_addresses", "_all", "_clock", "_count", "_names", "_per_s", "_purge_at", "_queues", "_timer")

    def __init__(self, clock: Clock, per_s: Callable[[], float]) -> None:
        self._clock = clock
        self._per_s = per_s
        self._addresses = _Buckets()
        self._names = _Buckets()
        self._all = _Buckets()
        self._queues: OrderedDict[str, deque[Waiting]] = OrderedDict()
        """By address; the one whose turn is next comes first."""
        self._count = 0
        """Of what was queued and not dialled; those that ended are taken out at the next purge."""
        self._purge_at = _PURGE_LEAST
        self._timer: Timer | None = None

    @property
    def waiting(self) -> int:
        """Connections that wait for their turn; those that ended meanwhile may be among them."""
        return sum(len(queue) for queue in self._queues.values())

    def is_free_for(self, known: WorkerName) -> bool:
        """Count a dial for a known name, if it need not wait."""
        is_free = self._names.has_left(known, self._clock.now(), per_s=NAME_PER_S, burst=NAME_BURST)
        if is_free:
            self._names.count(known)
        return is_free

    def dial_in_turn(self, address: str, waiting: Waiting) -> None:
        """Dial now if ``address`` has its turn, else later; not at all if the connection ends before."""
        now = self._clock.now()
        if not self._queues and self._all_have_turn(now) and self._takes_turn(address, now):
            waiting.dial()
            return
        if self._count >= self._purge_at:
            self._purge()
        self._count += 1
        self._queues.setdefault(address, deque()).append(waiting)
        if self._timer is None:
            self._run()

    def _run(self) -> None:
        self._timer = None
        now = self._clock.now()
        while self._let_each_dial_once(now):
            pass
        if self._queues:
            self._timer = self._clock.call_at(now + 1.0 / self._per_s(), self._run)

    def _takes_turn(self, address: str, now: float) -> bool:
        """Count a dial for ``address``, if it has its turn now; whether all together have one is asked before."""
        one = self._per_s()
        has_turn = self._addresses.has_left(address, now, per_s=one, burst=max(one, 1.0))
        if has_turn:
            self._addresses.count(address)
            self._all.count("")
        return has_turn

    def _all_have_turn(self, now: float) -> bool:
        together = ALL_ADDRESSES * self._per_s()
        return self._all.has_left("", now, per_s=together, burst=max(together, 1.0))

    def _let_each_dial_once(self, now: float) -> bool:
        """Go through the addresses that wait; whether any had a turn."""
        has_dialled = False
        for address in list(self._queues):
            if not self._all_have_turn(now):
                return False
            queue = self._queues[address]
            waiting = _first_of(queue)
            if waiting is None:
                del self._queues[address]
            elif self._takes_turn(address, now):
                self._queues.move_to_end(address)
                queue.remove(waiting)
                self._count -= 1
                waiting.dial()
                has_dialled = True
        return has_dialled

    def _purge(self) -> None:
        """Forget connections that ended while they waited."""
        for address in list(self._queues):
            kept = deque(each for each in self._queues[address] if not each.connection.ended)
            if kept:
                self._queues[address] = kept
            else:
                del self._queues[address]
        self._count = self.waiting
        self._purge_at = max(_PURGE_LEAST, 2 * self._count)


def _first_of(queue: deque[Waiting]) -> Waiting | None:
    """Return the first urgent one, else the first; None where all have ended, and those at the front are dropped."""
    while queue and queue[0].connection.ended:
        queue.popleft()
    if not queue:
        return None
    return next((each for each in queue if not each.connection.ended and each.is_urgent()), queue[0])
