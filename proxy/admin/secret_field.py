"""A field of a form whose value is never shown again, and kept where it is left empty."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class SecretField(forms.CharField):
    """A password, token or address; ``sent_to`` are the fields of the form that say who gets to see it."""

    def __init__(self, *, sent_to: tuple[str, ...] = (), width: int | None = None, **kwargs: Any) -> None:
        self.sent_to = sent_to
        attributes: dict[str, object] = {"autocomplete": "off", **({"size": width} if width else {})}
        kwargs.setdefault("help_text", _("Leave it empty to keep the one that is set."))
        super().__init__(required=False, widget=forms.PasswordInput(attrs=attributes), **kwargs)


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row with fields of that kind."""

    def clean(self) -> dict[str, Any]:
        """What was typed, else what is set, unless somebody else would get to see it."""
        cleaned = super().clean() or self.cleaned_data
        for name, field in self.fields.items():
            if isinstance(field, SecretField) and cleaned.get(name) == "":
                moved = not set(field.sent_to).isdisjoint(self.changed_data)
                cleaned[name] = "" if moved else self.initial.get(name) or ""
        return cleaned
