"""What survives a restart, as JSON-able values. When they are read back, invalid ones are skipped."""

import math
from collections.abc import Mapping
from typing import TypeGuard

from proxy.scheduling.rate import Estimate
from proxy.scheduling.surplus import Ledger
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey, WorkerName

VERSION = 1
_MOST_FLEETS = 1000
_NAME_MAX = 256
_KEY_MAX = 8


def dump_ledger(ledger: Ledger, surplus: Mapping[PoolKey, float], worked: Mapping[PoolKey, float]) -> dict[str, object]:
    """Return a ledger with all seconds converted to work."""
    return {
        "weights": dict(ledger.weights),
        "since": ledger.since,
        "work": dict(worked),
        "in_hand": dict(surplus),
        "accepted": dict(ledger.accepted),
        "squares": dict(ledger.squares),
        "variance": dict(ledger.closed_variance),
        "corrected": dict(ledger.corrected or {}),
    }


def load_ledger(state: object, *, now: float, wall: float, tuning: SchedulerTuning) -> Ledger | None:
    """Return the ledger that ``dump_ledger`` wrote; None if it makes no sense."""
    if not isinstance(state, Mapping):
        return None
    weights = numbers(state.get("weights"))
    since = state.get("since")
    if not weights or any(weight <= 0 for weight in weights.values()) or not is_number(since):
        return None
    surplus = numbers(state.get("in_hand"))
    ledger = Ledger(weights, now=now, wall=min(float(since), wall), tuning=tuning)
    ledger.started = now - (wall - ledger.since)
    for name, totals in (
        ("work", ledger.closed),
        ("accepted", ledger.accepted),
        ("squares", ledger.squares),
        ("variance", ledger.closed_variance),
    ):
        totals.update(
            {pool: amount for pool, amount in numbers(state.get(name)).items() if pool in weights and amount >= 0}
        )
    corrected = numbers(state.get("corrected"))
    ledger.corrected = {pool: corrected.get(pool, 0.0) for pool in weights} if corrected else None
    closed = ledger.closed_surplus()
    ledger.carried_surplus = {pool: surplus.get(pool, 0.0) - closed[pool] for pool in weights}
    return ledger


def load_ledgers(state: object, *, now: float, wall: float, tuning: SchedulerTuning) -> dict[int | None, Ledger]:
    """Return the ledgers by schedule id (None: no schedule), as far as they make sense."""
    loaded: dict[int | None, Ledger] = {}
    for entry in state[:_MOST_FLEETS] if isinstance(state, list) else []:
        if isinstance(entry, list) and len(entry) == 2 and (entry[0] is None or isinstance(entry[0], int)):
            ledger = load_ledger(entry[1], now=now, wall=wall, tuning=tuning)
            if ledger is not None:
                loaded[entry[0]] = ledger
    return loaded


def dump_worker(estimate: Estimate, surplus: Mapping[PoolKey, float]) -> list[object]:
    """Return what is kept of one worker: its rate and its surplus (seconds)."""
    return [estimate.dump(), dict(surplus)]


def load_workers(
    state: object, most: int, tuning: SchedulerTuning
) -> dict[WorkerName, tuple[Estimate, dict[PoolKey, float]]]:
    """Return by name what ``dump_worker`` wrote, as far as it makes sense."""
    loaded: dict[WorkerName, tuple[Estimate, dict[PoolKey, float]]] = {}
    if not isinstance(state, Mapping):
        return loaded
    for name, entry in state.items():
        if len(loaded) >= most:
            break
        if isinstance(name, str) and len(name) <= _NAME_MAX and isinstance(entry, list) and len(entry) == 2:
            estimate = _estimate(entry[0], tuning)
            if estimate is not None:
                loaded[WorkerName(name)] = (estimate, numbers(entry[1]))
    return loaded


def _estimate(entry: object, tuning: SchedulerTuning) -> Estimate | None:
    if not isinstance(entry, list) or not all(is_number(number) for number in entry):
        return None
    try:
        return Estimate.load([float(number) for number in entry], tuning)
    except ValueError:
        return None


def numbers(state: object) -> dict[PoolKey, float]:
    """Return the finite numbers of a mapping by pool; empty for anything else."""
    if not isinstance(state, Mapping) or len(state) > _MOST_FLEETS:
        return {}
    return {
        PoolKey(key): float(value)
        for key, value in state.items()
        if isinstance(key, str) and len(key) <= _KEY_MAX and is_number(value)
    }


def is_number(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a finite number and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
