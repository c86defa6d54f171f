"""The admin's front page: the tables in the order in which an owner thinks of them, not in that of the program."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.second_factor import lacks_second_factor

SECTIONS: tuple[tuple[str, str | Promise, tuple[str, ...]], ...] = (
    ("mining", _("Pools and schedules"), ("Pool", "Wallet", "Schedule", "WorkerPin", "WeightOverride")),
    ("balance", _("Auto-balance"), ("BalanceSettings", "BalanceSource", "ChainPrice")),
    ("alerts", _("Alerts"), ("AlertTarget", "AlertRule", "AlertSettings", "AlertDelivery")),
    (
        "settings",
        _("Settings"),
        (
            "ProxySettings",
            "Listener",
            "FirmwareRule",
            "VardiffRule",
            "MqttSettings",
            "MoneySettings",
            "DeviceSettings",
            "Retention",
            "WorkerTrace",
            "ConfigRevision",
        ),
    ),
    (
        "people",
        _("People"),
        (
            "User",
            "Group",
            "ApiToken",
            "Authenticator",
            "LoginRules",
            "IdentityProvider",
            "AccessAttempt",
            "AccessFailureLog",
            "AccessLog",
        ),
    ),
    (
        "history",
        _("History"),
        ("ShareBucket", "ShareTotal", "BestShare", "V2BestShare", "Block", "ChainTip", "PayoutRecord"),
    ),
)
"""Label, name, and the models in their order."""


class ConfigSite(AdminSite):
    """Django's admin with sections of our own on its front page and in its side bar."""

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The dashboard's login. Who is logged in and is no administrator has nothing to do here: Home, with a word."""
        if not request.user.is_authenticated:
            return redirect_to_login(request.GET.get("next") or request.get_full_path())
        if lacks_second_factor(request.user):
            return redirect("mfa_index")
        if not self.has_permission(request):
            messages.info(request, _("The configuration is for administrators. This is what you can see and do."))
            return redirect("home")
        return redirect("admin:index")

    def has_permission(self, request: HttpRequest) -> bool:
        """Administrators, once they have the second factor that may be demanded of them."""
        return super().has_permission(request) and not lacks_second_factor(request.user)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The tables that the person may see, by section; what no section names follows as Django lists it."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        found = {model["object_name"]: (model, app) for app in apps for model in app["models"]}
        sections = [
            _section(label, name, [found[one] for one in names if one in found]) for label, name, names in SECTIONS
        ]
        placed = {one for _label, _name, names in SECTIONS for one in names}
        rest = [
            {**app, "models": [model for model in app["models"] if model["object_name"] not in placed]} for app in apps
        ]
        return [one for one in (*sections, *rest) if one["models"]]


def _section(label: str, name: str | Promise, found: list[tuple[Any, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "app_label": label,
        "app_url": found[0][1]["app_url"] if found else "",
        "has_module_perms": True,
        "models": [model for model, _app in found],
    }
