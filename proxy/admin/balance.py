"""Auto-balance in the admin: settings, sources with "try now", prices."""

import time

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, OneRowPages
from proxy.admin.secret_field import SecretField, SecretForm
from proxy.balance.readings import NetworkReading, hash_rate
from proxy.balance.service import try_source
from proxy.config.balance_loader import source_config
from proxy.errors import DPMPError
from proxy.models.balance import BalanceSettings, BalanceSource, ChainPrice
from proxy.models.labels import SourceKind


@admin.register(BalanceSettings)
class BalanceSettingsAdmin(OneRowPages, ConfigAdmin):
    """How chains are weighed and how far the weights may go: one row, one form."""

    fieldsets = [
        (
            None,
            {
                "fields": ["strategy", ("short_window", "long_window"), "significance"],
                "description": _(
                    "Auto-balance always measures. It sets the weights while a schedule in mode auto-balance, or the "
                    "switch "
                    "on the page, puts it in control."
                ),
            },
        ),
        (_("Limits"), {"fields": ["max_deviation", ("min_weight", "max_weight"), "max_step_per_hour", "dead_band"]}),
        (
            _("When sources fail"),
            {"fields": ["on_failure"], "description": _("One or two failures leave the weights as they are.")},
        ),
    ]

    def view_on_site(self, settings: BalanceSettings) -> str:
        """The Balance page of the dashboard."""
        return reverse("balance")


class BalanceSourceForm(SecretForm):
    """A source; a password goes with its user name and address only."""

    password = SecretField(label=_("password"), strip=False, max_length=256, sent_to=("url", "user"))

    class Meta:
        model = BalanceSource
        fields = ("position", "kind", "enabled", "url", "chain", "user", "password", "poll_s")


@admin.register(BalanceSource)
class BalanceSourceAdmin(ConfigAdmin):
    """Admin of the sources of auto-balance."""

    form = BalanceSourceForm
    list_display = ("position", "kind", "chain", "url", "poll_s", "enabled")
    list_display_links = ("kind",)
    actions = ("try_now",)

    @admin.action(description=_("Try now"), permissions=["change"])
    def try_now(self, request: HttpRequest, sources: QuerySet[BalanceSource]) -> None:
        """Ask each selected source once and report its answer."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        for source in sources[:5]:
            self._try(request, source)

    def _try(self, request: HttpRequest, source: BalanceSource) -> None:
        if source.kind == SourceKind.OBSERVED:
            messages.info(request, gettext("Observed: asks nobody. What the pools' jobs tell is on the Balance page."))
            return
        windows = BalanceSettings.load()
        try:
            readings = async_to_sync(try_source)(
                source_config(source), now=time.time(), short=windows.short_window, long=windows.long_window
            )
        except DPMPError as error:
            messages.error(request, gettext("%(source)s: %(problem)s") % {"source": source, "problem": error})
            return
        for reading in readings:
            messages.success(request, f"{source}: {describe(reading)}")


def describe(reading: NetworkReading) -> str:
    """A reading in one line."""
    parts = [reading.chain.value, gettext("difficulty %s") % f"{reading.difficulty:.6g}"]
    if reading.height is not None:
        parts.append(gettext("height %d") % reading.height)
    for words, span in (
        (gettext("short window %s EH/s"), reading.short),
        (gettext("long window %s EH/s"), reading.long),
    ):
        if span is not None:
            parts.append(words % f"{hash_rate(span) / 1e18:.4g}")
    if reading.price is not None:
        parts.append(gettext("price %s") % f"{reading.price:g}")
    return ", ".join([*parts, *([reading.note] if reading.note else [])])


@admin.register(ChainPrice)
class ChainPriceAdmin(ConfigAdmin):
    """Admin of manually set prices."""

    list_display = ("chain", "price", "set_at")
