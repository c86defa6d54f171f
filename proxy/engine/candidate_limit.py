"""How many block candidates of a pool are written down, sent again and reported: a pool of a test chain, or one that
lies, can make each share one."""

from proxy.observe.events import BlockCandidatesLeftOut, EventStream
from proxy.ports import Clock
from proxy.types import PoolKey

BURST = 120.0
PER_MINUTE = 12.0
NOTE_S = 60.0
MAX_POOLS = 64


class CandidateLimit:
    """A budget for each pool. What is beyond it goes up as an ordinary share, and is counted."""

    def __init__(self, *, clock: Clock, events: EventStream) -> None:
        self._clock = clock
        self._events = events
        self._spent: dict[PoolKey, tuple[float, float]] = {}
        """Candidates of late, and when they were counted."""
        self._left_out: dict[PoolKey, int] = {}

    def take(self, pool: PoolKey) -> bool:
        """Whether one more candidate of ``pool`` is treated as such."""
        now = self._clock.now()
        spent, at = self._spent.pop(pool, (0.0, now))
        spent = max(0.0, spent - (now - at) * PER_MINUTE / 60.0)
        fits = spent + 1.0 <= BURST
        while len(self._spent) >= MAX_POOLS:
            del self._spent[next(iter(self._spent))]
        self._spent[pool] = (spent + fits, now)
        if not fits:
            if pool not in self._left_out:
                self._clock.call_at(now + NOTE_S, lambda: self._note(pool))
            self._left_out[pool] = self._left_out.get(pool, 0) + 1
        return fits

    def _note(self, pool: PoolKey) -> None:
        self._events.emit(BlockCandidatesLeftOut(pool=pool, count=self._left_out.pop(pool)))
