"""Forms of the week: what a schedule does, and its windows. They write the tables by the models' rules."""

from collections.abc import Iterable, Mapping
from copy import copy
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.fields import ClockField, WeekdaysField
from proxy.config.snapshot import Mode, Policy
from proxy.models import Allocation, Fallback, Listener, Pool, Schedule, ScheduleWindow
from proxy.models.labels import choices_of
from proxy.models.schedules import ALL_DAYS

THIS, ALL = "this", "all"
DAY_MINUTES = 1440
MAX_PRIORITY = 1_000_000
WEEKEND = 0b1100000
COPIED = ("policy", "min_switch_s", "slice_s", "enabled", "listener")
"""What a schedule that is split off another one takes over from it."""


def percents(schedule: Schedule | None, pools: Iterable[Pool]) -> dict[str, float]:
    """Pool key -> percent of a schedule's weights, as a form shows them; half each for a new one."""
    pools = list(pools)
    weights: Mapping[str, float] = {pool.key: 1.0 for pool in pools}
    if schedule is not None and schedule.pk:
        weights = {entry.pool.key: entry.weight for entry in schedule.allocations.select_related("pool")}
    total = sum(weights.values())
    return {pool.key: _short(weights.get(pool.key, 0.0) / total * 100) if total else 0 for pool in pools}


def _short(percent: float) -> float:
    """With one digit behind the point, or none where that is 0."""
    rounded = round(percent, 1)
    return int(rounded) if rounded.is_integer() else rounded


_MIN_SWITCH_HELP, _SLICE_HELP = (
    getattr(Schedule._meta.get_field(name), "help_text", "") for name in ("min_switch_s", "slice_s")
)


