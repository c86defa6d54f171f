"""Small pictures that templates draw as SVG: a pool's last hour, the split's bar, the week."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from proxy.observe.live.views import LiveSnapshot, PoolView, SplitView
from proxy.types import PoolKey

PALETTE = 8
EDGE = 0.3
"""Percent of the bar's width that a mark keeps from its ends, so that it is seen there."""


def pool_style_key(snap: LiveSnapshot) -> Hashable:
    """What a picture shows of the pools themselves: it stays equal while none is added, renamed or coloured anew."""
    return tuple((pool.key, pool.name, pool.colour) for pool in snap.pools)


def pool_line(snap: LiveSnapshot, key: PoolKey) -> str:
    """One pool's part of the last hour as an SVG path in a box of 100 x 24; empty while there is nothing."""
    values = [rates.get(key, 0.0) for _start, rates in snap.spark]
    peak = max(values, default=0.0)
    if len(values) < 2 or peak <= 0:
        return ""
    return "M" + " ".join(
        f"{100 * index / (len(values) - 1):.0f} {22 - 20 * value / peak:.1f}" for index, value in enumerate(values)
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """One pool's part of the split's bar; positions are percent of its width."""

    pool: PoolView
    colour: int
    left: float
    width: float
    delivered: float
    error: float
    wanted: float
    mark: float | None
    """Where the wanted boundary to the next pool is; None for the last."""


def split_bar(snap: LiveSnapshot, split: SplitView) -> list[Piece]:
    """The delivered parts side by side, with marks where the boundaries are wanted."""
    pieces: list[Piece] = []
    left = mark = 0.0
    shown = [(part, pool) for part in split.parts if (pool := snap.pool(part.pool)) is not None]
    for index, (part, pool) in enumerate(shown):
        mark += part.wanted * 100
        inner = index < len(shown) - 1
        pieces.append(
            Piece(
                pool,
                pool.colour % PALETTE,
                round(left, 2),
                round(part.delivered * 100, 2),
                part.delivered,
                part.error,
                part.wanted,
                min(max(round(mark, 2), EDGE), 100 - EDGE) if inner else None,
            )
        )
        left += part.delivered * 100
    return pieces


def whole_percents(weights: Mapping[PoolKey, float], order: Sequence[PoolKey]) -> dict[PoolKey, int]:
    """Weights (any sum) as whole percents that sum to 100, for the slider; even when nothing is set."""
    if not order:
        return {}
    total = sum(weights.get(key, 0.0) for key in order)
    parts = {key: weights.get(key, 0.0) / total * 100 if total > 0 else 100 / len(order) for key in order}
    floors = {key: int(part) for key, part in parts.items()}
    by_rest = sorted(order, key=lambda key: floors[key] - parts[key])
    for key in by_rest[: 100 - sum(floors.values())]:
        floors[key] += 1
    return floors
