"""MQTT in the admin: one row, one form."""

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, OneRowPages
from proxy.admin.secret_field import SecretField, SecretForm
from proxy.models import MqttSettings


class MqttForm(SecretForm):
    """The broker; a password goes with its user and broker only."""

    password = SecretField(label=_("Password"), strip=False, max_length=200, sent_to=("host", "port", "username"))

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


@admin.register(MqttSettings)
class MqttSettingsAdmin(OneRowPages, ConfigAdmin):
    """Admin of the broker's settings."""

    form = MqttForm

    def view_on_site(self, settings: MqttSettings) -> str:
        """The page of the dashboard, which can test the connection."""
        return reverse("mqtt")
