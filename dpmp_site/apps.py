"""Django's admin as an app, with our own front page."""

from django.contrib.admin.apps import AdminConfig


class ConfigurationConfig(AdminConfig):
    """The admin site, with models grouped in sections."""

    default_site = "dpmp_site.admin_site.ConfigSite"
