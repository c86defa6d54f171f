"""What is logged when a configuration takes effect."""

from collections.abc import Iterator

from proxy.config.diff import ConfigDiff
from proxy.config.snapshot import ConfigSnapshot
from proxy.observe.events import ConfigLoaded, WeightsNormalized
from proxy.types import PoolKey


def config_loaded(config: ConfigSnapshot, change: ConfigDiff) -> ConfigLoaded:
    """Return the event that names the pools that changed, and whether weights did."""
    pools = change.pools_added | change.pools_removed | change.pools_moved | change.pools_tuned
    return ConfigLoaded(
        revision=config.revision,
        pools=tuple(config.pools),
        changed=(*sorted(f"pool {key}" for key in pools), *(("weights",) if change.weights_changed else ())),
    )


def weights_normalized(old: ConfigSnapshot, new: ConfigSnapshot) -> Iterator[WeightsNormalized]:
    """Yield an event for each set of new weights that does not sum to 100: they count as parts of their sum."""
    known = list(_weights(old))
    for source, given in _weights(new):
        total = sum(given.values())
        if total > 0 and abs(total - 100.0) > 1e-6 and (source, given) not in known:
            yield WeightsNormalized(
                source=source,
                given=given,
                weights={key: round(100.0 * weight / total, 3) for key, weight in given.items()},
            )


def _weights(config: ConfigSnapshot) -> Iterator[tuple[str, dict[PoolKey, float]]]:
    """Yield whose weights, and what they are, as the operator wrote them."""
    for schedule in config.schedules:
        yield schedule.name, schedule.weights()
    if config.override is not None:
        yield "override", dict(config.override.weights)