class ScheduleForm(forms.Form):
    """What a schedule does, and for whom: name, mode, the pools' parts, workers, time zone, priority."""

    name = forms.CharField(
        label=_("Name"), max_length=80, required=False, help_text=_("Empty: named after what it does.")
    )
    mode = forms.ChoiceField(label=_("Mode"), choices=choices_of(Mode), initial=Mode.RATIO.value)
    first = forms.ChoiceField(label=_("First pool"), required=False)
    others = forms.BooleanField(label=_("While these pools are down, use the others"), required=False, initial=True)
    workers = forms.CharField(
        label=_("Workers"),
        max_length=500,
        initial="*",
        help_text=_("* means all. A name, or a pattern as in garage*; several separated by commas."),
        widget=forms.TextInput(attrs={"list": "worker-groups", "autocapitalize": "none", "spellcheck": "false"}),
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        max_length=64,
        help_text=_("For example Europe/Berlin; summer time is kept."),
        widget=forms.TextInput(attrs={"list": "zones", "autocapitalize": "none", "spellcheck": "false"}),
    )
    priority = forms.IntegerField(
        label=_("Priority"),
        initial=0,
        min_value=-MAX_PRIORITY,
        max_value=MAX_PRIORITY,
        help_text=_("Where windows overlap the larger number wins; with the same number the older schedule."),
    )

    def __init__(self, *args: Any, schedule: Schedule | None = None, **kwargs: Any) -> None:
        self.schedule = schedule
        self.pools = list(Pool.objects.order_by("key"))
        kwargs["initial"] = {**self._of_schedule(), **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        for pool in self.pools:
            self.fields[f"part-{pool.key}"] = forms.FloatField(
                label=pool.name or pool.key,
                required=False,
                min_value=0,
                max_value=100,
                widget=forms.NumberInput({"step": "any"}),
            )
        first = self.fields["first"]
        assert isinstance(first, forms.ChoiceField)
        first.choices = [(pool.key, str(pool)) for pool in self.pools]

    def _of_schedule(self) -> dict[str, Any]:
        initial: dict[str, Any] = {f"part-{key}": part for key, part in percents(self.schedule, self.pools).items()}
        row = self.schedule
        if row is not None and row.pk:
            initial |= {name: getattr(row, name) for name in ("name", "mode", "workers", "time_zone", "priority")}
            entry = row.allocations.select_related("pool").first()
            initial |= {"first": entry.pool.key if entry else "", "others": row.fallbacks.exists()}
        return initial

    def parts(self) -> list[tuple[Pool, forms.BoundField]]:
        """The pools with their fields."""
        return [(pool, self[f"part-{pool.key}"]) for pool in self.pools]

    def clean(self) -> dict[str, Any]:
        """At least one pool must get work; what a schedule must be, its model knows."""
        said = super().clean() or {}
        if not self.errors and said["mode"] != Mode.PRIORITY and not any(self._weights().values()):
            raise ValidationError(_("At least one pool must get work."))
        if not self.errors:
            self._fill(Schedule())
        return said

    def _weights(self) -> dict[str, float]:
        return {pool.key: self.cleaned_data.get(f"part-{pool.key}") or 0.0 for pool in self.pools}

    def _fill(self, row: Schedule) -> None:
        """Put what was entered into ``row``; what its rules refuse stands at the fields."""
        said = self.cleaned_data
        row.mode, row.workers = said["mode"], said["workers"].strip()
        row.time_zone, row.priority = said["time_zone"].strip(), said["priority"]
        try:
            row.check_rules()
        except ValidationError as error:
            self.add_error(None, error)

    def save_schedule(self, row: Schedule, name: str) -> Schedule:
        """Write what was entered into ``row``, its weights and fallback pools."""
        self._fill(row)
        row.name = self.cleaned_data["name"].strip() or row.name or name
        if row.name != Schedule.objects.filter(pk=row.pk).values_list("name", flat=True).first():
            row.name = free_name(row.name, row.pk)
        row.full_clean()
        row.save()
        self._save_weights(row)
        self._save_fallbacks(row)
        return row

    def _save_weights(self, row: Schedule) -> None:
        weights, order = self._weights(), [pool.key for pool in self.pools]
        if row.mode == Mode.PRIORITY:
            order.sort(key=lambda key: key != self.cleaned_data["first"])
            if not any(weights.values()):
                weights = dict.fromkeys(weights, 50.0)
        entries = {entry.pool_id: entry for entry in row.allocations.all()}
        unchanged = percents(row, self.pools) == {key: round(part, 1) for key, part in self._shown(weights).items()}
        for pool in self.pools:
            entry = entries.get(pool.pk) or Allocation(schedule=row, pool=pool, weight=0)
            before = (entry.weight, entry.position)
            if not (unchanged and entries):
                entry.weight = weights[pool.key]
            if row.mode == Mode.PRIORITY:
                entry.position = order.index(pool.key)
            if entry.pk is None and not entry.weight and row.mode != Mode.PRIORITY:
                continue
            if entry.pk is None or (entry.weight, entry.position) != before:
                entry.full_clean()
                entry.save()

    def _shown(self, weights: Mapping[str, float]) -> dict[str, float]:
        total = sum(weights.values())
        return {key: weight / total * 100 if total else 0.0 for key, weight in weights.items()}

    def _save_fallbacks(self, row: Schedule) -> None:
        wanted = self.cleaned_data["others"]
        if wanted == row.fallbacks.exists():
            return
        for entry in row.fallbacks.all():
            entry.delete()
        idle = [pool for pool in self.pools if not self._weights()[pool.key]] if wanted else []
        for position, pool in enumerate(idle):
            Fallback(schedule=row, pool=pool, position=position).save()

    def describes(self, row: Schedule) -> bool:
        """Whether ``row`` does already what was entered."""
        said = self.cleaned_data
        same = all(
            getattr(row, name) == value
            for name, value in (
                ("mode", said["mode"]),
                ("workers", said["workers"].strip()),
                ("time_zone", said["time_zone"].strip()),
                ("priority", said["priority"]),
            )
        )
        if said["mode"] == Mode.PRIORITY:
            entry = row.allocations.select_related("pool").first()
            return same and entry is not None and entry.pool.key == said["first"]
        shown = {key: round(part, 1) for key, part in self._shown(self._weights()).items()}
        return same and percents(row, self.pools) == shown


class PlanForm(ScheduleForm):
    """A whole schedule: also how it switches. Its windows are edited in the week."""

    policy = forms.ChoiceField(label=_("How miners are divided"), choices=choices_of(Policy))
    min_switch_s = forms.FloatField(label=_("Minimum time between switches"), help_text=_MIN_SWITCH_HELP)
    slice_s = forms.FloatField(label=_("Shortest stay on a pool"), help_text=_SLICE_HELP)
    is_default = forms.BooleanField(label=_("Default: in force when no other schedule is"), required=False)
    listener = forms.ModelChoiceField(
        Listener.objects.all(),
        required=False,
        empty_label=_("all listeners"),
        label=_("For miners of"),
        help_text=_("One listener: a route. Its miners follow this schedule before any other; no slider moves them."),
    )

    MORE = ("policy", "min_switch_s", "slice_s", "is_default", "listener")

    def _of_schedule(self) -> dict[str, Any]:
        row = self.schedule or Schedule(is_default=not Schedule.objects.filter(is_default=True).exists())
        return {**super()._of_schedule(), **{name: getattr(row, name) for name in self.MORE}}

    def clean(self) -> dict[str, Any]:
        """The database's rules about these fields, as sentences."""
        said = super().clean()
        if not self.errors:
            trial = copy(self.schedule) if self.schedule else Schedule(name="?")
            for name in self.MORE:
                setattr(trial, name, said[name])
            try:
                trial.full_clean(exclude=["name", "workers", "time_zone", "mode", "priority"])
            except ValidationError as error:
                for text in error.messages:
                    self.add_error(None, text)
        return said

    def save(self) -> Schedule:
        """Write the schedule."""
        with transaction.atomic():
            row = self.schedule or Schedule()
            for name in self.MORE:
                setattr(row, name, self.cleaned_data[name])
            return self.save_schedule(row, gettext("Always"))


class WindowForm(ScheduleForm):
    """A window of the week, with what its schedule does in it."""

    weekdays = WeekdaysField(label=_("Days"), initial=ALL_DAYS, help_text=_("The days on which it begins."))
    start = ClockField(label=_("From"), help_text=_("22:00, 22 or 10pm."))
    end = ClockField(label=_("Until"), ends=True, help_text=_("Not after the start: it ends on the next day."))
    scope = forms.ChoiceField(
        required=False,
        widget=forms.RadioSelect,
        initial=ALL,
        choices=[(ALL, _("all windows of this schedule")), (THIS, _("this window only"))],
        label=_("Name, mode, parts, workers, time zone and priority are for"),
    )

    def __init__(self, *args: Any, window: ScheduleWindow | None = None, **kwargs: Any) -> None:
        self.window = window
        if window is not None:
            given = {"weekdays": window.weekdays, "start": window.start, "end": window.end}
            kwargs["initial"] = {**given, **kwargs.get("initial", {})}
        super().__init__(*args, schedule=window.schedule if window else None, **kwargs)
        if self.siblings() < 2:
            del self.fields["scope"]

    def siblings(self) -> int:
        """How many windows the schedule has."""
        return self.schedule.windows.count() if self.schedule else 0

    def save(self) -> ScheduleWindow:
        """Write the window, into the schedule that does the same for the same workers where there is one."""
        with transaction.atomic():
            said, window = self.cleaned_data, self.window or ScheduleWindow()
            window.schedule = self._place()
            window.weekdays, window.start, window.end = said["weekdays"], said["start"], said["end"]
            window.full_clean()
            window.save()
            return window

    def _place(self) -> Schedule:
        said = self.cleaned_data
        given = described(said["weekdays"], said["start"], said["end"])
        if self.schedule is None:
            return self._like() or self.save_schedule(Schedule(), given)
        if said.get("scope") == THIS and not self.describes(self.schedule):
            copy = Schedule(**{name: getattr(self.schedule, name) for name in COPIED})
            if said["name"].strip() == self.schedule.name:
                said["name"] = ""
            return self.save_schedule(copy, given)
        return self.save_schedule(self.schedule, given)

    def _like(self) -> Schedule | None:
        name = self.cleaned_data["name"].strip()
        rows = (
            Schedule.objects.filter(enabled=True, is_default=False, listener__isnull=True, windows__isnull=False)
            .distinct()
            .order_by("id")
        )
        return next((row for row in rows if name in ("", row.name) and self.describes(row)), None)


def free_name(name: str, pk: int | None = None) -> str:
    """``name``, with a number where another schedule has it."""
    taken = set(Schedule.objects.exclude(pk=pk or 0).values_list("name", flat=True))
    return next(
        one
        for number in range(1, len(taken) + 3)
        if (one := name[:80] if number == 1 else f"{name[:74]} {number}") not in taken
    )


def days_text(weekdays: Iterable[int]) -> str:
    """Days in short: ``daily``, ``Mon-Fri``, ``Sat Sun``."""
    days = sorted(weekdays)
    names = [str(WEEKDAYS_ABBR[day]) for day in days]
    if len(days) == 7:
        return gettext("daily")
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{names[0]}–{names[-1]}"
    return " ".join(names)


def described(weekdays: int, start: time, end: time) -> str:
    """A window in short: ``Mon–Fri 22:00–06:00``."""
    days = days_text(day for day in range(7) if weekdays >> day & 1)
    return f"{days} {start:%H:%M}–{'24:00' if end == time(0) else f'{end:%H:%M}'}"


def moved(weekdays: int, start: time, end: time, *, minutes: int, days: int, side: str) -> tuple[int, time, time]:
    """A window that was taken hold of: moved by minutes and days, or with its ``start`` or ``end`` alone moved."""
    first, last = _minute(start), _minute(end)
    length = (last - first) % DAY_MINUTES or DAY_MINUTES
    if side == "start":
        minutes = min(minutes, length - 1)
        first += minutes
    elif side == "end":
        last = first + max(length + minutes, 1)
        last = min(last, first + DAY_MINUTES)
    else:
        first, last = first + minutes, last + minutes
    days += first // DAY_MINUTES
    rotated = sum(1 << (day + days) % 7 for day in range(7) if weekdays >> day & 1)
    return rotated, _clock(first), _clock(last)


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _clock(minute: int) -> time:
    return time(minute % DAY_MINUTES // 60, minute % 60)


def preset(name: str, now: datetime) -> dict[str, Any]:
    """Days, times and a name: ``night``, ``weekend``, or ``hour``: one hour from ``now``, which is local."""
    if name == "night":
        return {"weekdays": ALL_DAYS, "start": time(22), "end": time(6), "name": gettext("Night")}
    if name == "weekend":
        return {"weekdays": WEEKEND, "start": time(0), "end": time(0), "name": gettext("Weekend")}
    begin = now.replace(second=0, microsecond=0)
    return {"weekdays": 1 << begin.weekday(), "start": begin.time(), "end": (begin + timedelta(hours=1)).time()}


def local_now(unix: float, zone: str) -> datetime:
    """The wall clock in ``zone``."""
    return datetime.fromtimestamp(unix, ZoneInfo(zone))
