"""Whole miners to whole pools, largest first; only what does not fit is time-sliced.

With k pools at most k - 1 miners are left over: each is larger than the room in every pool, and together they are as
large as all the room there is. Assignments stay put while the residual miners can keep the fleet's books in balance.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.scheduling.policies.policy import Assignment, Load, Role
from proxy.scheduling.policies.slicing import sliced
from proxy.types import PoolKey, SessionId

_LEAST_PART = 0.05
"""A residual miner's part of any pool in reach, so that it may always go there to put things right."""
_SWING = 4.0
"""Standard errors of the fleet's rates that the residual miner should be able to make up for."""
_LEAST_ROOM = 1.5
"""Standard errors of room that each pool should leave to the residual miners."""
_MOST_OPTIONS = 12
_ALIKE = 0.3
"""Logarithm of the ratio within which rates count as alike."""


class Packing:
    """Whole miners are assigned; few are sliced."""

    name = "packing"

    def assign(
        self,
        loads: Sequence[Load],
        weights: Mapping[PoolKey, float],
        *,
        in_hand: Mapping[PoolKey, float],
        sigma: float,
        horizon_s: float,
        strict: bool,
    ) -> dict[SessionId, Assignment]:
        """Pack the miners whose rates are known, slice those that are new."""
        known = sorted((load for load in loads if load.is_known), key=_largest_first)
        assignments = {load.session: sliced(load, weights) for load in loads if not load.is_known}
        swing = max(_SWING * sigma, 2 * max((abs(work) for work in in_hand.values()), default=0.0) / horizon_s)
        options = _residual_options(known, swing, weights)
        room = _room(known, weights, {pool: work / horizon_s for pool, work in in_hand.items()})
        packed = [
            _pack(known, residual, room, 0.0 if strict else sigma) for residual in (options if strict else options[:1])
        ]
        assignments.update(min(packed, key=lambda one: one.cost(sigma)).assignments)
        return assignments

    def is_due(
        self,
        loads: Sequence[Load],
        weights: Mapping[PoolKey, float],
        *,
        in_hand: Mapping[PoolKey, float],
        sigma: Mapping[PoolKey, float],
        horizon_s: float,
    ) -> bool:
        """Whether a miner has no place, nobody is residual, or the residual miners cannot work off what is in hand."""
        if any(
            load.standing.role is Role.NEW or (load.is_known and load.standing.role is Role.SLICED) for load in loads
        ):
            return True
        residual = sum(load.rate for load in loads if load.standing.role is Role.RESIDUAL)
        known = [load for load in loads if load.standing.role is not Role.SLICED]
        if known and not residual:
            return True
        room = _room(known, weights, {})
        for load in known:
            if load.standing.pool in room:
                room[load.standing.pool] -= load.rate
        return any(
            _is_stuck(in_hand.get(pool, 0.0), sigma.get(pool, 0.0), room[pool], residual, horizon_s) for pool in weights
        )


def _largest_first(load: Load) -> tuple[float, int]:
    """Sort by rate, roughly: among equals the luckiest would come first, and its luck does not last."""
    return (-round(math.log(load.rate) / _ALIKE) if load.rate > 0 else math.inf), load.session


def _is_stuck(in_hand: float, sigma: float, room: float, residual: float, horizon_s: float) -> bool:
    """Whether more is in hand on a pool than doubt explains, and it is not being worked off in time."""
    if abs(in_hand) <= 0.5 * sigma + 15.0 * residual:
        return False
    recovering = room if in_hand > 0 else residual - room
    return abs(in_hand) > recovering * horizon_s


def _room(
    known: Sequence[Load], weights: Mapping[PoolKey, float], surplus: Mapping[PoolKey, float]
) -> dict[PoolKey, float]:
    total = sum(load.rate for load in known)
    return {pool: weight * total - surplus.get(pool, 0.0) for pool, weight in weights.items()}


