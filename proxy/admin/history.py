"""History in the admin: read and exported, never edited; and how long it is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import NotEdited, OneRowPages
from proxy.history.export import By, Format, Query, file_name, write
from proxy.models.history import (
    BestShare,
    Block,
    ChainTip,
    PayoutRecord,
    Retention,
    ShareBucket,
    ShareTotal,
    V2BestShare,
)

_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSON: "application/json"}


class ReadOnlyAdmin(NotEdited, admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that the proxy writes and nobody edits."""

    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are deleted by the retention settings only."""
        return False


class ExportForm(forms.Form):
    """Form of the share export: period, grouping and format."""

    first = forms.DateField(label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label=_("Last day"), widget=forms.DateInput(attrs={"type": "date"}))
    zone = forms.CharField(
        label=_("Time zone"), initial="UTC", help_text=_("Days begin at midnight there, for example Europe/Berlin.")
    )
    by = forms.ChoiceField(
        label=_("One row for each"),
        initial=By.DAY.value,
        choices=[
            (By.HOUR.value, _("hour")),
            (By.DAY.value, _("day")),
            (By.MONTH.value, _("month")),
            (By.PERIOD.value, _("whole period")),
        ],
    )
    worker = forms.CharField(label=_("Worker"), required=False, help_text=_("Empty for all."))
    pool = forms.CharField(label=_("Pool"), required=False, help_text=_("Its key, such as A; empty for all."))
    form = forms.ChoiceField(label=_("Format"), choices=[(Format.CSV.value, "CSV"), (Format.JSON.value, "JSON")])

    def clean_zone(self) -> str:
        """A zone that this machine knows."""
        if self.cleaned_data["zone"] not in available_timezones():
            raise ValidationError(gettext('"%s" is no time zone.') % self.cleaned_data["zone"])
        return str(self.cleaned_data["zone"])

    def clean(self) -> dict[str, Any]:
        """A period that does not end before it begins."""
        values = super().clean() or {}
        if "first" in values and "last" in values and values["last"] < values["first"]:
            raise ValidationError(gettext("The period ends before it begins."))
        return values

    def query(self) -> Query:
        """The requested period and format; the last day is included."""
        values = self.cleaned_data
        zone = ZoneInfo(values["zone"])
        begin, end = (
            datetime.combine(day, datetime.min.time(), zone)
            for day in (values["first"], values["last"] + timedelta(days=1))
        )
        return Query(begin=begin, end=end, by=By(values["by"]), zone=zone, worker=values["worker"], pool=values["pool"])


@admin.register(ShareBucket)
class ShareBucketAdmin(ReadOnlyAdmin):
    """Shares by time, with the export."""

    change_list_template = "admin/proxy/sharebucket/change_list.html"
    list_display = [
        "time",
        "step",
        "worker",
        "pool",
        "accepted",
        "rejected",
        "stale",
        "duplicate",
        "unanswered",
        "credited",
        "best",
    ]
    list_filter = ["step", "pool"]
    search_fields = ["worker"]
    ordering = ["-start"]

    @admin.display(description=_("start"), ordering="start")
    def time(self, bucket: ShareBucket) -> datetime:
        """Start of the bucket."""
        return bucket.begins

    def get_urls(self) -> list[URLPattern]:
        """Add the export page; it comes before the pages of rows."""
        own = path("export/", self.admin_site.admin_view(self.export), name="proxy_sharebucket_export")
        return [own, *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Show the export form, or send the requested file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = datetime.now(UTC).date()
        asked = ExportForm(
            request.GET if "first" in request.GET else None, initial={"first": today.replace(day=1), "last": today}
        )
        if asked.is_bound and asked.is_valid():
            query, form = asked.query(), Format(asked.cleaned_data["form"])
            return StreamingHttpResponse(
                write(query, form),
                content_type=_TYPES[form],
                headers={"Content-Disposition": f'attachment; filename="{file_name(query, form)}"'},
            )
        context = {
            **self.admin_site.each_context(request),
            "form": asked,
            "opts": self.model._meta,
            "title": gettext("Export shares"),
        }
        return TemplateResponse(request, "admin/proxy/sharebucket/export.html", context)


@admin.register(ShareTotal)
class ShareTotalAdmin(ReadOnlyAdmin):
    """Read-only share totals since the installation."""

    list_display = ["worker", "pool", "accepted", "rejected", "stale", "duplicate", "unanswered", "credited", "best"]
    list_filter = ["pool"]
    search_fields = ["worker"]
    ordering = ["worker", "pool"]


@admin.register(BestShare)
class BestShareAdmin(ReadOnlyAdmin):
    """Read-only list of the best shares."""

    list_display = ["true_difficulty", "worker", "chain", "pool", "at", "header_hash"]
    list_filter = ["chain", "pool"]
    search_fields = ["worker", "header_hash"]


@admin.register(V2BestShare)
class V2BestShareAdmin(ReadOnlyAdmin):
    """Read-only best shares imported from version 2."""

    list_display = ["worker", "assigned_difficulty", "imported_at"]
    search_fields = ["worker"]


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin):
    """Read-only list of blocks found."""

    list_display = ["at", "chain", "height", "worker", "pool", "verdict", "fate", "header_hash"]
    list_filter = ["verdict", "fate", "chain", "pool"]
    search_fields = ["worker", "header_hash"]


@admin.register(ChainTip)
class ChainTipAdmin(ReadOnlyAdmin):
    """Read-only list of when each pool announced a block."""

    list_display = ["seen_at", "chain", "height", "pool", "behind_ms", "prevhash"]
    list_filter = ["chain", "pool"]


@admin.register(PayoutRecord)
class PayoutRecordAdmin(ReadOnlyAdmin):
    """Read-only results of the payout check."""

    list_display = ["at", "pool", "percent", "ok"]
    list_filter = ["pool", "ok"]


@admin.register(Retention)
class RetentionAdmin(OneRowPages, admin.ModelAdmin):  # type: ignore[type-arg]
    """Admin of the retention settings, a single row."""

    fieldsets = [
        (_("Shares"), {"fields": ["minutes_days", "ten_minutes_days", "hours_days", "days_days"]}),
        (_("Other history"), {"fields": ["tips_days", "payouts_days"]}),
    ]
