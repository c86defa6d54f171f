"""Whole miners to whole pools, largest first; only what does not fit is time-sliced.

With k pools at most k - 1 miners are left over: each is larger than the room in every pool, and together they are as
large as all the room there is. Assignments stay while the residual miners can work off the fleet's surplus.
"""

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from proxy.in_parts import in_parts
from proxy.scheduling.policies.policy import Assignment, MinerLoad, Role
from proxy.scheduling.policies.slicing import sliced
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey, SessionId


class Packing:
    """Whole miners are assigned; few are sliced."""

    name = "packing"

    def __init__(self, tuning: SchedulerTuning) -> None:
        self._tuning = tuning

    def assign(
        self,
        loads: Sequence[MinerLoad],
        weights: Mapping[PoolKey, float],
        *,
        surplus: Mapping[PoolKey, float],
        sigma: float,
        horizon_s: float,
        strict: bool,
    ) -> Generator[None, None, dict[SessionId, Assignment]]:
        """Pack the miners whose rates are known, slice those that are new."""
        tuning = self._tuning
        known = yield from _largest_first(loads, tuning)
        assignments = sliced((load for load in loads if not load.is_known), weights)
        largest = max((abs(work) for work in surplus.values()), default=0.0)
        swing = max(tuning.residual_swing_sigmas * sigma, tuning.residual_swing_surplus * largest / horizon_s)
        options = yield from _residual_options(known, swing, weights, tuning)
        room = _room(known, weights, {pool: work / horizon_s for pool, work in surplus.items()})
        slack = 0.0 if strict else sigma
        best: _Packed | None = None
        for one in options if strict else options[:1]:
            packed = yield from _pack(known, one, room, slack, tuning)
            if best is None or packed.cost(sigma, tuning) < best.cost(sigma, tuning):
                best = packed
            yield
        assert best is not None
        assignments.update(best.assignments)
        yield
        return assignments

    def is_due(
        self,
        loads: Sequence[MinerLoad],
        weights: Mapping[PoolKey, float],
        *,
        surplus: Mapping[PoolKey, float],
        sigma: Mapping[PoolKey, float],
        horizon_s: float,
    ) -> Generator[None, None, bool]:
        """Whether a miner has no place, nobody is residual, or the residual miners cannot work off the surplus."""
        placed, total, residual = dict.fromkeys(weights, 0.0), 0.0, 0.0
        anybody = False
        for together in in_parts(loads, self._tuning.at_once):
            for load in together:
                role = load.assignment.role
                if role is Role.NEW or (role is Role.SLICED and load.is_known):
                    return True
                if role is Role.SLICED:
                    continue
                anybody, rate = True, load.rate
                total += rate
                if role is Role.RESIDUAL:
                    residual += rate
                elif load.assignment.pool in placed:
                    placed[load.assignment.pool] += rate
            yield
        if anybody and not residual:
            return True
        room = {pool: weight * total - placed[pool] for pool, weight in weights.items()}
        return any(
            self._is_stuck(surplus.get(pool, 0.0), sigma.get(pool, 0.0), room[pool], residual, horizon_s)
            for pool in weights
        )

    def _is_stuck(self, surplus: float, sigma: float, room: float, residual: float, horizon_s: float) -> bool:
        """Whether a pool's surplus is more than doubt explains, and is not being worked off in time."""
        if abs(surplus) <= self._tuning.stuck_sigmas * sigma + self._tuning.stuck_residual_s * residual:
            return False
        recovering = room if surplus > 0 else residual - room
        return abs(surplus) > recovering * horizon_s


def _largest_first(loads: Sequence[MinerLoad], tuning: SchedulerTuning) -> Generator[None, None, list[MinerLoad]]:
    """Sort those that are known by rate, roughly: among equals the luckiest would come first, and its luck does not
    last."""
    alike: dict[float, list[MinerLoad]] = {}
    for together in in_parts(loads, tuning.at_once):
        for load in together:
            if load.is_known:
                size = -round(math.log(load.rate) / tuning.alike_log_ratio) if load.rate > 0 else math.inf
                alike.setdefault(size, []).append(load)
        yield
    return [load for size in sorted(alike) for load in sorted(alike[size], key=attrgetter("session"))]


def _room(
    known: Sequence[MinerLoad], weights: Mapping[PoolKey, float], surplus: Mapping[PoolKey, float]
) -> dict[PoolKey, float]:
    total = sum(load.rate for load in known)
    return {pool: weight * total - surplus.get(pool, 0.0) for pool, weight in weights.items()}


