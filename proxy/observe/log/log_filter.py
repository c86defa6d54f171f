"""The log filter: which events are written, by the settings and the environment."""

from collections.abc import Mapping
from dataclasses import replace

from proxy.config.snapshot import LogConfig
from proxy.errors import ConfigError
from proxy.observe.events import DEBUG, ERROR, INFO, REGISTRY, WARNING, DownstreamTraffic, Event, UpstreamTraffic

LEVELS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR}
LEVEL_NAMES = {number: name for name, number in LEVELS.items()}

TRACES: frozenset[type[Event]] = frozenset({DownstreamTraffic, UpstreamTraffic})
"""Emitted only while a worker is traced, and written at any level."""


def effective_log_config(base: LogConfig, environ: Mapping[str, str]) -> LogConfig:
    """``base`` with ``DPMP_LOG_LEVEL``, ``DPMP_LOG_ALLOW`` and ``DPMP_LOG_DENY`` in place of its own, where not empty.

    Raises:
        ConfigError: the level is none of DEBUG, INFO, WARNING, ERROR.
    """
    level = (environ.get("DPMP_LOG_LEVEL", "").strip() or base.level).upper()
    if level not in LEVELS:
        raise ConfigError(f'"{level}" is no log level: use one of {", ".join(LEVELS)}.')
    allow, deny = (_names(environ.get(name, "")) for name in ("DPMP_LOG_ALLOW", "DPMP_LOG_DENY"))
    return replace(base, level=level, allow=allow or base.allow, deny=deny or base.deny)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def kinds_to_write(config: LogConfig) -> frozenset[type[Event]]:
    """The event classes to write: never denied ones, always allowed ones and traces, others by level."""
    least = LEVELS.get(config.level.upper(), INFO)
    return frozenset(
        kind
        for name, kind in REGISTRY.items()
        if name not in config.deny and (kind.level >= least or name in config.allow or kind in TRACES)
    )


def unknown_events(config: LogConfig) -> list[str]:
    """Names in the allow and deny lists that are no events: harmless (v2's lists have many), but worth a warning."""
    return sorted((config.allow | config.deny) - REGISTRY.keys())
