"""Miners that are asked for facts of their own, what they said, and where they are looked for."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import DevicesConfig
from proxy.devices.facts import Api
from proxy.devices.networks import NetworkError, networks_of
from proxy.models.base import SingleRow
from proxy.models.constraints import check, single_row, within

_DEFAULT = DevicesConfig()
LEAST_INTERVAL_S, MOST_INTERVAL_S = 10.0, 3600.0


class DeviceSettings(SingleRow):
    """Whether miners are asked, and where they are looked for."""

    enabled = models.BooleanField(_("ask the miners"), default=False)
    networks = models.CharField(
        _("networks"),
        max_length=500,
        blank=True,
        default="",
        help_text=_(
            "Where miners may be looked for, such as 192.168.1.0/24; several are separated by commas. Private networks "
            "only, 4096 addresses at most."
        ),
    )
    mdns = models.BooleanField(
        _("listen for announcements"),
        default=_DEFAULT.mdns,
        help_text=_("Newer AxeOS tells its network that it is there (mDNS); in these networks it is found by itself."),
    )
    interval_s = models.FloatField(
        _("interval"),
        default=_DEFAULT.interval_s,
        validators=[MinValueValidator(LEAST_INTERVAL_S), MaxValueValidator(MOST_INTERVAL_S)],
        help_text=_("Seconds between two questions to the same miner."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("miners' own facts"), _("miners' own facts")
        constraints = [
            single_row("devices_single_row"),
            within(
                "devices_interval_range",
                "interval_s",
                LEAST_INTERVAL_S,
                MOST_INTERVAL_S,
                _("The interval is from 10 seconds to an hour."),
            ),
        ]

    def __str__(self) -> str:
        return gettext("Miners' own facts")

    def check_rules(self) -> None:
        """Check that the networks are private ones, and not too many."""
        try:
            networks_of(self.networks or "")
        except NetworkError:
            raise ValidationError(
                {
                    "networks": gettext(
                        "Write private networks as 192.168.1.0/24, separated by commas, with 4096 addresses together "
                        "at most."
                    )
                }
            ) from None


class FoundBy(models.TextChoices):
    """How a miner came into the list."""

    SCAN = "scan", _("scan")
    MDNS = "mdns", _("announcement")
    HAND = "hand", _("by hand")


class Device(models.Model):
    """A miner that is asked. No configuration: it is found, and the proxy notices its rows by itself."""

    address = models.GenericIPAddressField(_("address"))
    port = models.PositiveIntegerField(_("port"), validators=[MinValueValidator(1), MaxValueValidator(65535)])
    api = models.CharField(_("API"), max_length=10, choices=[(each.value, each.value) for each in Api])
    name = models.CharField(_("name"), max_length=64, blank=True, default="")
    worker = models.CharField(
        _("worker"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Only where the proxy cannot see the miner's address; else it finds the worker itself."),
    )
    found_by = models.CharField(_("found by"), max_length=10, choices=FoundBy.choices, default=FoundBy.HAND)
    found_at = models.DateTimeField(_("found"), auto_now_add=True)
    before = models.JSONField(_("pool before"), null=True, blank=True, default=None)

    class Meta:
        verbose_name, verbose_name_plural = _("miner"), _("miners")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["address", "port"], name="device_once"),
            check("device_port_range", Q(port__gte=1, port__lte=65535), _("A port is a number from 1 to 65535.")),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.address}:{self.port}"


class DeviceSample(models.Model):
    """What a miner said at a time, for charts; kept for a week."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="samples")
    at = models.BigIntegerField()
    """Unix seconds, the beginning of its ten minutes."""
    power_w = models.FloatField(null=True)
    temperature_c = models.FloatField(null=True)
    hashrate = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "at"], name="device_sample_once")]
        indexes = [models.Index(fields=["at"], name="device_sample_at")]

    def __str__(self) -> str:
        return f"{self.device_id} {self.at}"


class DeviceScan(models.Model):
    """A scan that somebody asked for."""

    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    hosts = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.asked_at:%F %T}"
