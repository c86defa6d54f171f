"""The Django admin, where the configuration is edited."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from proxy.admin import (  # noqa: F401
    alerts,
    balance,
    control,
    devices,
    firmware,
    history,
    listeners,
    money,
    mqtt,
    pools,
    schedules,
    settings,
    vardiff,
)

admin.site.site_header = "DPMP"
admin.site.site_title = "DPMP"
admin.site.index_title = _("Configuration")
admin.site.site_url = "/"
