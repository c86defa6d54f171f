"""Schedules: weights of pools by worker and time."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import ALL_WORKERS, DEFAULT_MIN_SWITCH_S, DEFAULT_SLICE_S, MIN_SWITCH_S_FLOOR, Mode, Policy
from proxy.models.base import ConfigModel
from proxy.models.constraints import check, within
from proxy.models.field_rules import check_time_zone, check_worker_patterns
from proxy.models.labels import choices_of, values_of
from proxy.models.listeners import Listener
from proxy.models.pools import Pool

ALL_DAYS = 0b1111111
MAX_WEIGHT = 1e9


class Schedule(ConfigModel):
    """Weights for pools, always or in windows of the week, for all workers or some."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    enabled = models.BooleanField(_("enabled"), default=True, help_text=_("Off: ignored."))
    is_default = models.BooleanField(
        _("default"),
        default=False,
        help_text=_("In force when no other schedule is. One schedule can be the default."),
    )
    mode = models.CharField(_("mode"), max_length=12, choices=choices_of(Mode), default=Mode.RATIO.value)
    policy = models.CharField(
        _("how miners are divided"), max_length=10, choices=choices_of(Policy), default=Policy.AUTOMATIC.value
    )
    min_switch_s = models.FloatField(
        _("minimum time between switches"),
        default=DEFAULT_MIN_SWITCH_S,
        help_text=_("Seconds, 5 or more. A miner stays this long on a pool, less where the weight is small."),
        validators=[MinValueValidator(MIN_SWITCH_S_FLOOR), MaxValueValidator(86400)],
    )
    slice_s = models.FloatField(
        _("shortest slice"),
        default=DEFAULT_SLICE_S,
        help_text=_(
            "Seconds that a miner stays at least, however small the weight; not above the minimum time between "
            "switches."
        ),
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", help_text=_("For the windows, for example Europe/Berlin.")
    )
    priority = models.IntegerField(
        _("priority"), default=0, help_text=_("The largest wins when the windows of two schedules overlap.")
    )
    workers = models.CharField(
        _("workers"),
        max_length=500,
        default=ALL_WORKERS,
        help_text=_("Name pattern with * and ?, several separated by commas. * means all workers."),
    )
    listener = models.ForeignKey(
        Listener,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="schedules",
        verbose_name=_("listener"),
        help_text=_(
            "A route: only miners that come through this listener follow the schedule, and for them it comes before "
            "schedules without a listener. The slider does not move them; a pin only to a pool of this schedule."
        ),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("schedule"), _("schedules")
        ordering = ["-priority", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="schedule_one_default",
                violation_error_message=_("Only one schedule can be the default."),
            ),
            within(
                "schedule_min_switch",
                "min_switch_s",
                MIN_SWITCH_S_FLOOR,
                86400,
                _("The minimum time between switches is 5 seconds or more, at most a day."),
            ),
            check("schedule_slice_positive", Q(slice_s__gt=0), _("The slice must be above 0 seconds.")),
            check(
                "schedule_slice_not_above_min_switch",
                Q(slice_s__lte=F("min_switch_s")),
                _("The slice is above the minimum time between switches."),
            ),
            check("schedule_mode_known", Q(mode__in=values_of(Mode)), _("That mode is not known.")),
            check("schedule_policy_known", Q(policy__in=values_of(Policy)), _("That policy is not known.")),
            check(
                "schedule_default_has_no_listener",
                Q(is_default=False) | Q(listener__isnull=True),
                _("The default schedule is for all listeners: leave the listener empty."),
            ),
            check("schedule_workers_given", ~Q(workers=""), _("Name the workers; * means all workers.")),
        ]

    def __str__(self) -> str:
        return self.name

    def check_rules(self) -> None:
        """The time zone must exist, and no worker pattern be empty."""
        check_time_zone(self.time_zone)
        check_worker_patterns(self.workers)


class Allocation(ConfigModel):
    """A pool's weight in a schedule."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="allocations", verbose_name=_("schedule"))
    pool = models.ForeignKey(Pool, models.PROTECT, related_name="allocations", verbose_name=_("pool"))
    weight = models.FloatField(
        _("weight"),
        default=50.0,
        validators=[MinValueValidator(0)],
        help_text=_("Relative to the others: 70 and 30, or 7 and 3. 0: none."),
    )
    position = models.PositiveSmallIntegerField(
        _("order"), default=0, help_text=_("For priority mode: the smallest first.")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("allocation"), _("allocations")
        ordering = ["position", "id"]
        constraints = [
            check("allocation_weight_range", Q(weight__gte=0, weight__lt=MAX_WEIGHT), _("A weight must be 0 or more.")),
            models.UniqueConstraint(
                fields=["schedule", "pool"],
                name="allocation_pool_once",
                violation_error_message=_("This pool has a weight in this schedule already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.weight:g}"


class Fallback(ConfigModel):
    """A pool for when all allocated pools of a schedule are down."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="fallbacks", verbose_name=_("schedule"))
    pool = models.ForeignKey(Pool, models.PROTECT, related_name="fallbacks", verbose_name=_("pool"))
    position = models.PositiveSmallIntegerField(_("order"), default=0, help_text=_("The smallest is used first."))

    class Meta:
        verbose_name, verbose_name_plural = _("fallback pool"), _("fallback pools")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "pool"],
                name="fallback_pool_once",
                violation_error_message=_("This pool is a fallback already."),
            )
        ]

    def __str__(self) -> str:
        return str(self.pool)


class ScheduleWindow(ConfigModel):
    """A part of the week in which a schedule is in force."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="windows", verbose_name=_("schedule"))
    weekdays = models.PositiveSmallIntegerField(
        _("days"), default=ALL_DAYS, help_text=_("The days on which the window starts.")
    )
    """Bit 0 is Monday."""
    start = models.TimeField(_("from"))
    end = models.TimeField(_("until"), help_text=_("At or before the start: the window ends on the next day."))

    class Meta:
        verbose_name, verbose_name_plural = _("window"), _("windows")
        ordering = ["start", "id"]
        constraints = [within("window_has_days", "weekdays", 1, ALL_DAYS, _("Choose at least one day of the week."))]

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    @property
    def days(self) -> frozenset[int]:
        """The weekdays as numbers; 0 is Monday."""
        return frozenset(day for day in range(7) if self.weekdays >> day & 1)
