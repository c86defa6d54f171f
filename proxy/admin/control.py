"""Overrides, pins and traces in the admin, and whether the proxy applied the configuration."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, NotEdited, link_to
from proxy.admin.fields import WeightsField
from proxy.models import ConfigRevision, WeightOverride, WorkerPin, WorkerTrace

TRACE_FOR = timedelta(minutes=15)


class OverrideForm(forms.ModelForm):  # type: ignore[type-arg]
    """An override with its weights as plain text."""

    weights = WeightsField(
        label=_("weights"), required=False, help_text=_("For example A 70, B 30. Leave it empty for auto-balance.")
    )

    class Meta:
        model = WeightOverride
        fields = ["kind", "weights", "until"]


@admin.register(WeightOverride)
class WeightOverrideAdmin(ConfigAdmin):
    """Overrides set by hand: rows are added and cleared, never changed, so that they remain a history."""

    form = OverrideForm
    list_display = ["set_at", "set_by", "kind", "__str__", "until", "in_force", "cleared_at", "cleared_by"]
    list_filter = ["kind"]
    actions = ["clear_now"]
    fields = ["kind", "weights", "until"]

    @admin.display(description=_("in force"), boolean=True)
    def in_force(self, override: WeightOverride) -> bool:
        """Whether the override is active."""
        return override.active

    @admin.action(description=_("Clear: back to the schedules"), permissions=["add"])
    def clear_now(self, request: HttpRequest, queryset: QuerySet[WeightOverride]) -> None:
        """End the override in force if it is among the chosen ones."""
        chosen = queryset.filter(cleared_at__isnull=True).exists()
        if chosen and WeightOverride.clear_active(request.user.get_username()):
            messages.success(request, gettext("Cleared: the schedules decide again."))
        else:
            messages.info(request, gettext("It was cleared already."))

    def save_model(self, request: HttpRequest, obj: WeightOverride, form: Any, change: bool) -> None:
        """Record the user who set it."""
        obj.set_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: WeightOverride | None = None) -> bool:
        """Overrides cannot be changed, so that the history stays true."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: WeightOverride | None = None) -> bool:
        """Overrides cannot be deleted, so that the history stays complete."""
        return False


@admin.register(WorkerPin)
class WorkerPinAdmin(ConfigAdmin):
    """Workers that mine on one pool."""

    list_display = ["worker", "pool_link", "note"]
    list_filter = ["pool"]
    search_fields = ["worker", "note"]
    list_select_related = ["pool"]

    def view_on_site(self, pin: WorkerPin) -> str:
        """The worker's page on the dashboard."""
        return reverse("worker", args=[pin.worker])

    @admin.display(description=_("pool"), ordering="pool__key")
    def pool_link(self, pin: WorkerPin) -> str:
        """Link to the pool of the pin."""
        return link_to(pin.pool)


@admin.register(WorkerTrace)
class WorkerTraceAdmin(ConfigAdmin):
    """Workers whose traffic is logged."""

    list_display = ["worker", "until"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Default: trace for a quarter of an hour."""
        return {"until": timezone.now() + TRACE_FOR, **super().get_changeform_initial_data(request)}


@admin.register(ConfigRevision)
class ConfigRevisionAdmin(NotEdited, ConfigAdmin):
    """Read-only state of the newest configuration: applied or refused."""

    list_display = ["number", "changed_at", "applied_revision", "applied_at", "refused_revision"]

    def has_delete_permission(self, request: HttpRequest, obj: ConfigRevision | None = None) -> bool:
        """Only the proxy writes this row."""
        return False
