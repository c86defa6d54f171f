"""Money in the admin: one row, one form."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from proxy.admin.base import ConfigAdmin, OneRowPages
from proxy.models import MoneySettings, Pool

FIELDS = ("enabled", "currency", "price_days", "electricity_price", "watts")


class MoneyForm(forms.ModelForm):  # type: ignore[type-arg]
    """The settings, and the fee of each pool."""

    class Meta:
        model = MoneySettings
        fields = FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pools = list(Pool.objects.order_by("key"))
        for pool in self._pools:
            self.fields[f"fee-{pool.key}"] = forms.FloatField(
                label=_("Fee of %(pool)s, percent") % {"pool": f"{pool.key} {pool.name}".strip()},
                initial=pool.fee_percent,
                min_value=0,
                max_value=100,
                widget=forms.NumberInput({"step": "any"}),
            )

    def save(self, commit: bool = True) -> MoneySettings:
        """Write the row, and the pools whose fee was changed."""
        with transaction.atomic():
            row: MoneySettings = super().save(commit)
            for pool in self._pools if commit else ():
                fee = self.cleaned_data[f"fee-{pool.key}"]
                if fee != pool.fee_percent:
                    pool.fee_percent = fee
                    pool.save()
        return row


@admin.register(MoneySettings)
class MoneySettingsAdmin(OneRowPages, ConfigAdmin):
    """Admin of the settings; pools have their fees in their own forms."""

    fields = FIELDS

    def view_on_site(self, settings: MoneySettings) -> str:
        """The page of the dashboard."""
        return reverse("money")
