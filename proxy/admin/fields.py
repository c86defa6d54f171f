"""Form fields for what people would not want to type as numbers or JSON."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _

_ENTRY = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9]{0,7})\s*[:=\s]\s*(?P<weight>\d+(?:\.\d+)?)\s*%?")


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
