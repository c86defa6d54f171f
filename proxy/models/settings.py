"""The settings of the whole proxy: exactly one row. Its fields carry the names of the core's dataclasses."""

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import HealthConfig, Limits, Listeners, LogConfig
from proxy.models.base import SingleRow
from proxy.models.constraints import check, single_row, within
from proxy.models.labels import LevelChoice
from proxy.models.pools import is_host

_LIMITS, _HEALTH, _LISTEN, _LOG = Limits(), HealthConfig(), Listeners(), LogConfig()
LEAST_FILE_BYTES, MOST_FILE_BYTES, LEAST_FILES, MOST_FILES, MOST_SERIES = 10_000, 2_000_000_000, 2, 1000, 1000
LEAST_INPUT, LEAST_LINES, MOST_INPUT = 4_096, 20, 1_000_000_000
LEAST_DIALS, MOST_DIALS = 1.0, 10_000.0
"""A handshake of several calls fits in one second."""
_PORT = [MinValueValidator(1), MaxValueValidator(65535)]
_EVENT_NAME = re.compile(r"[a-z0-9_]{1,80}")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_RESTART = _("Needs a restart of the proxy.")


class ProxySettings(SingleRow):
    """Listeners, limits, pool health, logging and metrics."""

    stratum_host = models.CharField(
        _("miners: address"),
        max_length=253,
        default=_LISTEN.stratum_host,
        help_text=_("0.0.0.0 is every IPv4 address of this machine, :: also IPv6. Needs a restart of the proxy."),
    )
    stratum_port = models.PositiveIntegerField(
        _("miners: port"), default=_LISTEN.stratum_port, validators=_PORT, help_text=_RESTART
    )
    tls_port = models.PositiveIntegerField(
        _("miners: port with TLS"),
        default=_LISTEN.tls_port,
        validators=[MaxValueValidator(65535)],
        help_text=_(
            "For miners that are set to stratum+ssl://, beside the port without TLS; 0: none. 3352 is free on most "
            "machines. Needs a restart of the proxy."
        ),
    )
    tls_certificate = models.CharField(
        _("certificate for miners"),
        max_length=500,
        blank=True,
        default=_LISTEN.tls_certificate,
        help_text=_(
            "Path of a PEM file on this machine with the certificate and its chain. It is read again when it changes."
        ),
    )
    tls_key = models.CharField(
        _("key of the certificate"),
        max_length=500,
        blank=True,
        default=_LISTEN.tls_key,
        help_text=_("Path of a PEM file without a password; empty if the key is in the certificate's file."),
    )
    web_host = models.CharField(_("pages: address"), max_length=253, default=_LISTEN.web_host, help_text=_RESTART)
    web_port = models.PositiveIntegerField(
        _("pages: port"), default=_LISTEN.web_port, validators=_PORT, help_text=_RESTART
    )
    metrics_enabled = models.BooleanField(
        _("metrics for Prometheus"), default=_LISTEN.metrics_enabled, help_text=_RESTART
    )
    metrics_host = models.CharField(
        _("metrics: address"),
        max_length=253,
        default=_LISTEN.metrics_host,
        help_text=_(
            "127.0.0.1 is this machine alone; 0.0.0.0 lets Prometheus on another machine read them, without a login. "
            "Needs a restart of the proxy."
        ),
    )
    metrics_port = models.PositiveIntegerField(
        _("metrics: port"), default=_LISTEN.metrics_port, validators=_PORT, help_text=_RESTART
    )

    max_sessions = models.PositiveIntegerField(
        _("maximum miners"),
        default=_LIMITS.max_sessions,
        help_text=_("Connections accepted at the same time. 0: as many as the machine has room for."),
    )
    max_sessions_per_address = models.PositiveIntegerField(
        _("maximum miners per address"),
        default=_LIMITS.max_sessions_per_address,
        help_text=_("A farm behind one router shares its address. 0: half of the maximum."),
    )
    connects_per_minute = models.PositiveIntegerField(
        _("new connections per address and minute"),
        default=_LIMITS.connects_per_minute,
        help_text=_(
            "Also so many at once: after a power cut all miners of a farm come back together. 0: twice the maximum per "
            "address, at least 2,000."
        ),
    )
    subscribe_timeout_s = models.FloatField(
        _("first message timeout"),
        default=_LIMITS.subscribe_timeout_s,
        help_text=_("Seconds; a connection that has not begun to log in by then is closed."),
    )
    handshake_timeout_s = models.FloatField(
        _("authorise timeout"),
        default=_LIMITS.handshake_timeout_s,
        help_text=_("Seconds; a connection that has not authorised by then is closed."),
    )
    max_workers = models.PositiveIntegerField(
        _("workers remembered"),
        default=_LIMITS.max_workers,
        help_text=_("Workers whose estimates and counters are kept in memory; at least as many as miners may connect."),
    )
    dials_per_s = models.FloatField(
        _("new pool connections per second"),
        default=_LIMITS.dials_per_s,
        validators=[MinValueValidator(LEAST_DIALS)],
        help_text=_("To each pool, for new miners of one address. Miners that have had an accepted share do not wait."),
    )
    input_bytes_per_s = models.PositiveIntegerField(
        _("bytes read per second"),
        default=_LIMITS.input_bytes_per_s,
        validators=[MinValueValidator(LEAST_INPUT)],
        help_text=_(
            "Of one miner's connection. A busy miner sends a few hundred. One that sends more than this is read more "
            "slowly; accepted shares do not count."
        ),
    )
    input_burst_bytes = models.PositiveIntegerField(
        _("bytes read at once"),
        default=_LIMITS.input_burst_bytes,
        validators=[MinValueValidator(LEAST_INPUT)],
        help_text=_("After a pause, before the connection is read more slowly."),
    )
    input_lines_per_s = models.PositiveIntegerField(
        _("lines read per second"),
        default=_LIMITS.input_lines_per_s,
        validators=[MinValueValidator(LEAST_LINES)],
        help_text=_("Of one miner's connection. Accepted shares do not count."),
    )
    miner_allow = models.TextField(
        _("miners: where from"),
        blank=True,
        default="",
        help_text=_(
            "Addresses or networks such as 192.168.1.0/24, separated by commas or lines, that miners may connect from; "
            "empty for all that reach the port. This machine always may."
        ),
    )
    miner_password = models.CharField(
        _("miners: password"),
        max_length=64,
        blank=True,
        default="",
        help_text=_(
            "If set, only miners whose own password is this one are accepted (NerdMiner takes 19 characters at most). "
            "Requests to the pool may follow it in the miner, as in secret,d=1000; the pool does not see this password."
        ),
    )

    rise = models.PositiveIntegerField(
        _("up after"),
        default=_HEALTH.rise,
        help_text=_("Good connections in a row until a pool that was down counts as up."),
    )
    fall = models.PositiveIntegerField(
        _("down after"), default=_HEALTH.fall, help_text=_("Failed connections in a row until a pool counts as down.")
    )
    dial_timeout_s = models.FloatField(_("connect timeout"), default=_HEALTH.dial_timeout_s, help_text=_("Seconds."))
    backoff_min_s = models.FloatField(
        _("shortest wait before a retry"),
        default=_HEALTH.backoff_min_s,
        help_text=_("Seconds; doubled with each failure."),
    )
    backoff_max_s = models.FloatField(
        _("longest wait before a retry"), default=_HEALTH.backoff_max_s, help_text=_("Seconds.")
    )
    request_stall_s = models.FloatField(
        _("answer timeout"),
        default=_HEALTH.request_stall_s,
        help_text=_(
            "Seconds; a pool that leaves a request open this long and sends nothing has stalled. A pool whose "
            "answers take "
            "long gets three times as long as they took, up to a minute."
        ),
    )
    job_stall_min_s = models.FloatField(
        _("minimum time without a job"),
        default=_HEALTH.job_stall_min_s,
        help_text=_(
            "Seconds; a pool without a new job for three times its usual gap, and at least this long, is probed."
        ),
    )
    returns_per_s = models.FloatField(
        _("miners that return per second"),
        default=_HEALTH.returns_per_s,
        help_text=_("After a pool's recovery miners go back to it at this rate, not all at once."),
    )
    no_pool_minutes = models.FloatField(
        _("minutes without any pool"),
        default=_HEALTH.no_pool_minutes,
        help_text=_(
            "After so long without any working pool, miners are disconnected and refused, so that the fallback pool "
            "set in the miner itself can take over, until a pool works again. 0: miners are always kept."
        ),
    )

    metrics_allow = models.TextField(
        _("metrics: allowed addresses"),
        blank=True,
        default=_LISTEN.metrics_allow,
        help_text=_(
            "Addresses or networks such as 192.168.1.0/24, separated by commas or newlines; empty for all that reach "
            "the port. This machine always may. Needs a restart of the proxy."
        ),
    )

    log_level = models.CharField(
        _("log level"),
        max_length=8,
        choices=LevelChoice,
        default=LevelChoice.INFO,
        help_text=_("The environment variable DPMP_LOG_LEVEL overrides this if set."),
    )
    log_allow = models.TextField(
        _("events always logged"),
        blank=True,
        help_text=_(
            "Names, separated by commas or newlines, written whatever their level. The environment variable "
            "DPMP_LOG_ALLOW overrides this if set."
        ),
    )
    log_deny = models.TextField(
        _("events never logged"),
        blank=True,
        help_text=_(
            "Names, separated by commas or newlines. The environment variable DPMP_LOG_DENY overrides this if set."
        ),
    )
    file_bytes = models.PositiveIntegerField(
        _("maximum size of a log file"),
        default=_LOG.file_bytes,
        validators=[MinValueValidator(LEAST_FILE_BYTES), MaxValueValidator(MOST_FILE_BYTES)],
        help_text=_("Bytes; 10000000 are 10 MB. Before the file grows beyond this, a new one is started."),
    )
    file_count = models.PositiveIntegerField(
        _("log files kept"),
        default=_LOG.file_count,
        validators=[MinValueValidator(LEAST_FILES), MaxValueValidator(MOST_FILES)],
        help_text=_("The current one included; older ones are deleted."),
    )
    redact_wallets = models.BooleanField(
        _("no wallets in the log"),
        default=_LOG.redact_wallets,
        help_text=_("Writes [wallet] in place of addresses and account names. Passwords are never written."),
    )
    worker_series = models.PositiveIntegerField(
        _("workers with metrics of their own"),
        default=0,
        validators=[MaxValueValidator(MOST_SERIES)],
        help_text=_(
            "Those with the highest hash rates, at most 1000; 0 for none. Each has several series in Prometheus, and "
            "everybody who reaches the metrics port can read its name."
        ),
    )

    update_feed = models.CharField(
        _("feed of releases"),
        max_length=300,
        blank=True,
        default="",
        help_text=_(
            "Empty: nobody is asked. An address that is asked once a day for the newest version; administrators are "
            "told on Home and here. It may answer as GitHub's or Forgejo's .../releases/latest, as a package index, or "
            'with {"version": "4.1.0", "url": "https://..."}.'
        ),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("proxy settings"), _("proxy settings")
        constraints = [
            single_row("settings_single_row"),
            *(
                within(f"settings_{name}_range", name, 1, 65535, _("A port is a number from 1 to 65535."))
                for name in ("stratum_port", "web_port", "metrics_port")
            ),
            *(
                check(f"settings_{name}_positive", Q(**{f"{name}__gt": 0}), _("This must be above 0."))
                for name in (
                    "subscribe_timeout_s",
                    "handshake_timeout_s",
                    "max_workers",
                    "rise",
                    "fall",
                    "dial_timeout_s",
                    "backoff_min_s",
                    "request_stall_s",
                    "job_stall_min_s",
                    "returns_per_s",
                )
            ),
            check(
                "settings_tls_certificate",
                Q(tls_port__lte=65535) & (Q(tls_port=0) | ~Q(tls_certificate="")),
                _("TLS for miners needs a port up to 65535 and a certificate."),
            ),
            check("settings_no_pool_minutes_positive", Q(no_pool_minutes__gte=0), _("This must be 0 or more.")),
            check(
                "settings_backoff_order",
                Q(backoff_max_s__gte=F("backoff_min_s")),
                _("The longest wait is below the shortest."),
            ),
            *(
                within(f"settings_{name}_range", name, least, most, _("That is too small or too large a number."))
                for name, least, most in (
                    ("file_bytes", LEAST_FILE_BYTES, MOST_FILE_BYTES),
                    ("file_count", LEAST_FILES, MOST_FILES),
                    ("worker_series", 0, MOST_SERIES),
                    ("dials_per_s", LEAST_DIALS, MOST_DIALS),
                    ("input_bytes_per_s", LEAST_INPUT, MOST_INPUT),
                    ("input_burst_bytes", LEAST_INPUT, MOST_INPUT),
                    ("input_lines_per_s", LEAST_LINES, MOST_INPUT),
                )
            ),
            check("settings_log_level_known", Q(log_level__in=LevelChoice.values), _("That log level is not known.")),
        ]

    def __str__(self) -> str:
        return gettext("proxy settings")

    def check_rules(self) -> None:
        """Check that hosts are addresses, ports differ and event names are well formed."""
        for name in ("stratum_host", "web_host", "metrics_host"):
            if not is_host(getattr(self, name) or ""):
                raise ValidationError(
                    {name: gettext("Give an IP address of this machine, or 0.0.0.0 for all of them.")}
                )
        ports = [self.stratum_port, self.web_port, *([self.metrics_port] if self.metrics_enabled else [])]
        if self.tls_port:
            ports.append(self.tls_port)
            if not self.tls_certificate:
                raise ValidationError({"tls_certificate": gettext("TLS for miners needs a certificate.")})
        if len(set(ports)) < len(ports):
            raise ValidationError(gettext("Miners, pages and metrics need a port each: two are the same."))
        self._check_listeners()
        for name in ("metrics_allow", "miner_allow"):
            try:
                networks_of(getattr(self, name))
            except ValueError as error:
                raise ValidationError({name: gettext("This is no network: %s") % error}) from error
        if self.update_feed and not _is_feed(self.update_feed):
            raise ValidationError({"update_feed": gettext("This is no http or https address.")})
        if re.search(r"[\s,;]", self.miner_password or ""):
            raise ValidationError({"miner_password": gettext("It cannot contain commas, semicolons or blanks.")})
        for name in ("log_allow", "log_deny"):
            wrong = [event for event in event_names(getattr(self, name)) if not _EVENT_NAME.fullmatch(event)]
            if wrong:
                raise ValidationError({name: gettext('"%s" is no name of an event.') % wrong[0]})

    def _check_listeners(self) -> None:
        """Pages and metrics cannot have the port of a listener."""
        from proxy.models.listeners import Listener  # it refers to these settings

        for row in Listener.objects.filter(port__in=[self.web_port, self.metrics_port]):
            raise ValidationError(
                gettext('The listener "%(name)s" has port %(port)d.') % {"name": row.name, "port": row.port}
            )


def networks_of(text: str) -> list[Network]:
    """The networks in a list separated by commas, spaces or newlines; a single address is a network of one.

    Raises:
        ValueError: one is none, ``192.168.1.7/24`` (bits after the mask) included.
    """
    return [ipaddress.ip_network(word) for word in event_names(text)]


def event_names(text: str) -> list[str]:
    """The names in a list separated by commas, spaces or newlines; each once, in order."""
    return list(dict.fromkeys(re.split(r"[\s,;]+", text.strip()))) if text and text.strip() else []


def _is_feed(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isascii() and text.isprintable()
    except ValueError:
        return False
