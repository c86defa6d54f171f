"""The Django app of the proxy."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProxyConfig(AppConfig):
    """Registers the system checks and the signals of the configuration."""

    name = "proxy"
    verbose_name = _("Proxy")

    def ready(self) -> None:
        from proxy import checks, signals  # noqa: F401

        signals.connect()
