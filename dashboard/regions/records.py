"""The live parts of Records: luck and odds of each pool's chain, blocks and best shares."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from django.db.models import Max

from dashboard.access import Access
from dashboard.explorers import block_page
from dashboard.live import region
from dashboard.svg import pool_style_key
from proxy.chains import luck
from proxy.models.history import BestShare, Block
from proxy.observe.live.views import LiveSnapshot, PoolView

SHOWN = 50
TOP = 10
"""Best shares that are seen at once; the others are behind a fold."""


@dataclass(frozen=True, slots=True)
class Odds:
    """The odds on a pool's chain at the hash rate that this pool is meant to get."""

    pool: PoolView
    rate: float | None
    """None, as what follows: no rate has been measured yet."""
    per_block_s: float | None
    day: float | None
    year: float | None
    expected_best: float


@region("odds", every_s=3.0)
def odds(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Effort, average time to a block and expected best share, pool by pool."""
    return {"odds": all_odds(snap), "begun": snap.rate_24h.known or bool(snap.counts.good)}


def all_odds(snap: LiveSnapshot) -> list[Odds]:
    """Of each pool whose network's difficulty is known."""
    return [_odds(snap, pool) for pool in snap.pools if pool.network_difficulty]


def _odds(snap: LiveSnapshot, pool: PoolView) -> Odds:
    known, rate = snap.rate_24h.known, snap.rate_24h.value * pool.target
    network, hashes = pool.network_difficulty or 0.0, snap.hashes_per_difficulty
    return Odds(
        pool,
        rate if known else None,
        luck.seconds_per_block(rate, network, hashes),
        luck.block_odds(rate, network, luck.DAY_S, hashes) if known else None,
        luck.block_odds(rate, network, luck.YEAR_S, hashes) if known else None,
        luck.expected_best(pool.counts.credited),
    )


def _rows_shown(snap: LiveSnapshot, argument: str) -> Hashable:
    """Which rows the tables show, and the known outcome of each block."""
    return (
        tuple(Block.objects.values_list("pk", "verdict", "fate", "confirmations")[:SHOWN]),
        BestShare.objects.aggregate(newest=Max("pk"))["newest"],
        pool_style_key(snap),
    )


@region("records", version=_rows_shown, every_s=2.0)
def records(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """Blocks and the best shares of all time."""
    best = list(BestShare.objects.order_by("-true_difficulty")[:SHOWN])
    return {
        "blocks": [
            (block, "" if snap.demo else block_page(block.chain, block.header_hash))
            for block in Block.objects.all()[:SHOWN]
        ],
        "top": best[:TOP],
        "others": best[TOP:],
        "by_worker": _best_of_each(),
    }


def _best_of_each() -> list[tuple[str, str, float]]:
    """Worker, chain and its best share there; the best first."""
    rows = BestShare.objects.values_list("worker", "chain").annotate(best=Max("true_difficulty")).order_by("-best")
    return list(rows[:SHOWN])
