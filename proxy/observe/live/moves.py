"""Follows where each worker spent its time, how often it was switched, and what its shares were up to an hour ago."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from proxy.history.counters import Tally
from proxy.in_parts import in_parts
from proxy.observe.events import EmergencySwitch, EventStream, MinerDisconnected, PoolSwitched
from proxy.ports import Clock
from proxy.types import DecidedBy, PoolKey, Reason, SessionId, WorkerName

if TYPE_CHECKING:
    from proxy.observe.live.views import WorkerView

MARK_EVERY_S = 1800.0
"""The shares of the last half hour to hour are those since the older of two marks, which are made this often."""
MARKS_A_TURN = 512
"""Made without a break: a millisecond."""

FIRMWARE_FAULTS = frozenset(
    {Reason.DUPLICATE, Reason.BAD_PARAMS, Reason.VERSION, Reason.NTIME, Reason.EXTRANONCE, Reason.LOW_DIFFICULTY}
)
"""Refusals that a miner which works as it should does not meet, whatever the network and the pools do."""


class Stay(NamedTuple):
    """The connections of a worker on one pool."""

    done_s: float = 0.0
    """Of visits that have ended."""
    open: int = 0
    """Connections that are on it now."""
    since_sum: float = 0.0
    """Sum of the monotonic times at which those came."""

    def seconds(self, now: float) -> float:
        """Connection-seconds until ``now`` (monotonic)."""
        return max(0.0, self.done_s + self.open * now - self.since_sum)


class Moves(NamedTuple):
    """What a worker's connections did since the process started."""

    switches: int = 0
    """Moves from one pool to another."""
    stays: Mapping[PoolKey, Stay] = {}

    def seconds(self, now: float) -> dict[PoolKey, float]:
        """Connection-seconds on each pool."""
        return {pool: stay.seconds(now) for pool, stay in self.stays.items()}


class ShareSum(NamedTuple):
    """A worker's shares of all time at one moment, or of a span."""

    good: int = 0
    """As in ``Counts``."""
    rejected: int = 0
    faults: int = 0
    """Part of ``rejected``: those of ``FIRMWARE_FAULTS`` that the proxy itself refused."""

    def since(self, earlier: "ShareSum") -> "ShareSum":
        """What came after ``earlier``; nothing where counting began anew."""
        return ShareSum(*[max(0, now - before) for now, before in zip(self, earlier, strict=True)])


def share_sum(counts: Tally) -> ShareSum:
    """The counters as they are."""
    faults = sum(
        number
        for (reason, by), number in (counts.rejects or {}).items()
        if by is DecidedBy.PROXY and reason in FIRMWARE_FAULTS
    )
    return ShareSum(counts.good, counts.rejected, faults)


def _sums(workers: Sequence["WorkerView"]) -> Generator[None, None, dict[WorkerName, ShareSum]]:
    sums: dict[WorkerName, ShareSum] = {}
    for together in in_parts(workers, MARKS_A_TURN):
        sums.update((worker.name, share_sum(worker.counts)) for worker in together)
        yield
    return sums


class FleetMoves:
    """Constant work per switch, nothing per share; one entry for each worker, the oldest forgotten first."""

    def __init__(self, *, clock: Clock, events: EventStream, most: Callable[[], int]) -> None:
        """``most`` returns how many workers are remembered."""
        self._clock = clock
        self._most = most
        self._visits: dict[SessionId, tuple[WorkerName, PoolKey, float]] = {}
        self._moves: dict[WorkerName, Moves] = {}
        self._shown: Mapping[WorkerName, Moves] = {}
        self._changed = False
        self._older: Mapping[WorkerName, ShareSum] = {}
        self._newer: Mapping[WorkerName, ShareSum] = {}
        self._mark_at = clock.now()
        events.subscribe(PoolSwitched, self._on_switched)
        events.subscribe(EmergencySwitch, self._on_emergency)
        events.subscribe(MinerDisconnected, self._on_gone)

    def moves(self) -> Mapping[WorkerName, Moves]:
        """All workers that were ever put to work; a copy that does not change."""
        if self._changed:
            self._shown, self._changed = dict(self._moves), False
        return self._shown

    @property
    def mark_is_due(self) -> bool:
        """Whether ``marks`` makes a new one with the next call."""
        return self._clock.now() >= self._mark_at

    def marks(
        self, workers: Sequence["WorkerView"], new: Sequence["WorkerView"]
    ) -> Generator[None, None, Mapping[WorkerName, ShareSum]]:
        """Each worker's shares half an hour to an hour ago, or when it was first seen if that is less; with breaks.

        ``new``: those of ``workers`` that were not there the last time.
        """
        now = self._clock.now()
        if now >= self._mark_at:
            self._mark_at = now + MARK_EVERY_S
            newer = yield from _sums(workers)
            self._older, self._newer, new = self._newer, newer, workers
        yield
        first = yield from _sums([worker for worker in new if worker.name not in self._older])
        if first:
            self._older = {**self._older, **first}
        return self._older

    def _on_switched(self, event: PoolSwitched) -> None:
        now = self._clock.now()
        self._end(event.session, now)
        moves = self._moves.pop(event.worker, Moves())
        while len(self._moves) >= max(1, self._most()):
            self._moves.pop(next(iter(self._moves)))
        stay = moves.stays.get(event.new, Stay())
        self._visits[event.session] = (event.worker, event.new, now)
        moved = event.old is not None and event.old != event.new
        self._moves[event.worker] = Moves(
            moves.switches + moved,
            {**moves.stays, event.new: Stay(stay.done_s, stay.open + 1, stay.since_sum + now)},
        )
        self._changed = True

    def _on_emergency(self, event: EmergencySwitch) -> None:
        if event.new is None:  # it works nowhere until the next switch
            self._end(event.session, self._clock.now())

    def _on_gone(self, event: MinerDisconnected) -> None:
        self._end(event.session, self._clock.now())

    def _end(self, session: SessionId, now: float) -> None:
        visit = self._visits.pop(session, None)
        moves = self._moves.get(visit[0]) if visit is not None else None
        if visit is None or moves is None:
            return
        name, pool, since = visit
        stay = moves.stays.get(pool, Stay())
        if not stay.open:
            return  # its worker was forgotten meanwhile, and came again
        ended = Stay(stay.done_s + now - since, stay.open - 1, stay.since_sum - since if stay.open > 1 else 0.0)
        self._moves[name] = Moves(moves.switches, {**moves.stays, pool: ended})
        self._changed = True
