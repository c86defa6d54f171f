"""Firmware rules in the admin."""

from django.contrib import admin

from proxy.admin.base import ConfigAdmin
from proxy.models import FirmwareRule


@admin.register(FirmwareRule)
class FirmwareRuleAdmin(ConfigAdmin):
    """Profiles chosen by hand, in the order in which they are tried."""

    list_display = ["agent", "profile", "position", "enabled", "note"]
    list_filter = ["profile", "enabled"]
    search_fields = ["agent", "note"]
    fields = ["agent", "profile", "position", "enabled", "note"]
