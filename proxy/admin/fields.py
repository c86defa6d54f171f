"""Form fields for what people would not want to type as numbers or JSON."""

import re
from datetime import time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _

_ENTRY = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9]{0,7})\s*[:=\s]\s*(?P<weight>\d+(?:\.\d+)?)\s*%?")
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?)?\s*(?P<half>[ap]\.?m\.?)?",
    re.IGNORECASE | re.ASCII,
)


def read_clock(text: str) -> tuple[time, bool]:
    """A time of the day as people write it (``22:00``, ``22``, ``10pm``, ``10:30 p.m.``), and whether it is 24:00.

    Raises:
        ValueError: it is none.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if found["half"][0] in "pP" else 0)
    if (hour, minute, second) == (24, 0, 0):
        return time(0, 0), True
    return time(hour, minute, second), False


class ClockField(forms.CharField):
    """A time of the day. ``ends``: 24:00 is understood too, which is the midnight at the end of the day."""

    def __init__(self, *, ends: bool = False, **kwargs: Any) -> None:
        widget = forms.TextInput(
            attrs={"size": 7, "placeholder": "06:00" if ends else "22:00", "autocomplete": "off", "class": "clock"}
        )
        super().__init__(max_length=12, widget=widget, **kwargs)
        self._ends = ends

    def prepare_value(self, value: Any) -> Any:
        """Format the time; the midnight that ends a day is 24:00."""
        if not isinstance(value, time):
            return value
        if self._ends and value == time(0, 0):
            return "24:00"
        return f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"

    def clean(self, value: Any) -> Any:
        """Parse the time; None where it is empty and may be."""
        text = super().clean(value)
        if not text:
            return None
        try:
            moment, ends_day = read_clock(text)
        except ValueError as error:
            raise ValidationError(_("A time is for example 22:00 or 10pm.")) from error
        if ends_day and not self._ends:
            raise ValidationError(_("A day begins at 00:00: choose the next day and 00:00."))
        return moment

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the times, however they are written."""
        return str(self.prepare_value(initial) or "") != str(data or "").strip()


class WeekdaysField(forms.MultipleChoiceField):
    """Seven boxes for the days of the week; the value is a bit mask, Monday being bit 0."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(str(day), name) for day, name in WEEKDAYS_ABBR.items()], **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Turn the bit mask into the list of chosen days."""
        return [str(day) for day in range(7) if value >> day & 1] if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        """Turn the chosen days into the bit mask."""
        return sum(1 << int(day) for day in super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the chosen days, in any order."""
        return set(self.prepare_value(initial) or []) != set(data or [])


class WeightsField(forms.CharField):
    """Weights as ``A 70, B 30``; the value is a mapping of pool key to number."""

    def prepare_value(self, value: Any) -> Any:
        """Format the weights as text."""
        if isinstance(value, dict):
            return ", ".join(f"{key} {weight:g}" for key, weight in value.items())
        return value

    def clean(self, value: Any) -> Any:
        """Parse the weights from text."""
        weights: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in super().clean(value).split(","))):
            entry = _ENTRY.fullmatch(part)
            if entry is None:
                raise ValidationError(_('"%s" is no pool and weight: write for example A 70, B 30.') % part)
            weights[entry["key"].upper()] = float(entry["weight"])
        return weights

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the weights as text."""
        return (self.prepare_value(initial) or "") != (data or "")
