"""Alerts at work: the engine in a thread of its own, delivery in another, through Apprise."""

from proxy.services.alerts.sending import send, send_test
from proxy.services.alerts.service import AlertService
from proxy.services.alerts.summary import compose

__all__ = ["AlertService", "compose", "send", "send_test"]
