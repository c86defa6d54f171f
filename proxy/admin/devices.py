"""The miners' own facts in the admin: one row, one form."""

from django import forms
from django.contrib import admin
from django.urls import reverse

from proxy.admin.base import ConfigAdmin, OneRowPages
from proxy.models import DeviceSettings


class DevicesForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whether miners are asked, and where they are looked for."""

    class Meta:
        model = DeviceSettings
        fields = ("enabled", "networks", "mdns", "interval_s")


@admin.register(DeviceSettings)
class DeviceSettingsAdmin(OneRowPages, ConfigAdmin):
    """Admin of the settings; the miners themselves are on the dashboard's page."""

    form = DevicesForm

    def view_on_site(self, settings: DeviceSettings) -> str:
        """The page of the dashboard."""
        return reverse("devices")
