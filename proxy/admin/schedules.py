"""Schedules in the admin."""

import time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, LabelledInlineFormSet
from proxy.admin.fields import ClockField, WeekdaysField
from proxy.admin.preview import sample_worker, week_lines
from proxy.config.loader import load_snapshot
from proxy.errors import ConfigError
from proxy.models import Allocation, Fallback, Schedule, ScheduleWindow
from proxy.models.schedules import ALL_DAYS


class AllocationFormSet(LabelledInlineFormSet):
    """The weights of one schedule, checked together."""

    def clean(self) -> None:
        """At least one weight must be above 0."""
        super().clean()
        if any(self.errors):
            return
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if not any((entry.get("weight") or 0) > 0 for entry in kept):
            raise ValidationError(gettext("At least one pool needs a weight above 0."))


class AllocationInline(admin.TabularInline):  # type: ignore[type-arg]
    """Inline rows of a schedule's pools and weights."""

    model = Allocation
    formset = AllocationFormSet
    fields = ["position", "pool", "weight"]
    extra = 1


class FallbackInline(admin.TabularInline):  # type: ignore[type-arg]
    """Inline rows of the pools used when all the others are down."""

    model = Fallback
    formset = LabelledInlineFormSet
    fields = ["position", "pool"]
    extra = 0


class WindowForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of a window, with a checkbox for each day."""

    weekdays = WeekdaysField(label=_("days"), initial=ALL_DAYS, help_text=_("The days on which the window starts."))
    start = ClockField(label=_("from"))
    end = ClockField(
        label=_("until"), ends=True, help_text=_("At or before the start: the window ends on the next day.")
    )

    class Meta:
        model = ScheduleWindow
        fields = ["weekdays", "start", "end"]


class WindowInline(admin.TabularInline):  # type: ignore[type-arg]
    """When the schedule is in force; none: always."""

    model = ScheduleWindow
    formset = LabelledInlineFormSet
    form = WindowForm
    extra = 0


@admin.register(Schedule)
class ScheduleAdmin(ConfigAdmin):
    """Admin of schedules."""

    list_display = ["name", "mode", "weights", "hours", "workers", "listener", "priority", "is_default", "enabled"]
    list_filter = ["enabled", "mode", "policy"]
    search_fields = ["name", "workers"]
    inlines = [AllocationInline, FallbackInline, WindowInline]
    fieldsets = [
        (None, {"fields": ["name", "enabled", "is_default", "mode"]}),
        (
            _("For whom and when"),
            {
                "fields": ["workers", "listener", "priority", "time_zone"],
                "description": _("Windows of the week are below; a schedule without windows is always in force."),
            },
        ),
        (_("Switching"), {"fields": ["policy", "min_switch_s", "slice_s"]}),
        (_("The coming week, as saved"), {"fields": ["coming_week"]}),
    ]
    readonly_fields = ["coming_week"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Load weights and windows with few queries."""
        return super().get_queryset(request).select_related("listener").prefetch_related("allocations__pool", "windows")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Preset the first schedule as the default."""
        return {
            "is_default": not Schedule.objects.filter(is_default=True).exists(),
            **super().get_changeform_initial_data(request),
        }

    def view_on_site(self, schedule: Schedule) -> str:
        """The Schedule page of the dashboard."""
        return reverse("schedule")

    @admin.display(description=_("in force"))
    def coming_week(self, schedule: Schedule) -> str:
        """What is in force when, for a worker that this schedule is for; gaps and overlaps are named."""
        if schedule.pk is None:
            return gettext("Save the schedule to see it.")
        try:
            schedules = load_snapshot().schedules
        except ConfigError as error:
            return " ".join(error.problems)
        lines = week_lines(schedules, sample_worker(schedule.workers), time.time(), ZoneInfo(schedule.time_zone))
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines))

    @admin.display(description=_("weights"))
    def weights(self, schedule: Schedule) -> str:
        """The schedule's pools and weights."""
        return ", ".join(f"{entry.pool.key} {entry.weight:g}" for entry in schedule.allocations.all()) or "-"

    @admin.display(description=_("windows"))
    def hours(self, schedule: Schedule) -> str:
        """The schedule's windows, or "always"."""
        return "; ".join(describe_window(window) for window in schedule.windows.all()) or gettext("always")


def describe_window(window: ScheduleWindow) -> str:
    """Days and hours, for example ``Mon Tue 22:00-06:00``."""
    names = " ".join(str(WEEKDAYS_ABBR[day]) for day in sorted(window.days))
    days = gettext("daily") if window.weekdays == ALL_DAYS else names
    return f"{days} {window}"