def _residual_options(
    known: Sequence[MinerLoad], swing: float, weights: Mapping[PoolKey, float], tuning: SchedulerTuning
) -> Generator[None, None, list[MinerLoad | None]]:
    """Return who could be sliced: who is, if large enough, then the smallest that are, else the largest."""
    movable: list[MinerLoad] = []
    for together in in_parts(known, tuning.at_once):
        movable += [load for load in together if load.rate > 0 and len(load.pools & weights.keys()) > 1]
        yield
    enough = [load for load in movable if load.rate >= swing]
    yield
    least = tuning.residual_keep_part * swing
    present = [load for load in movable if load.assignment.role is Role.RESIDUAL and load.rate >= least]
    yield
    most = tuning.residual_options
    options = [*present[:1], *enough[:-most:-1]] or movable[: most // 2]
    return list({option.session: option for option in options}.values()) or [None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """One way to pack."""

    assignments: dict[SessionId, Assignment]
    room: dict[PoolKey, float]
    """Hashes a second that the residual miners have to bring to each pool."""
    left_over: list[MinerLoad]
    moves: int

    def cost(self, sigma: float, tuning: SchedulerTuning) -> float:
        """What this packing costs, in hashes a second: swings while slicing, room too small to rely on, and moves."""
        swinging = sum(
            load.rate * max(part * (1 - part) for part in self.assignments[load.session].time_shares.values())
            for load in self.left_over
        )
        short = sum(max(0.0, tuning.residual_room_sigmas * sigma - room) for room in self.room.values())
        return swinging + tuning.short_room_cost * short + tuning.move_cost * sigma * self.moves


def _pack(
    known: Sequence[MinerLoad],
    residual: MinerLoad | None,
    room: Mapping[PoolKey, float],
    slack: float,
    tuning: SchedulerTuning,
) -> Generator[None, None, _Packed]:
    assignments: dict[SessionId, Assignment] = {}
    left = dict(room)
    left_over = yield from _place(known, residual, left, slack, assignments, tuning.at_once)
    assignments.update(_split_residuals(left_over, left, tuning))
    moves = 0
    for together in in_parts(known, tuning.at_once):
        moves += sum(load.assignment.pool != assignments[load.session].pool for load in together)
        yield
    return _Packed(assignments=assignments, room=left, left_over=left_over, moves=moves)


def _place(
    known: Sequence[MinerLoad],
    residual: MinerLoad | None,
    room: dict[PoolKey, float],
    slack: float,
    assignments: dict[SessionId, Assignment],
    part: int,
) -> Generator[None, None, list[MinerLoad]]:
    """Give each miner a pool with room for it, largest first; return those that are left over."""
    unplaced, left_over = [], []
    for together in in_parts(known, part):
        for load in together:
            own_pool = load.assignment.pool
            if load is residual:
                continue
            if own_pool in room and own_pool in load.pools and load.rate <= room[own_pool] + slack:
                _fix(load, own_pool, room, assignments)
            else:
                unplaced.append(load)
        yield
    for together in in_parts(unplaced, part):
        left_over += [load for load in together if not _fit(load, room, assignments)]
        yield
    if residual is not None and not (left_over and _fit(residual, room, assignments)):
        left_over.append(residual)
    return left_over


def _fit(load: MinerLoad, room: dict[PoolKey, float], assignments: dict[SessionId, Assignment]) -> bool:
    """Put a miner where it is if it fits, else where most room is. A miner with one pool to go to fits there."""
    reachable = [pool for pool in room if pool in load.pools]
    if load.current in reachable and load.rate <= room[load.current]:
        _fix(load, load.current, room, assignments)
        return True
    best = max(reachable, key=lambda pool: room[pool], default=None)
    if best is None:
        assignments[load.session] = Assignment(role=Role.FIXED, pool=load.current)
        return True
    if load.rate > room[best] and len(reachable) > 1:
        return False
    _fix(load, best, room, assignments)
    return True


def _fix(load: MinerLoad, pool: PoolKey, room: dict[PoolKey, float], assignments: dict[SessionId, Assignment]) -> None:
    room[pool] -= load.rate
    before = load.assignment
    stays = before.role is Role.FIXED and before.pool == pool
    assignments[load.session] = before if stays else Assignment(role=Role.FIXED, pool=pool)


def _split_residuals(
    left_over: Sequence[MinerLoad], room: Mapping[PoolKey, float], tuning: SchedulerTuning
) -> dict[SessionId, Assignment]:
    """Fill the room of the pools, in order, with the miners left over; each works where its hash rate went.

    Neighbours share a pool, so that together they can move work between any two pools.
    """
    pools, assignments = list(room), {}
    open_room = {pool: max(amount, 0.0) for pool, amount in room.items()}
    first = 0
    for index, load in enumerate(left_over):
        is_last = index == len(left_over) - 1
        filled, first = _fill(load, pools, open_room, first, is_last=is_last)
        time_shares = _with_least_part(filled, tuning.residual_least_part)
        assignments[load.session] = Assignment(role=Role.RESIDUAL, time_shares=time_shares)
    return assignments


def _fill(
    load: MinerLoad, pools: Sequence[PoolKey], open_room: dict[PoolKey, float], first: int, *, is_last: bool
) -> tuple[dict[PoolKey, float], int]:
    """Fill the room of ``pools`` from the one at ``first`` with a miner; return its hash rate by pool, and the last."""
    to_place, filled, at = load.rate, {}, first
    while True:
        pool = pools[at]
        filled[pool] = min(to_place, open_room[pool])
        to_place -= filled[pool]
        open_room[pool] -= filled[pool]
        enough = to_place <= 0 and len(filled) > 1 and not is_last
        if enough or at == len(pools) - 1:
            break
        at += 1
    return filled, at


def _with_least_part(filled: Mapping[PoolKey, float], least: float) -> dict[PoolKey, float]:
    """Return hash rate by pool as parts of the whole, none much smaller than ``least``."""
    total = sum(filled.values())
    parts = {pool: max(amount / total if total else 1.0, least) for pool, amount in filled.items()}
    whole = sum(parts.values())
    return {pool: part / whole for pool, part in parts.items()}


def split_surplus(
    surplus: Mapping[PoolKey, float], residual_shares: Iterable[Mapping[PoolKey, float]]
) -> list[dict[PoolKey, float]]:
    """Split the fleet's surplus into one zero-sum part for each residual miner, in the order of ``_split_residuals``.

    A pool that two neighbours share belongs to the earlier one as far as that one's part must sum to zero.
    """
    parts: list[dict[PoolKey, float]] = []
    taken: dict[PoolKey, float] = {}
    for time_shares in residual_shares:
        part = {pool: surplus.get(pool, 0.0) - taken.get(pool, 0.0) for pool in time_shares}
        last = list(time_shares)[-1]
        part[last] = -sum(amount for pool, amount in part.items() if pool != last)
        for pool, amount in part.items():
            taken[pool] = taken.get(pool, 0.0) + amount
        parts.append(part)
    return parts
