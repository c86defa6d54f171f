"""The log filter: which events are written."""

from proxy.config.snapshot import LogConfig
from proxy.observe.events import DEBUG, ERROR, INFO, REGISTRY, WARNING, DownstreamTraffic, Event, UpstreamTraffic

LEVELS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR}
LEVEL_NAMES = {number: name for name, number in LEVELS.items()}

TRACES: frozenset[type[Event]] = frozenset({DownstreamTraffic, UpstreamTraffic})
"""Emitted only while a worker is traced, and written at any level."""


def kinds_to_write(config: LogConfig) -> frozenset[type[Event]]:
    """The event classes to write: never denied ones, always allowed ones and traces, others by level."""
    least = LEVELS.get(config.level.upper(), INFO)
    return frozenset(
        kind
        for name, kind in REGISTRY.items()
        if name not in config.deny and (kind.level >= least or name in config.allow or kind in TRACES)
    )
