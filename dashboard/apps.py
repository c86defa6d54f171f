"""The Django app of the live pages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    """Pages, partials and WebSocket consumers; has no models."""

    name = "dashboard"
    verbose_name = _("Dashboard")
