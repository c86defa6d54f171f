"""Whom alerts go to, by which rules, and what was sent."""

from datetime import time

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.models.base import ConfigModel, SingleRow
from proxy.models.constraints import check, single_row, within
from proxy.models.field_rules import check_time_zone, check_worker_patterns
from proxy.models.labels import choices_of, values_of

_DEFAULT = AlertConfig()
LOCAL_SERVICES = frozenset({"dbus", "glib", "kde", "qt", "gnome", "macosx", "windows", "syslog"})
"""Apprise services that show something on the proxy's own machine, where nobody would see it."""
BROWSER_SCHEME = "webpush"
"""Scheme of targets that are browsers; the rest of such an address names a ``PushSubscription``."""


def is_browser(url: str) -> bool:
    """Whether the address of a target is that of a browser, which Apprise knows nothing of."""
    return url.startswith(f"{BROWSER_SCHEME}:")


class DeliveryState(models.TextChoices):
    """Delivery state of a message."""

    WAITING = "waiting", _("waiting")
    SENT = "sent", _("sent")
    FAILED = "failed", _("given up")


class AlertTarget(ConfigModel):
    """An alert target as an Apprise address, which may hold passwords and tokens: it is a secret."""

    label = models.CharField(_("label"), max_length=80, unique=True, help_text=_("Your name for it."))
    url = models.CharField(
        _("address"),
        max_length=1000,
        help_text=_(
            "As Apprise writes it, for example mailto://user:password@example.org, tgram://token/chat, ntfy://topic, "
            "discord://id/token, json://host/path. It is not shown again."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    is_browser_to_be = False
    """Whether its subscription is saved next."""

    class Meta:
        verbose_name, verbose_name_plural = _("alert target"), _("alert targets")
        ordering = ["label"]
        constraints = [check("alert_target_url_given", ~Q(url=""), _("Give the address."))]

    def __str__(self) -> str:
        return self.label

    @property
    def scheme(self) -> str:
        """The kind of service, the only part of the address that is no secret."""
        return self.url.partition("://")[0]

    @property
    def is_browser(self) -> bool:
        """Whether it is a browser: those are made and removed on a person's account page."""
        return self.scheme == BROWSER_SCHEME

    def check_rules(self) -> None:
        """Apprise must understand the address, unless it is that of a browser."""
        self.url = (self.url or "").strip()
        if self.is_browser and (self.is_browser_to_be or hasattr(self, "subscription")):
            return
        from apprise import Apprise  # 0.3 s that no other command should spend

        if self.scheme.lower() in LOCAL_SERVICES:
            raise ValidationError({"url": gettext("That would show the alert on the screen of this machine only.")})
        if not self.url or Apprise.instantiate(self.url, suppress_exceptions=True) is None:
            raise ValidationError({"url": gettext("Apprise does not understand this address.")})


class AlertRule(ConfigModel):
    """When and whom to notify about one kind of event."""

    kind = models.CharField(_("about"), max_length=20, choices=choices_of(AlertKind), unique=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    threshold = models.FloatField(
        _("threshold"),
        default=0.0,
        help_text=_(
            "Minutes for shares that do not come, percent for hash rate and refused shares, difficulty for best shares."
        ),
    )
    delay_s = models.FloatField(
        _("delay"),
        default=0.0,
        validators=[MinValueValidator(0), MaxValueValidator(86400)],
        help_text=_("Seconds; anything shorter is not reported unless it keeps happening."),
    )
    quiet_from = models.TimeField(
        _("quiet from"),
        null=True,
        blank=True,
        help_text=_("Messages wait during quiet hours and come as one afterwards."),
    )
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    recovery = models.BooleanField(_("notify when it is over"), default=True)
    workers = models.CharField(
        _("workers"),
        max_length=500,
        default="*",
        help_text=_(
            "For rules about workers: name pattern with * and ?, several separated by commas. * means all workers."
        ),
    )
    targets = models.ManyToManyField(
        AlertTarget,
        blank=True,
        related_name="rules",
        verbose_name=_("targets"),
        help_text=_("None chosen: all targets."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("alert rule"), _("alert rules")
        ordering = ["id"]
        constraints = [
            check("alert_rule_kind_known", Q(kind__in=values_of(AlertKind)), _("That kind of alert is not known.")),
            check(
                "alert_rule_threshold", Q(threshold__gte=0, threshold__lt=1e18), _("The threshold must be 0 or more.")
            ),
            within("alert_rule_delay", "delay_s", 0, 86400, _("The delay is 0 seconds to a day.")),
            check(
                "alert_rule_quiet_pair",
                Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                _("Quiet hours need both times, or none."),
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    def check_rules(self) -> None:
        """Check that percentages are percentages, minutes at least 1, and no pattern empty."""
        percent = self.kind in (AlertKind.HASHRATE_DROP, AlertKind.REJECT_RATE)
        if percent and not 0 < self.threshold < 100:
            raise ValidationError({"threshold": gettext("This is a percentage above 0 and below 100.")})
        if self.kind in (AlertKind.NO_SHARES, AlertKind.WORKER_SILENT) and self.threshold < 1:
            raise ValidationError({"threshold": gettext("Give it 1 minute at least.")})
        check_worker_patterns(self.workers)

    @classmethod
    def ensure(cls) -> None:
        """Make the rules that are missing, as ``proxy.alerts.DEFAULT_RULES`` has them."""
        known = set(cls.objects.values_list("kind", flat=True))
        for rule in DEFAULT_RULES:
            if rule.kind.value not in known:
                cls(kind=rule.kind.value, threshold=rule.threshold, delay_s=rule.delay_s).save()


class AlertSettings(SingleRow):
    """How much may be sent, and in which time zone; exactly one row."""

    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("For quiet hours, summaries and the times in messages, for example Europe/Berlin."),
    )
    summary_at = models.TimeField(_("time of summaries"), default=time(8, 0))
    group_s = models.FloatField(
        _("group within"),
        default=_DEFAULT.group_s,
        help_text=_("Seconds; messages for the same target within this time become one."),
    )
    max_per_hour = models.PositiveIntegerField(
        _("maximum messages per hour"),
        default=_DEFAULT.max_per_hour,
        help_text=_("Per target; further messages wait and come as one. Found blocks and summaries always go out."),
    )
    flaps = models.PositiveIntegerField(
        _("flapping from"),
        default=_DEFAULT.flaps,
        help_text=_("This many failures within an hour are reported once; then nothing is sent until it is stable."),
    )
    calm_s = models.FloatField(_("stable after"), default=_DEFAULT.calm_s, help_text=_("Seconds without a change."))

    class Meta:
        verbose_name, verbose_name_plural = _("alert settings"), _("alert settings")
        constraints = [
            single_row("alert_settings_single_row"),
            within("alert_settings_group", "group_s", 0, 3600, _("Group within 0 to 3600 seconds.")),
            within("alert_settings_rate", "max_per_hour", 1, 1000, _("Allow 1 to 1000 messages an hour.")),
            within("alert_settings_flaps", "flaps", 2, 50, _("Flapping begins at 2 to 50 failures an hour.")),
            within("alert_settings_calm", "calm_s", 10, 86400, _("Stable after 10 seconds to a day.")),
        ]

    def __str__(self) -> str:
        return gettext("alert settings")

    def check_rules(self) -> None:
        """Check that the time zone exists."""
        check_time_zone(self.time_zone)


class AlertDelivery(models.Model):
    """A message and its delivery."""

    target = models.ForeignKey(
        AlertTarget, models.SET_NULL, null=True, related_name="deliveries", verbose_name=_("target")
    )
    target_label = models.CharField(_("to"), max_length=80)
    kinds = models.CharField(_("about"), max_length=200, blank=True)
    level = models.CharField(_("level"), max_length=8, default="info")
    title = models.CharField(_("title"), max_length=250)
    body = models.TextField(_("text"), blank=True)
    at = models.DateTimeField(_("time"))
    state = models.CharField(_("state"), max_length=8, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=300, blank=True)
    node = models.CharField(_("node"), max_length=63, default="", blank=True, editable=False)
    """Which of several nodes delivers it."""

    class Meta:
        verbose_name, verbose_name_plural = _("alert sent"), _("alerts sent")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["-at"], name="alert_delivery_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.title}"
