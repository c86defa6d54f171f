"""Vardiff rules: another aim of the proxy's own difficulty for the miners of a listener or of a firmware."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.models.base import ConfigModel
from proxy.models.constraints import check, within
from proxy.models.firmware import profile_choices
from proxy.models.listeners import Listener
from proxy.models.pools import MAX_DIFFICULTY
from proxy.stratum.firmware import BY_NAME

MOST_RULES = 200


class VardiffRule(ConfigModel):
    """What some miners of shared connections get in place of their pool's aim."""

    name = models.CharField(
        _("name"), max_length=80, unique=True, help_text=_("Your name for it, for example Avalons of rack 3.")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    listener = models.ForeignKey(
        Listener,
        verbose_name=_("listener"),
        on_delete=models.CASCADE,
        related_name="vardiff_rules",
        null=True,
        blank=True,
        help_text=_("For miners that come through it; empty: through any."),
    )
    profile = models.CharField(
        _("firmware"),
        max_length=32,
        blank=True,
        choices=profile_choices,
        help_text=_("For miners with it; empty: with any."),
    )
    shares_per_minute = models.FloatField(
        _("shares a minute"),
        null=True,
        blank=True,
        help_text=_("How many a miner is to find; empty: as the pool says."),
    )
    least_difficulty = models.FloatField(
        _("least difficulty"),
        null=True,
        blank=True,
        help_text=_("Beside the limits of the pool, the listener and the firmware; empty: none."),
    )
    most_difficulty = models.FloatField(
        _("most difficulty"), null=True, blank=True, help_text=_("Beside the pool's; empty: none.")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("vardiff rule"), _("vardiff rules")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["listener", "profile"], name="vardiff_rule_for_both_once"),
            models.UniqueConstraint(
                fields=["profile"], condition=Q(listener__isnull=True), name="vardiff_rule_for_firmware_once"
            ),
            check(
                "vardiff_rule_is_for_somebody",
                Q(listener__isnull=False) | ~Q(profile=""),
                _("Choose a listener, a firmware, or both: what holds for all miners is set at the pool."),
            ),
            check(
                "vardiff_rule_says_something",
                Q(shares_per_minute__isnull=False)
                | Q(least_difficulty__isnull=False)
                | Q(most_difficulty__isnull=False),
                _("Give shares a minute, a least or a most difficulty."),
            ),
            within("vardiff_rule_aim", "shares_per_minute", 0.1, 600, _("The aim is from 0.1 to 600 shares a minute.")),
            *(
                check(
                    f"vardiff_rule_{name}_positive",
                    Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0, f"{name}__lt": MAX_DIFFICULTY}),
                    _("A difficulty must be a number above 0."),
                )
                for name in ("least_difficulty", "most_difficulty")
            ),
            check(
                "vardiff_rule_least_not_above_most",
                Q(least_difficulty__isnull=True)
                | Q(most_difficulty__isnull=True)
                | Q(least_difficulty__lte=F("most_difficulty")),
                _("The least difficulty is above the most."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def check_rules(self) -> None:
        """The profile must exist, and no other rule be for the same miners."""
        if self.profile and self.profile not in BY_NAME:
            raise ValidationError({"profile": gettext('There is no profile "%s".') % self.profile})
        others = type(self).objects.filter(listener=self.listener_id, profile=self.profile).exclude(pk=self.pk)
        if other := others.first():
            raise ValidationError(gettext("%s is for the same miners: change that one.") % other)
        if self._state.adding and type(self).objects.count() >= MOST_RULES:
            raise ValidationError(gettext("There are %d rules, more are not possible.") % MOST_RULES)
