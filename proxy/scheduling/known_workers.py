"""What is known of workers by their names: of those without a connection, and which names have proven themselves."""

from collections import Counter, OrderedDict
from collections.abc import Generator, Sequence

from proxy.scheduling import state
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import SessionId, WorkerName


class KnownWorkers:
    """The scheduler's; as many as it is told to keep, the most recent ones."""

    def __init__(self) -> None:
        self.away: OrderedDict[WorkerName, FleetMiner] = OrderedDict()
        """Workers without a connection; the most recent last. Also those of whose name a connection has proven nothing
        yet."""
        self._proven: Counter[WorkerName] = Counter()
        """Names of connections that have had an accepted share, and of how many."""

    def joined(self, miner: FleetMiner) -> None:
        """A connection of that name begins; what is known of its rate waits until it has proven itself."""
        known = self.away.get(miner.worker)
        if known is not None:
            miner.inherit(known)

    def proved(self, miner: FleetMiner) -> None:
        """Its first share was accepted: it goes on with what is known of its name."""
        miner.prove(self.away.pop(miner.worker, None))
        self._proven[miner.worker] += 1

    def left(self, miner: FleetMiner) -> None:
        """A connection has ended: keep what is known of its worker."""
        if miner.is_proven:
            self._proven[miner.worker] -= 1
            if not self._proven[miner.worker]:
                del self._proven[miner.worker]
        known = self.away.get(miner.worker)
        if known is not None and not miner.estimate.rate:
            known.surplus = miner.surplus  # it proved nothing: what is known stays
        else:
            self.away[miner.worker] = miner
            self.away.move_to_end(miner.worker)

    def trim(self, most: int) -> None:
        """Forget all but the ``most`` recent ones."""
        while len(self.away) > most:
            self.away.popitem(last=False)

    def is_known(self, worker: WorkerName) -> bool:
        """Whether a worker of that name has had an accepted share, as far as names are remembered."""
        known = self.away.get(worker)
        return worker in self._proven or (known is not None and known.estimate.rate > 0)

    def rate(self, miner: FleetMiner) -> float:
        """A miner's hashes a second; before its first accepted share those that its name is known for."""
        known = self.away.get(miner.worker) if not miner.estimate.shares else None
        return known.estimate.rate if known is not None else miner.estimate.rate

    # --- Over a restart -------------------------------------------------------------------------------------------

    def dump_in_parts(
        self, connected: Sequence[FleetMiner], most: int, part: int
    ) -> Generator[None, None, dict[str, list[object]]]:
        """Return what is known of ``most`` workers, those without a connection first; ``part`` of them at a time."""
        workers, away = [*self.away.values(), *connected], len(self.away)
        kept: dict[str, list[object]] = {}
        for place in range(max(0, len(workers) - most), len(workers)):
            miner = workers[place]
            estimate = miner.estimate
            if place >= away and not estimate.shares and (known := self.away.get(miner.worker)) is not None:
                estimate = known.estimate  # it has proven nothing yet
            kept[miner.worker] = state.dump_worker(estimate, miner.surplus)
            if place % part == 0:
                yield
        return kept

    def restore(self, dumped: object, *, now: float, most: int, tuning: SchedulerTuning) -> None:
        """Take over what ``dump`` returned, as far as it makes sense."""
        for name, (estimate, surplus) in state.load_workers(dumped, most, tuning).items():
            miner = FleetMiner(SessionId(-1), name, estimate, now, tuning)
            miner.surplus = surplus
            self.away[name] = miner
