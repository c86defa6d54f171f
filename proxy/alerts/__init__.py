"""Alerts: which problems are reported, when, how often, and their delivery."""

from proxy.alerts.alert_engine import AlertEngine
from proxy.alerts.fleet_snapshot import FleetSnapshot, PoolSnapshot, RateSnapshot, Watch, WorkerSnapshot
from proxy.alerts.rules import (
    DEFAULT_RULES,
    AlertAddress,
    AlertConfig,
    AlertKind,
    AlertLevel,
    AlertMessage,
    AlertRuleConfig,
    AlertSetup,
    QuietHours,
)

__all__ = [
    "DEFAULT_RULES",
    "AlertAddress",
    "AlertConfig",
    "AlertEngine",
    "AlertKind",
    "AlertLevel",
    "AlertMessage",
    "AlertRuleConfig",
    "AlertSetup",
    "FleetSnapshot",
    "PoolSnapshot",
    "QuietHours",
    "RateSnapshot",
    "Watch",
    "WorkerSnapshot",
]
