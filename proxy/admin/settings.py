"""The settings in the admin: one row, one form."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, OneRowPages
from proxy.models import ProxySettings
from proxy.models.settings import event_names
from proxy.observe import events
from proxy.ops.miner_certificate import certificate_problem


@admin.register(ProxySettings)
class ProxySettingsAdmin(OneRowPages, ConfigAdmin):
    """Listeners, limits, health, logging and metrics."""

    fieldsets = [
        (
            _("Addresses and ports"),
            {
                "fields": [
                    ("stratum_host", "stratum_port"),
                    "tls_port",
                    ("tls_certificate", "tls_key"),
                    ("web_host", "web_port"),
                    "metrics_enabled",
                    ("metrics_host", "metrics_port"),
                    "metrics_allow",
                ],
                "description": format_lazy(
                    '{} <a href="/settings/">{}</a>',
                    _("Addresses and ports are the only settings that need a restart of the proxy."),
                    _("Where each setting comes from"),
                ),
            },
        ),
        (_("Who may mine"), {"fields": ["miner_allow", "miner_password"]}),
        (
            _("Limits"),
            {
                "fields": [
                    "max_sessions",
                    "max_sessions_per_address",
                    "connects_per_minute",
                    ("subscribe_timeout_s", "handshake_timeout_s"),
                    "max_workers",
                    "dials_per_s",
                    ("input_bytes_per_s", "input_burst_bytes", "input_lines_per_s"),
                ]
            },
        ),
        (
            _("When a pool is down, and up again"),
            {
                "fields": [
                    ("rise", "fall"),
                    "dial_timeout_s",
                    ("backoff_min_s", "backoff_max_s"),
                    "request_stall_s",
                    "job_stall_min_s",
                    "returns_per_s",
                    "no_pool_minutes",
                ]
            },
        ),
        (_("Log"), {"fields": ["log_level", "log_allow", "log_deny", ("file_bytes", "file_count"), "redact_wallets"]}),
        (_("Metrics"), {"fields": ["worker_series"]}),
        (_("Newer versions"), {"fields": ["update_feed"]}),
    ]

    def save_model(self, request: HttpRequest, obj: ProxySettings, form: Any, change: bool) -> None:
        """Save, and warn of event names that do not exist."""
        super().save_model(request, obj, form, change)
        if obj.tls_port and (problem := certificate_problem(obj.tls_certificate, obj.tls_key)):
            messages.warning(request, gettext("Miners cannot use TLS yet: %s.") % problem)
        unknown = [name for name in event_names(f"{obj.log_allow} {obj.log_deny}") if name not in events.REGISTRY]
        if unknown:
            messages.warning(request, gettext("No event has the name %s: check for a typo.") % ", ".join(unknown))
