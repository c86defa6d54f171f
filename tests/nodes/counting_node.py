"""One of several nodes for tests: the parts that count, on one database with those of others."""

from proxy.config.snapshot import ConfigSnapshot, Endpoint, PoolConfig
from proxy.history.service import HistoryService
from proxy.history.shared_totals import EVERY_S
from proxy.observe.events import BestShare, EventStream
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain
from tests.nodes.cast import GivenLease
from tests.support.shares import ANN, A, B, Heard, share

CONFIG = ConfigSnapshot(
    pools={
        key: PoolConfig(key=key, chain=Chain.BTC, wallet="w", endpoints=(Endpoint(host="pool", port=1),))
        for key in (A, B)
    }
)


class Node:
    """What one node counts, on a virtual clock."""

    def __init__(self, folder, lease=None, clock=None):
        folder.mkdir(exist_ok=True)
        self.has_ended = False
        self.clock, self.events = clock or VirtualClock(), EventStream()
        self.best = Heard(self.events, BestShare)
        self.history = HistoryService(
            clock=self.clock,
            events=self.events,
            hashes_per_difficulty=1.0,
            data_dir=folder,
            blocks=folder / "blocks.jsonl",
            lease=lease or GivenLease(),
        )
        self.history.apply(CONFIG)

    async def start(self):
        await self.history.restore()
        return self

    def mine(self, accepted, worker=ANN, pool=A, difficulty=1.0):
        for _ in range(accepted):
            self.events.emit(share(worker, pool, difficulty))

    async def write(self):
        """Write, and learn what the others have written."""
        self.clock.advance(EVERY_S)
        assert await self.history.writer.flush()

    async def end(self):
        if not self.has_ended:
            self.has_ended = True
            await self.history.close()

    def of_worker(self, worker=ANN):
        return self.history.accounting.worker(worker).total.accepted

    def of_pool(self, pool=A):
        return self.history.accounting.pool(pool).total.accepted
