"""The broker of MQTT: exactly one row, off until switched on."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import MqttConfig
from proxy.models.base import SingleRow
from proxy.models.constraints import check, single_row, within
from proxy.models.pools import is_host

_DEFAULT = MqttConfig(host="")
LEAST_INTERVAL_S, MOST_INTERVAL_S, MOST_WORKERS = 1.0, 3600.0, 1000
_TOPIC = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


class MqttSettings(SingleRow):
    """Where states are published, and whether commands are obeyed."""

    enabled = models.BooleanField(_("use MQTT"), default=False)
    host = models.CharField(
        _("broker"), max_length=253, blank=True, default="", help_text=_("Host name or IP address.")
    )
    port = models.PositiveIntegerField(
        _("port"),
        default=_DEFAULT.port,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text=_("Usually 1883, with TLS 8883."),
    )
    tls = models.BooleanField(
        _("TLS"), default=_DEFAULT.tls, help_text=_("The broker's certificate is checked, with its name.")
    )
    ca = models.CharField(
        _("authority"),
        max_length=500,
        blank=True,
        default="",
        help_text=_(
            "Path of a PEM file on this machine with the certificate that signed the broker's; empty for those that "
            "the system trusts."
        ),
    )
    username = models.CharField(_("user"), max_length=200, blank=True, default="")
    password = models.CharField(_("password"), max_length=200, blank=True, default="")
    base_topic = models.CharField(
        _("base topic"),
        max_length=64,
        default=_DEFAULT.base_topic,
        help_text=_("All topics begin with it. A second proxy on the same broker needs another."),
    )
    discovery = models.BooleanField(
        _("announce to Home Assistant"),
        default=_DEFAULT.discovery,
        help_text=_("Devices for the proxy, each pool and each worker appear there by themselves."),
    )
    discovery_prefix = models.CharField(
        _("discovery prefix"), max_length=64, default=_DEFAULT.discovery_prefix, help_text=_("As in Home Assistant.")
    )
    commands = models.BooleanField(
        _("obey commands"),
        default=_DEFAULT.commands,
        help_text=_(
            "The split, auto-balance and pins can be set by messages. Everybody who may publish below the base topic "
            "can do that; each change is in the audit log."
        ),
    )
    max_workers = models.PositiveIntegerField(
        _("workers published"),
        default=_DEFAULT.max_workers,
        validators=[MaxValueValidator(MOST_WORKERS)],
        help_text=_("At most 1000: those with the highest hash rates first."),
    )
    interval_s = models.FloatField(
        _("interval"),
        default=_DEFAULT.interval_s,
        validators=[MinValueValidator(LEAST_INTERVAL_S), MaxValueValidator(MOST_INTERVAL_S)],
        help_text=_("Seconds; a state that changes is sent at most once in this time."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("MQTT"), _("MQTT")
        constraints = [
            single_row("mqtt_single_row"),
            check("mqtt_host", Q(enabled=False) | ~Q(host=""), _("MQTT needs a broker.")),
            within("mqtt_port_range", "port", 1, 65535, _("A port is a number from 1 to 65535.")),
            within("mqtt_workers_range", "max_workers", 0, MOST_WORKERS, _("That is too large a number.")),
            within(
                "mqtt_interval_range",
                "interval_s",
                LEAST_INTERVAL_S,
                MOST_INTERVAL_S,
                _("The interval is from a second to an hour."),
            ),
        ]

    def __str__(self) -> str:
        return gettext("MQTT")

    def check_rules(self) -> None:
        """Check that the host is one, and that topics have no wildcards."""
        if self.enabled and not self.host:
            raise ValidationError({"host": gettext("MQTT needs a broker.")})
        if self.host and not is_host(self.host):
            raise ValidationError({"host": gettext('"%s" is neither a host name nor an IP address.') % self.host})
        for name in ("base_topic", "discovery_prefix"):
            if not _TOPIC.fullmatch(getattr(self, name) or ""):
                raise ValidationError(
                    {name: gettext("Letters, digits, - and _ only; levels are separated by a slash.")}
                )
        for name in ("username", "password"):
            if "\x00" in getattr(self, name):
                raise ValidationError({name: gettext("It cannot contain such characters.")})
