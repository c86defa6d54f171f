"""Listeners in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin
from proxy.models import Listener, ProxySettings
from proxy.ops.miner_certificate import certificate_problem


@admin.register(Listener)
class ListenerAdmin(ConfigAdmin):
    """Admin of listeners."""

    list_display = ["name", "port", "tls", "host", "proxy_networks", "enabled"]
    list_filter = ["enabled", "tls"]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "enabled", ("host", "port")]}),
        (_("TLS"), {"fields": ["tls", "tls_certificate", "tls_key"]}),
        (_("Who may mine here"), {"fields": ["allow", "password", "proxy_networks"]}),
        (_("Difficulty"), {"fields": ["default_difficulty", "least_difficulty"]}),
        (
            _("What a miner may ask for in its password"),
            {
                "fields": [
                    ("difficulty_directive", "most_difficulty"),
                    ("pin_directive", "directive_pools"),
                    ("split_directive", "split_least"),
                ]
            },
        ),
    ]

    def view_on_site(self, listener: Listener) -> str:
        """The page of all listeners in the dashboard."""
        return reverse("listeners")

    def save_model(self, request: HttpRequest, obj: Listener, form: Any, change: bool) -> None:
        """Save, and say if this process could not use the certificate."""
        super().save_model(request, obj, form, change)
        if problem := listener_problem(obj):
            messages.warning(request, gettext("Miners cannot connect with TLS yet: %s.") % problem)


def listener_problem(listener: Listener) -> str:
    """Why its certificate cannot be used now; "" if it can, or needs none. Blocking."""
    if not listener.tls:
        return ""
    if listener.tls_certificate:
        return certificate_problem(listener.tls_certificate, listener.tls_key)
    settings = ProxySettings.load()
    return certificate_problem(settings.tls_certificate, settings.tls_key)
