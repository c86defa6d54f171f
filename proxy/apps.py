"""The Django app of the proxy: configuration, what has happened, and the commands."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProxyConfig(AppConfig):
    """Registers the system checks and what follows from a change of the configuration."""

    name = "proxy"
    verbose_name = _("Proxy")

    def ready(self) -> None:
        from proxy import checks, signals  # noqa: F401

        signals.connect()
