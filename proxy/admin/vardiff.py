"""Vardiff rules in the admin."""

from django.contrib import admin
from django.urls import reverse

from proxy.admin.base import ConfigAdmin
from proxy.models import VardiffRule


@admin.register(VardiffRule)
class VardiffRuleAdmin(ConfigAdmin):
    """Aims of the proxy's own difficulty, by listener and firmware."""

    list_display = [
        "name",
        "listener",
        "profile",
        "shares_per_minute",
        "least_difficulty",
        "most_difficulty",
        "enabled",
    ]
    list_filter = ["enabled", "profile"]
    search_fields = ["name"]
    fields = ["name", "enabled", "listener", "profile", "shares_per_minute", ("least_difficulty", "most_difficulty")]

    def view_on_site(self, rule: VardiffRule) -> str:
        """The page of all rules in the dashboard."""
        return reverse("vardiff")
