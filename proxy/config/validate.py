"""Checks that a snapshot of the configuration can be used."""

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.config.snapshot import MIN_SWITCH_S_FLOOR, POOL_KEY, ConfigSnapshot, OverrideKind, PoolConfig
from proxy.errors import ConfigError
from proxy.types import PoolKey


def validate(config: ConfigSnapshot) -> ConfigSnapshot:
    """Return ``config`` as it is.

    Raises:
        ConfigError: with every problem, each a sentence for the operator.
    """
    problems = [*_pool_problems(config.pools.values()), *_schedule_problems(config)]
    problems += [
        f'Worker "{worker}" is pinned to pool {key}, which does not exist.'
        for worker, key in config.pins.items()
        if key not in config.pools
    ]
    if config.override is not None:
        problems += _weight_problems(
            "The override",
            config.override.weights.items(),
            config.pools,
            needed=config.override.kind is OverrideKind.WEIGHTS,
        )
    if problems:
        raise ConfigError(*problems)
    return config


def _pool_problems(pools: Iterable[PoolConfig]) -> list[str]:
    problems = []
    for pool in pools:
        if not POOL_KEY.fullmatch(pool.key):
            problems.append(f'"{pool.key}" is no pool key: use A, B, ... or up to 8 capital letters and digits.')
        if not pool.wallet:
            problems.append(f"Pool {pool.key} has no wallet.")
        if not pool.endpoints:
            problems.append(f"Pool {pool.key} has no address to connect to.")
        problems += [
            f"Pool {pool.key}: {endpoint.port} is no port (1 to 65535)."
            for endpoint in pool.endpoints
            if not 0 < endpoint.port < 65536
        ]
        for limit in (pool.min_difficulty, pool.max_difficulty):
            if limit is not None and not 0 < limit < 1e18:
                problems.append(f"Pool {pool.key}: a difficulty must be a number above 0.")
        if pool.min_difficulty and pool.max_difficulty and pool.min_difficulty > pool.max_difficulty:
            problems.append(f"Pool {pool.key}: the minimum difficulty is above the maximum.")
    return problems


def _schedule_problems(config: ConfigSnapshot) -> list[str]:
    problems = []
    for schedule in config.schedules:
        who = f'Schedule "{schedule.name}"'
        problems += _weight_problems(who, schedule.allocations, config.pools, needed=True)
        problems += [
            f"{who}: fallback pool {key} does not exist." for key in schedule.fallbacks if key not in config.pools
        ]
        if schedule.min_switch_s < MIN_SWITCH_S_FLOOR:
            problems.append(f"{who}: the minimum time between switches is {MIN_SWITCH_S_FLOOR:.0f} seconds or more.")
        if not 0 < schedule.slice_s <= schedule.min_switch_s:
            problems.append(f"{who}: the slice must be above 0 and not above the minimum time between switches.")
        try:
            ZoneInfo(schedule.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append(f'{who}: "{schedule.time_zone}" is no time zone.')
    if sum(schedule.is_default for schedule in config.schedules) > 1:
        problems.append("Only one schedule can be the default.")
    return problems


def _weight_problems(
    who: str, weights: Iterable[tuple[PoolKey, float]], pools: Mapping[PoolKey, PoolConfig], *, needed: bool
) -> list[str]:
    weights = list(weights)
    problems = [f"{who}: pool {key} does not exist." for key, _ in weights if key not in pools]
    if any(not 0 <= weight < 1e9 for _, weight in weights):
        problems.append(f"{who}: a weight must be 0 or more.")
    elif needed and not any(weight > 0 for _, weight in weights):
        problems.append(f"{who}: at least one pool needs a weight above 0.")
    return problems