def _residual_options(known: Sequence[Load], swing: float, weights: Mapping[PoolKey, float]) -> list[Load | None]:
    """Return who could be sliced: who is, if large enough, then the smallest that are, else the largest."""
    free = [load for load in known if load.rate > 0 and len(load.pools & weights.keys()) > 1]
    enough = [load for load in free if load.rate >= swing]
    standing = [load for load in free if load.standing.role is Role.RESIDUAL and load.rate >= swing / 2]
    options = [*standing[:1], *enough[:-_MOST_OPTIONS:-1]] or free[: _MOST_OPTIONS // 2]
    return list({option.session: option for option in options}.values()) or [None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """One way to pack."""

    assignments: dict[SessionId, Assignment]
    room: dict[PoolKey, float]
    """Hashes a second that the residual miners have to bring to each pool."""
    left_over: list[Load]
    moves: int

    def cost(self, sigma: float) -> float:
        """Hashes a second that are in swing while slicing, with what doubt may make impossible, and moves."""
        swinging = sum(
            load.rate * max(part * (1 - part) for part in self.assignments[load.session].row.values())
            for load in self.left_over
        )
        short = sum(max(0.0, _LEAST_ROOM * sigma - room) for room in self.room.values())
        return swinging + 2 * short + 0.1 * sigma * self.moves


def _pack(known: Sequence[Load], residual: Load | None, room: Mapping[PoolKey, float], slack: float) -> _Packed:
    assignments: dict[SessionId, Assignment] = {}
    left = dict(room)
    left_over = _place(known, residual, left, slack, assignments)
    assignments.update(_strip(left_over, left))
    moves = sum(load.standing.pool != assignments[load.session].pool for load in known)
    return _Packed(assignments=assignments, room=left, left_over=left_over, moves=moves)


def _place(
    known: Sequence[Load],
    residual: Load | None,
    room: dict[PoolKey, float],
    slack: float,
    assignments: dict[SessionId, Assignment],
) -> list[Load]:
    """Give each miner a pool with room for it, largest first; return those that are left over."""
    homeless, left_over = [], []
    for load in known:
        home = load.standing.pool
        if load is residual:
            continue
        if home in room and home in load.pools and load.rate <= room[home] + slack:
            _settle(load, home, room, assignments)
        else:
            homeless.append(load)
    for load in homeless:
        if not _fit(load, room, assignments):
            left_over.append(load)
    if residual is not None and not (left_over and _fit(residual, room, assignments)):
        left_over.append(residual)
    return left_over


def _fit(load: Load, room: dict[PoolKey, float], assignments: dict[SessionId, Assignment]) -> bool:
    """Put a miner where it is if it fits, else where most room is. A miner with one pool to go to fits there."""
    reachable = [pool for pool in room if pool in load.pools]
    if load.current in reachable and load.rate <= room[load.current]:
        _settle(load, load.current, room, assignments)
        return True
    best = max(reachable, key=lambda pool: room[pool], default=None)
    if best is None:
        assignments[load.session] = Assignment(role=Role.FIXED, pool=load.current)
        return True
    if load.rate > room[best] and len(reachable) > 1:
        return False
    _settle(load, best, room, assignments)
    return True


def _settle(load: Load, pool: PoolKey, room: dict[PoolKey, float], assignments: dict[SessionId, Assignment]) -> None:
    room[pool] -= load.rate
    assignments[load.session] = Assignment(role=Role.FIXED, pool=pool)


def _strip(left_over: Sequence[Load], room: Mapping[PoolKey, float]) -> dict[SessionId, Assignment]:
    """Lay the miners left over along the room of the pools; each gets the stretch that it covers.

    Neighbours share a pool, so that together they can move work between any two pools.
    """
    pools, assignments = list(room), {}
    open_room = {pool: max(amount, 0.0) for pool, amount in room.items()}
    first = 0
    for index, load in enumerate(left_over):
        is_last = index == len(left_over) - 1
        row, first = _cover(load, pools, open_room, first, is_last=is_last)
        assignments[load.session] = Assignment(role=Role.RESIDUAL, row=_softened(row))
    return assignments


def _cover(
    load: Load, pools: Sequence[PoolKey], open_room: dict[PoolKey, float], first: int, *, is_last: bool
) -> tuple[dict[PoolKey, float], int]:
    to_place, row, at = load.rate, {}, first
    while True:
        pool = pools[at]
        row[pool] = min(to_place, open_room[pool])
        to_place -= row[pool]
        open_room[pool] -= row[pool]
        enough = to_place <= 0 and len(row) > 1 and not is_last
        if enough or at == len(pools) - 1:
            break
        at += 1
    return row, at


def _softened(row: Mapping[PoolKey, float]) -> dict[PoolKey, float]:
    total = sum(row.values())
    parts = {pool: max(amount / total if total else 1.0, _LEAST_PART) for pool, amount in row.items()}
    whole = sum(parts.values())
    return {pool: part / whole for pool, part in parts.items()}


def shares_of(in_hand: Mapping[PoolKey, float], rows: Iterable[Mapping[PoolKey, float]]) -> list[dict[PoolKey, float]]:
    """Split the fleet's work in hand into one zero-sum part for each residual miner, in the order of ``_strip``.

    A pool that two neighbours share belongs to the earlier one as far as that one's part must sum to zero.
    """
    parts: list[dict[PoolKey, float]] = []
    taken: dict[PoolKey, float] = {}
    for row in rows:
        part = {pool: in_hand.get(pool, 0.0) - taken.get(pool, 0.0) for pool in row}
        last = list(row)[-1]
        part[last] = -sum(amount for pool, amount in part.items() if pool != last)
        for pool, amount in part.items():
            taken[pool] = taken.get(pool, 0.0) + amount
        parts.append(part)
    return parts
