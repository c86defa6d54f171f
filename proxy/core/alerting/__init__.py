"""Alerts: what is worth telling a person, when, and how often. Pure; delivery is ``proxy.services.alerts``."""

from proxy.core.alerting.config import (
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
from proxy.core.alerting.engine import AlertEngine
from proxy.core.alerting.look import FleetLook, PoolLook, RateLook, Watch, WorkerLook

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
    "FleetLook",
    "PoolLook",
    "QuietHours",
    "RateLook",
    "Watch",
    "WorkerLook",
]
