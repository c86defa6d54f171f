"""Alerts at work: rules from the database, the engine in a thread of its own, delivery through Apprise."""

from proxy.services.alerts.rows import AlertSetup, load_alerts
from proxy.services.alerts.sending import send, send_test
from proxy.services.alerts.service import AlertService
from proxy.services.alerts.summary import compose

__all__ = ["AlertService", "AlertSetup", "compose", "load_alerts", "send", "send_test"]
