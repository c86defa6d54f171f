"""The miners' own facts in the admin: one row, one form."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from proxy.admin.base import ConfigAdmin
from proxy.models import DeviceSettings


class DevicesForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whether miners are asked, and where they are looked for."""

    class Meta:
        model = DeviceSettings
        fields = ("enabled", "networks", "mdns", "interval_s")


@admin.register(DeviceSettings)
class DeviceSettingsAdmin(ConfigAdmin):
    """Admin of the settings; the miners themselves are on the dashboard's page."""

    form = DevicesForm

    def view_on_site(self, settings: DeviceSettings) -> str:
        """The page of the dashboard."""
        return reverse("devices")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the form of the only row."""
        return redirect("admin:proxy_devicesettings_change", "1")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> DeviceSettings | None:
        """The one row; with the defaults as long as it was never saved."""
        return DeviceSettings.load() if object_id == "1" else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is a single row: none can be added."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeviceSettings | None = None) -> bool:
        """There is a single row: it cannot be deleted."""
        return False
