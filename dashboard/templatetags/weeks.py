"""Template filters for schedules and their windows."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format
from django.utils.translation import pgettext

from dashboard.svg import whole_percents
from dashboard.windows import days_text, described
from proxy.config.snapshot import ScheduleConfig, Window
from proxy.models import ScheduleWindow
from proxy.types import PoolKey

register = template.Library()


@register.filter
def shortday(day: str) -> str:
    """An ISO date as a short day of the week with its day of the month."""
    # Translators: day of the week and of the month, as in "Mon 3", with Django's format characters.
    return date_format(date.fromisoformat(day), pgettext("format of a date", "D j"))


@register.filter
def day_in(number: int, days: Sequence[str]) -> str:
    """The day with that number among ISO dates."""
    return shortday(days[number])


@register.filter
def day_clock(unix: float, zone: str) -> str:
    """A moment as day of the week and time in ``zone``."""
    local = datetime.fromtimestamp(unix, ZoneInfo(zone))
    return f"{WEEKDAYS_ABBR[local.weekday()]} {local:%H:%M}"


@register.filter
def hour_clock(unix: float, zone: str) -> str:
    """A moment as time of the day in ``zone``; midnight ends a day."""
    shown = f"{datetime.fromtimestamp(unix, ZoneInfo(zone)):%H:%M}"
    return "24:00" if shown == "00:00" else shown


@register.filter
def schedule_names(schedules: Iterable[ScheduleConfig]) -> str:
    """Names, one after the other."""
    return ", ".join(schedule.name for schedule in schedules)


@register.filter
def split_percents(schedule: ScheduleConfig) -> list[tuple[PoolKey, int]]:
    """The pools' parts in whole percent, those without any left out."""
    weights = schedule.weights()
    return [(key, percent) for key, percent in whole_percents(weights, list(weights)).items() if weights[key]]


@register.filter
def window_text(window: ScheduleWindow | Window) -> str:
    """Days and times, for example ``Mon–Fri 22:00–06:00``."""
    if isinstance(window, ScheduleWindow):
        return described(window.weekdays, window.start, window.end)
    return f"{days_text(window.weekdays)} {described(0, window.start, window.end).strip()}"
