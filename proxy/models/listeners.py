"""Listeners: ports for miners beside those of the proxy settings, or with more rules for those."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import POOL_KEY
from proxy.models.base import ConfigModel
from proxy.models.constraints import check, within
from proxy.models.pools import MAX_DIFFICULTY, Pool, is_host
from proxy.models.settings import ProxySettings, event_names, networks_of

MOST_LISTENERS = 200
_DIRECTIVE = re.compile(r"[dps]=", re.IGNORECASE)


class Listener(ConfigModel):
    """A port for miners, and what holds for those who come through it.

    A row with the port for miners of the proxy settings, or with their port for TLS, adds its rules to that port.
    """

    name = models.CharField(
        _("name"), max_length=80, unique=True, help_text=_("Your name for it, for example Rack 3 or Customer A.")
    )
    enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_("Off: the port is closed, and its miners are disconnected one after the other."),
    )
    host = models.CharField(
        _("address"),
        max_length=253,
        default="0.0.0.0",
        help_text=_("0.0.0.0 is every IPv4 address of this machine, :: also IPv6."),
    )
    port = models.PositiveIntegerField(
        _("port"),
        unique=True,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text=_("Each listener has a port of its own. It opens and closes without a restart."),
    )
    tls = models.BooleanField(_("TLS"), default=False, help_text=_("Miners connect with stratum+ssl://."))
    tls_certificate = models.CharField(
        _("certificate"),
        max_length=500,
        blank=True,
        help_text=_("Path of a PEM file with the certificate and its chain; empty: that of the proxy settings."),
    )
    tls_key = models.CharField(
        _("key of the certificate"),
        max_length=500,
        blank=True,
        help_text=_("Path of a PEM file without a password; empty if the key is in the certificate's file."),
    )
    proxy_networks = models.TextField(
        _("load balancers"),
        blank=True,
        help_text=_(
            "Addresses or networks whose connections begin with a header of the PROXY protocol, version 2 (HAProxy: "
            "send-proxy-v2). The miner's address is taken from it. Connections from there without it are closed; "
            "empty: there are none."
        ),
    )
    default_difficulty = models.FloatField(
        _("default difficulty"),
        null=True,
        blank=True,
        help_text=_("Suggested to the pools for a miner that suggests none itself; empty: the pool decides."),
    )
    least_difficulty = models.FloatField(
        _("least difficulty"),
        null=True,
        blank=True,
        help_text=_(
            "No miner gets less. Shares between the pool's difficulty and this one earn no credit; empty: no limit."
        ),
    )
    allow = models.TextField(
        _("where from"),
        blank=True,
        help_text=_(
            "Addresses or networks that miners may connect from, separated by commas or lines; empty: as in the proxy "
            "settings."
        ),
    )
    password = models.CharField(
        _("access password"),
        max_length=64,
        blank=True,
        help_text=_(
            "If set, only miners whose own password is this one, or contains it as in secret,d=1000, are accepted; "
            "empty: as in the proxy settings."
        ),
    )
    difficulty_directive = models.BooleanField(
        _("d= difficulty"),
        default=False,
        help_text=_("A miner may ask for its difficulty in its password, as in d=1000, within the limits here."),
    )
    most_difficulty = models.FloatField(
        _("most difficulty for d="), null=True, blank=True, help_text=_("Empty: no limit.")
    )
    pin_directive = models.BooleanField(
        _("p= pool"), default=False, help_text=_("A miner may choose its pool in its password, as in p=B.")
    )
    directive_pools = models.CharField(
        _("pools for p="),
        max_length=500,
        blank=True,
        help_text=_("Keys, separated by commas; empty: the pools of the schedule that the miner follows."),
    )
    split_directive = models.BooleanField(
        _("s= split"),
        default=False,
        help_text=_(
            "A miner may choose its own split in its password, as in s=70:30: a part for each pool of the schedule "
            "that it follows, in their order."
        ),
    )
    split_least = models.FloatField(
        _("least part for s="),
        default=0.0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_("Percent that each pool gets at least."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("listener"), _("listeners")
        ordering = ["port"]
        constraints = [
            within("listener_port_range", "port", 1, 65535, _("A port is a number from 1 to 65535.")),
            check("listener_host_given", ~Q(host=""), _("Give an IP address of this machine, or 0.0.0.0 for all.")),
            *(
                check(
                    f"listener_{name}_positive",
                    Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0, f"{name}__lt": MAX_DIFFICULTY}),
                    _("A difficulty must be a number above 0."),
                )
                for name in ("default_difficulty", "least_difficulty", "most_difficulty")
            ),
            check(
                "listener_least_not_above_most",
                Q(least_difficulty__isnull=True)
                | Q(most_difficulty__isnull=True)
                | Q(least_difficulty__lte=F("most_difficulty")),
                _("The least difficulty is above the most."),
            ),
            within("listener_split_least_range", "split_least", 0, 100, _("This is a percentage, 0 to 100.")),
        ]

    def __str__(self) -> str:
        return self.name

    def check_rules(self) -> None:
        """The address must be one, the port free of our own, networks and pools must exist."""
        if not is_host(self.host or ""):
            raise ValidationError({"host": gettext("Give an IP address of this machine, or 0.0.0.0 for all of them.")})
        self._check_port(ProxySettings.load())
        for name in ("proxy_networks", "allow"):
            try:
                networks = networks_of(getattr(self, name))
            except ValueError as error:
                raise ValidationError({name: gettext("This is no network: %s") % error}) from error
            if name == "proxy_networks" and any(network.prefixlen == 0 for network in networks):
                raise ValidationError(
                    {name: gettext("All addresses cannot be load balancers: anybody could then have any address.")}
                )
        if re.search(r"[\s,;]", self.password or "") or _DIRECTIVE.match(self.password or ""):
            raise ValidationError(
                {"password": gettext("It cannot contain commas, semicolons or blanks, nor begin with d=, p= or s=.")}
            )
        self._check_pools()
        if self._state.adding and type(self).objects.count() >= MOST_LISTENERS:
            raise ValidationError(gettext("There are %d listeners, more are not possible.") % MOST_LISTENERS)

    def _check_port(self, settings: ProxySettings) -> None:
        taken = {settings.web_port: gettext("pages"), settings.metrics_port: gettext("metrics")}
        if self.port in taken:
            raise ValidationError({"port": gettext("This port is that of the %s.") % taken[self.port]})
        if self.port in (settings.stratum_port, settings.tls_port) and self.host != settings.stratum_host:
            raise ValidationError(
                {"host": gettext("The proxy settings have this port, with the address %s.") % settings.stratum_host}
            )
        if self.port == settings.tls_port and not self.tls:
            raise ValidationError({"tls": gettext("The proxy settings have this port for TLS.")})
        if self.tls and not (self.tls_certificate or settings.tls_certificate):
            raise ValidationError({"tls_certificate": gettext("TLS for miners needs a certificate.")})

    def _check_pools(self) -> None:
        keys = event_names(self.directive_pools)
        known = set(Pool.objects.filter(key__in=keys).values_list("key", flat=True))
        unknown = [key for key in keys if not POOL_KEY.fullmatch(key) or key not in known]
        if unknown:
            raise ValidationError({"directive_pools": gettext("There is no pool %s.") % ", ".join(unknown)[:80]})
