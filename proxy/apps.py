"""The Django app of the proxy: configuration, what has happened, and the commands."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProxyConfig(AppConfig):
    """Registers the system checks; everything else starts with ``runproxy``."""

    name = "proxy"
    verbose_name = _("Proxy")

    def ready(self) -> None:
        from proxy import checks  # noqa: F401
