"""The difference between two snapshots of the configuration."""

from dataclasses import dataclass

from proxy.config.snapshot import ConfigSnapshot
from proxy.types import PoolKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDiff:
    """What the engine must act on."""

    pools_added: frozenset[PoolKey] = frozenset()
    pools_removed: frozenset[PoolKey] = frozenset()
    pools_moved: frozenset[PoolKey] = frozenset()
    """New endpoints, wallet, password or user format: new upstream connections first, then the old ones are drained."""
    pools_tuned: frozenset[PoolKey] = frozenset()
    """Anything else of a pool."""
    weights_changed: bool = False
    """Schedules, override, pins or a pool's admin state: the scheduler acts on it."""


def diff(old: ConfigSnapshot, new: ConfigSnapshot) -> ConfigDiff:
    """What differs between ``old`` and ``new``. Connections of a pool that is not named are not touched."""
    both = old.pools.keys() & new.pools.keys()
    changed = {key for key in both if old.pools[key] != new.pools[key]}
    moved = {key for key in changed if new.pools[key].moved_from(old.pools[key])}
    status = any(old.pools[key].status != new.pools[key].status for key in both)
    return ConfigDiff(
        pools_added=frozenset(new.pools.keys() - old.pools.keys()),
        pools_removed=frozenset(old.pools.keys() - new.pools.keys()),
        pools_moved=frozenset(moved),
        pools_tuned=frozenset(changed - moved),
        weights_changed=status
        or (old.schedules, old.override, old.pins, old.miner_listeners)
        != (new.schedules, new.override, new.pins, new.miner_listeners),
    )
