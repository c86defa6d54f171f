"""Reads what was: hash rates of workers, work on pools, blocks of the chains; a bounded part of it. Blocking."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from django.db.models import F, Min, Sum

from proxy.balance.observed import SPACING_S, ObservedBlock
from proxy.balance.service import observed_block
from proxy.models.balance import ChainBlock
from proxy.models.history import ChainTip, ShareBucket
from proxy.stratum.difficulty import network_difficulty, target_of_nbits
from proxy.types import Chain, PoolKey, WorkerName
from proxy.whatif.replay import MOST_STEPS, MOST_WORKERS, Record

SPANS_S: Mapping[str, tuple[int, int]] = {
    "24h": (86_400, 600),
    "7d": (7 * 86_400, 3_600),
    "30d": (30 * 86_400, 5 * 3_600),
    "90d": (90 * 86_400, 13 * 3_600),
}
"""Name -> length and step. Steps of several hours do not divide a day, so that all hours of it have their turn."""
WARM_UP_S = 4 * 86_400
"""Blocks from before the record that auto-balance knows at its beginning."""
MOST_BLOCKS = 20_000
"""Of a chain; of one with more only each second, third, ... is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was."""

    record: Record
    hashes: tuple[Mapping[PoolKey, float], ...]
    """On each pool, for each step of the record."""
    workers: int
    """All that worked in it, those that are not replayed included."""
    blocks: tuple[ObservedBlock, ...]
    hashes_per_difficulty: float


def read_past(span: str, now: float, hashes_per_difficulty: float) -> Past:
    """The last whole steps of ``span`` before ``now`` (unix seconds)."""
    length, step = SPANS_S[span]
    end = int(now) // step * step
    begin = max(end - length // step * step, 0)
    rows = ShareBucket.objects.filter(start__gte=begin, start__lt=end).exclude(pool="").order_by()
    placed = rows.annotate(place=F("start") - F("start") % step)
    largest = list(rows.values_list("worker").annotate(amount=Sum("work")).order_by("-amount", "worker")[:MOST_WORKERS])
    by_pool: dict[int, dict[PoolKey, float]] = defaultdict(dict)
    for place, pool, amount in placed.values_list("place", "pool").annotate(amount=Sum("work")):
        if amount > 0:
            by_pool[place][PoolKey(pool)] = amount * hashes_per_difficulty
    rates: dict[int, dict[WorkerName, float]] = defaultdict(dict)
    names = [worker for worker, _amount in largest]
    by_worker = placed.filter(worker__in=names).values_list("place", "worker").annotate(amount=Sum("work"))
    for place, worker, amount in by_worker:
        if amount > 0:
            rates[place][WorkerName(worker)] = amount * hashes_per_difficulty / step
    starts = tuple(sorted(place for place in by_pool if rates[place])[-MOST_STEPS:])
    return Past(
        record=Record(
            step_s=step,
            starts=starts,
            rates=tuple(rates[start] for start in starts),
            wholes=tuple(sum(by_pool[start].values()) / step for start in starts),
        ),
        hashes=tuple(by_pool[start] for start in starts),
        workers=rows.values("worker").distinct().count(),
        blocks=_blocks(begin - WARM_UP_S, end) if starts else (),
        hashes_per_difficulty=hashes_per_difficulty,
    )


def _blocks(begin: int, end: int) -> tuple[ObservedBlock, ...]:
    """The chains' blocks as pools announced them, each once; their rewards as far as they are kept."""
    found: dict[tuple[Chain, int], ObservedBlock] = {}
    for chain, spacing in SPACING_S.items():
        every = ceil((end - begin) / spacing / MOST_BLOCKS)
        tips = (
            ChainTip.objects.filter(
                chain=chain.value, seen_at__gte=_time(begin), seen_at__lt=_time(end), height__isnull=False
            )
            .annotate(rest=F("height") % every)
            .filter(rest=0)
            .order_by()
            .values_list("height", "nbits")
            .annotate(first=Min("seen_at"))[: 2 * MOST_BLOCKS]
        )
        for height, nbits, first in tips:
            if target_of_nbits(nbits):
                found.setdefault(
                    (chain, height + 1),
                    ObservedBlock(
                        chain=chain,
                        height=height + 1,
                        announced_at=first.timestamp(),
                        difficulty=network_difficulty(nbits),
                        prevhash=b"",
                    ),
                )
        for row in ChainBlock.objects.filter(chain=chain.value, announced_at__gte=begin, announced_at__lt=end):
            found[chain, row.height] = observed_block(row)
    return tuple(found.values())


def difficulties_at(blocks: Sequence[ObservedBlock], times: Sequence[int]) -> dict[Chain, list[float]]:
    """Each chain's difficulty at each of ``times``: of the last block before, of the first one at the beginning."""
    by_chain: dict[Chain, list[ObservedBlock]] = defaultdict(list)
    for block in sorted(blocks, key=lambda block: block.announced_at):
        by_chain[block.chain].append(block)
    found: dict[Chain, list[float]] = {}
    for chain, known in by_chain.items():
        place, line = 0, []
        for moment in times:
            while place + 1 < len(known) and known[place + 1].announced_at <= moment:
                place += 1
            line.append(known[place].difficulty)
        found[chain] = line
    return found


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
