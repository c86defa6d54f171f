"""The Django app of the live pages."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    """Pages, partials and WebSocket consumers; its few models are about people."""

    name = "dashboard"
    verbose_name = _("Dashboard")

    def ready(self) -> None:
        from dashboard import audit, groups, regions, viewers  # noqa: F401

        post_migrate.connect(groups.grant_everything, dispatch_uid="dashboard.groups.permissions")
        viewers.watch()
