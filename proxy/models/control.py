"""What the operator sets by hand: the slider, pins, traces; and the count of all changes."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import OverrideKind
from proxy.models.base import ConfigModel, keep_newest
from proxy.models.constraints import check
from proxy.models.labels import choices_of, values_of
from proxy.models.pools import Pool
from proxy.models.schedules import MAX_WEIGHT

MOST_OVERRIDES = 10_000


class WeightOverride(ConfigModel):
    """The slider, or auto-balance switched on by hand; the newest of those that have been cleared are its history."""

    kind = models.CharField(
        _("kind"), max_length=12, choices=choices_of(OverrideKind), default=OverrideKind.WEIGHTS.value
    )
    weights = models.JSONField(
        _("weights"),
        default=dict,
        blank=True,
        help_text=_('Pool key and weight, for example {"A": 70, "B": 30}. Empty for auto-balance.'),
    )
    set_by = models.CharField(_("set by"), max_length=150, blank=True)
    set_at = models.DateTimeField(_("set"), default=timezone.now)
    until = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: until it is cleared."))
    cleared_at = models.DateTimeField(_("cleared"), null=True, blank=True, help_text=_("Empty while it is in force."))
    cleared_by = models.CharField(_("cleared by"), max_length=150, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("weight override"), _("weight overrides")
        ordering = ["-set_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                models.ExpressionWrapper(Q(cleared_at__isnull=True), output_field=models.BooleanField()),
                condition=Q(cleared_at__isnull=True),
                name="override_one_active",
                violation_error_message=_("Another override is in force: clear it first."),
            ),
            check("override_kind_known", Q(kind__in=values_of(OverrideKind)), _("That kind is not known.")),
        ]

    def __str__(self) -> str:
        if self.kind == OverrideKind.AUTO_BALANCE:
            return gettext("auto-balance")
        return " ".join(f"{key} {weight:g}" for key, weight in self.weights.items())

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Clear overrides that have expired before a new one is saved."""
        with transaction.atomic():
            if self._state.adding and self.cleared_at is None:
                for old in type(self).objects.filter(cleared_at=None, until__lte=timezone.now()):
                    old.cleared_at = old.until
                    old.save()
            super().save(*args, **kwargs)

    @property
    def active(self) -> bool:
        """Whether it is neither cleared nor expired."""
        return self.cleared_at is None and (self.until is None or self.until > timezone.now())

    def clean(self) -> None:
        """Report in the form what the database would refuse."""
        super().clean()
        if self._state.adding and self.until is not None and self.until <= timezone.now():
            raise ValidationError({"until": gettext("That time has already passed.")})
        others = type(self).objects.filter(cleared_at=None).exclude(pk=self.pk)
        if self.cleared_at is None and any(other.active for other in others):
            raise ValidationError(gettext("Another override is in force: clear it first."))

    def check_rules(self) -> None:
        """Weights must be numbers of pools that exist, one of them above 0."""
        if self.kind == OverrideKind.AUTO_BALANCE:
            self.weights = {}
            return
        if not isinstance(self.weights, dict) or not all(_is_weight(weight) for weight in self.weights.values()):
            raise ValidationError({"weights": gettext("Give each pool a weight of 0 or more.")})
        if not any(self.weights.values()):
            raise ValidationError({"weights": gettext("At least one pool needs a weight above 0.")})
        if self.cleared_at is None:
            self._check_pools()

    def _check_pools(self) -> None:
        unknown = set(self.weights) - set(Pool.objects.filter(key__in=self.weights).values_list("key", flat=True))
        if unknown:
            raise ValidationError({"weights": gettext("There is no pool %s.") % ", ".join(sorted(unknown))})

    @classmethod
    def clear_active(cls, by: str) -> bool:
        """End the override in force, if any; whether there was one."""
        with transaction.atomic():
            current = cls.objects.select_for_update().filter(cleared_at__isnull=True).first()
            if current is None:
                return False
            current.cleared_at, current.cleared_by = timezone.now(), by
            current.save()
            return True

    @classmethod
    def put(
        cls, *, by: str, weights: dict[str, float] | None = None, until: datetime | None = None
    ) -> "WeightOverride":
        """Replace the override in force; no weights: auto-balance.

        Raises:
            ValidationError: the weights cannot be used; the old override stays.
        """
        with transaction.atomic():
            cls.clear_active(by)
            kind = OverrideKind.AUTO_BALANCE if weights is None else OverrideKind.WEIGHTS
            fresh = cls(kind=kind, weights=weights or {}, set_by=by, until=until)
            fresh.save()
            keep_newest(fresh, MOST_OVERRIDES)
            return fresh


def _is_weight(weight: object) -> bool:
    return isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight < MAX_WEIGHT


class WorkerPin(ConfigModel):
    """A worker that mines on one pool, whatever else is set."""

    worker = models.CharField(
        _("worker"),
        max_length=128,
        unique=True,
        help_text=_("The worker's name: the part of the miner's user name after the last dot."),
    )
    pool = models.ForeignKey(Pool, models.PROTECT, related_name="pins", verbose_name=_("pool"))
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("pinned worker"), _("pinned workers")
        ordering = ["worker"]
        constraints = [check("pin_worker_given", ~Q(worker=""), _("Name the worker."))]

    def __str__(self) -> str:
        return f"{self.worker} → {self.pool}"


class WorkerTrace(ConfigModel):
    """A worker whose raw traffic is logged for a while."""

    worker = models.CharField(_("worker"), max_length=128, unique=True)
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name, verbose_name_plural = _("traced worker"), _("traced workers")
        ordering = ["worker"]
        constraints = [check("trace_worker_given", ~Q(worker=""), _("Name the worker."))]

    def __str__(self) -> str:
        return self.worker


class ConfigRevision(models.Model):
    """One row: the number of the last change, and whether the proxy applied or refused it."""

    number = models.PositiveBigIntegerField(_("revision"), default=0)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    applied_revision = models.PositiveBigIntegerField(_("applied revision"), null=True, blank=True)
    applied_at = models.DateTimeField(_("applied"), null=True, blank=True)
    refused_revision = models.PositiveBigIntegerField(_("refused revision"), null=True, blank=True)
    problems = models.JSONField(_("problems"), default=list, blank=True)
    """Sentences; empty when the newest revision is in force."""

    class Meta:
        verbose_name, verbose_name_plural = _("configuration revision"), _("configuration revisions")
        constraints = [check("revision_single_row", Q(id=1), _("There is one revision counter."))]

    def __str__(self) -> str:
        return str(self.number)

    @classmethod
    def change(cls, **values: Any) -> None:
        """Write ``values`` (expressions too) into the one row, which is made when it is not there."""
        if not cls.objects.filter(pk=1).update(**values):
            cls.objects.get_or_create(pk=1)
            cls.objects.filter(pk=1).update(**values)

    @classmethod
    def bump(cls) -> None:
        """Count one change, in the caller's transaction."""
        cls.change(number=F("number") + 1, changed_at=timezone.now())
