"""Alerts in the admin: targets with "send a test", rules, settings, and the list of what was sent."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, NotEdited, OneRowPages
from proxy.admin.secret_field import SecretField, SecretForm
from proxy.alerts.sending import send_test
from proxy.models.alerts import AlertDelivery, AlertRule, AlertSettings, AlertTarget

MAX_TESTS = 5


class AlertTargetForm(SecretForm):
    """A target; its address holds passwords and tokens."""

    url = SecretField(
        label=_("Address"),
        max_length=1000,
        width=80,
        help_text=_(
            "As Apprise writes it, for example mailto://user:password@example.org, "
            "tgram://token/chat, ntfy://topic, discord://id/token, json://host/path. It is not "
            "shown again; leave it empty to keep the one that is set."
        ),
    )

    class Meta:
        model = AlertTarget
        fields = ("label", "url", "enabled")


@admin.register(AlertTarget)
class AlertTargetAdmin(ConfigAdmin):
    """Admin of alert targets."""

    form = AlertTargetForm
    list_display = ("label", "scheme_shown", "enabled")
    actions = ("send_a_test",)

    @admin.display(description=_("service"))
    def scheme_shown(self, target: AlertTarget) -> str:
        """URL scheme of the target, such as ``mailto``."""
        return target.scheme

    @admin.action(description=_("Send a test"), permissions=["change"])
    def send_a_test(self, request: HttpRequest, targets: QuerySet[AlertTarget]) -> None:
        """Send a test message to each selected target and report the result."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        for target in targets[:MAX_TESTS]:
            problem = send_test(target.url)
            if problem:
                messages.error(
                    request, gettext("%(target)s: not sent. %(problem)s") % {"target": target, "problem": problem}
                )
            else:
                messages.success(request, gettext("%s: sent. Look whether it has arrived.") % target)

    def get_fields(self, request: HttpRequest, obj: AlertTarget | None = None) -> Any:
        """Hide the address from users without the right to change it."""
        return ("label", "url", "enabled") if self._may_edit(request, obj) else ("label", "scheme_shown", "enabled")

    def get_readonly_fields(self, request: HttpRequest, obj: AlertTarget | None = None) -> Any:
        """Show the kind of service where the address is hidden."""
        return () if self._may_edit(request, obj) else ("scheme_shown",)

    def _may_edit(self, request: HttpRequest, obj: AlertTarget | None) -> bool:
        return self.has_change_permission(request, obj) or (obj is None and self.has_add_permission(request))


@admin.register(AlertRule)
class AlertRuleAdmin(ConfigAdmin):
    """One rule for each kind of alert; they can be switched off, not deleted."""

    list_display = ("kind", "enabled", "threshold", "delay_s", "quiet_from", "quiet_until", "recovery")
    list_editable = ("enabled",)
    filter_horizontal = ("targets",)
    fieldsets = [
        (None, {"fields": ["kind", "enabled"]}),
        (_("When"), {"fields": ["threshold", "delay_s", "workers", "recovery"]}),
        (_("Quiet hours"), {"fields": [("quiet_from", "quiet_until")]}),
        (_("Who"), {"fields": ["targets"]}),
    ]
    readonly_fields = ("kind",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """List all kinds, also those that nobody has changed yet."""
        if self.has_change_permission(request):
            AlertRule.ensure()
        return super().changelist_view(request, extra_context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rules cannot be added: there is one for each kind."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AlertRule | None = None) -> bool:
        """Rules cannot be deleted; they can be disabled."""
        return False


@admin.register(AlertSettings)
class AlertSettingsAdmin(OneRowPages, ConfigAdmin):
    """Admin of the alert settings, a single row."""

    fieldsets = [
        (None, {"fields": ["time_zone", "summary_at"]}),
        (_("Not too much"), {"fields": ["group_s", "max_per_hour", ("flaps", "calm_s")]}),
    ]


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(NotEdited, admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only list of sent alerts."""

    list_display = ("at", "target_label", "title", "state", "attempts", "problem")
    list_filter = ("state", "level", "target_label")
    search_fields = ("title", "body")
    date_hierarchy = "at"
