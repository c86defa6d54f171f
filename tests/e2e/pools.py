"""The two test pools of the end-to-end tests, as unlike each other as the proxy must be able to bear."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from proxy.simulator.chain import BCH_DEMO_SCRIPT, BTC_DEMO_SCRIPT, SimChain
from proxy.simulator.dialect import CKPOOL, PLAIN, Dialect
from proxy.simulator.pool import SimPool
from proxy.simulator.pool_session import PoolSession
from proxy.simulator.shares import Refusal
from proxy.simulator.vardiff import Vardiff
from tests.e2e.process import HASHES_PER_DIFFICULTY
from tests.e2e.rows import PoolRow
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

CHAINS = {"A": ("BTC", BTC_DEMO_SCRIPT), "B": ("BCH", BCH_DEMO_SCRIPT)}
EXTRANONCE2 = {"A": 8, "B": 4}
DIALECTS = {"A": CKPOOL, "B": PLAIN}


class TimedPool(SimPool):
    """Notes when its blocks came. Its port stays free while it refuses connections; tests wait for it patiently."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.blocks_at: list[float] = []
        """Unix seconds, ascending."""
        self.followed_at: dict[bytes, float] = {}
        """When the block after this one came; a share for it is stale from then on."""
        self.jobs = 0
        """How often it has sent jobs to those connected."""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        return await super().start(host, port or steady_port())

    async def until(self, fact: Callable[[SimPool], bool], timeout_s: float = PATIENCE_S) -> None:
        await super().until(fact, timeout_s)

    def new_block(self, block_hash: bytes | None = None) -> None:
        self.blocks_at.append(self.clock())
        self.followed_at[self.chain.previous_hash] = self.blocks_at[-1]
        super().new_block(block_hash)

    def refresh(self, clean: bool = False, only: PoolSession | None = None) -> None:
        self.jobs += 1
        super().refresh(clean, only)

    def stale_ages_ms(self) -> list[float]:
        """How long after the block each stale share arrived that was for the job before it."""
        stale = [share.at for share in self.shares if share.refusal is Refusal.STALE]
        return [round((at - self.blocks_at[bisect_right(self.blocks_at, at) - 1]) * 1e3, 1) for at in stale]


VARDIFF = Vardiff(shares_per_minute=40, window_s=10, whole=True)


def make_pool(
    key: str,
    *,
    block_s: float | None = 20.0,
    dialect: Dialect | None = None,
    vardiff: Vardiff | None = VARDIFF,
    network_difficulty: float = 1e9,
    **chain_settings: Any,
) -> TimedPool:
    """Pool A is like ckpool with an extranonce2 of 8, pool B easy-going with 4; both count their jobs 1, 2, 3."""
    chain, script = CHAINS[key]
    return TimedPool(
        chain=SimChain(
            name=chain,
            network_difficulty=network_difficulty,
            hashes_per_difficulty=HASHES_PER_DIFFICULTY,
            outputs=((script, 312_500_000),),
            **chain_settings,
        ),
        name=key,
        dialect=replace(dialect or DIALECTS[key]),
        difficulty=4.0,
        extranonce2_size=EXTRANONCE2[key],
        vardiff=vardiff,
        block_interval_s=(block_s, block_s) if block_s else None,
    )


def row(pool: SimPool, *, ports: Sequence[int] | None = None, **fields: object) -> PoolRow:
    """The row that lets a proxy mine on ``pool``; ``fields`` are other columns."""
    return PoolRow(key=pool.name, chain=pool.chain.name, ports=(pool.port,) if ports is None else ports, fields=fields)


def shares_of(pools: Sequence[SimPool], *, without: str) -> tuple[int, Counter[str]]:
    """(accepted, refused by reason) over all pools, workers whose name contains ``without`` left out."""
    accepted, refused = 0, Counter[str]()
    for pool in pools:
        for worker, tally in pool.book.workers.items():
            if without not in worker:
                accepted += tally.accepted
                refused.update({reason.value: count for reason, count in tally.rejected.items()})
    return accepted, refused
