"""MQTT in the admin: one row, one form."""

from django import forms
from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, OneRowPages
from proxy.models import MqttSettings


class MqttForm(forms.ModelForm):  # type: ignore[type-arg]
    """The broker; its password is never shown again, and kept where the field is left empty."""

    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Leave it empty to keep the one that is set."),
    )

    class Meta:
        model = MqttSettings
        fields = (
            "enabled",
            "host",
            "port",
            "tls",
            "ca",
            "username",
            "password",
            "base_topic",
            "discovery",
            "discovery_prefix",
            "commands",
            "max_workers",
            "interval_s",
        )

    def clean_password(self) -> str:
        """What was typed, else what is set; a password goes with its user and broker only."""
        typed = self.cleaned_data["password"]
        moved = {"host", "port", "username"} & set(self.changed_data)
        return typed or ("" if moved else self.initial.get("password") or "")


@admin.register(MqttSettings)
class MqttSettingsAdmin(OneRowPages, ConfigAdmin):
    """Admin of the broker's settings."""

    form = MqttForm

    def view_on_site(self, settings: MqttSettings) -> str:
        """The page of the dashboard, which can test the connection."""
        return reverse("mqtt")
