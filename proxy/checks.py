"""System checks of files, settings and the environment, for ``manage.py check``."""

import ipaddress
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError
from django.utils.translation import gettext as _

from dpmp_site.bootstrap import SECRET_KEY_FILE
from dpmp_site.env import Environment

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


@register(Tags.security)
def check_data_dir(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """dpmp.W001: other users of the machine can change the data directory."""
    mode = _mode(settings.DATA_DIR)
    if mode is None or not mode & _OTHERS_WRITE:
        return []
    return [
        Warning(
            _("Other users of this machine can write to the data directory %s.") % settings.DATA_DIR,
            hint=_("Run: chmod go-w %s") % settings.DATA_DIR,
            id="dpmp.W001",
        )
    ]


@register(Tags.security)
def check_secret_key(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """dpmp.E001: other users of the machine can read the secret key, and with it forge a session."""
    path = settings.DATA_DIR / SECRET_KEY_FILE
    mode = _mode(path)
    if mode is None or not mode & _OTHERS:
        return []
    return [
        Error(
            _("Other users of this machine can read the secret key %(path)s (mode %(mode)s).")
            % {"path": path, "mode": f"{mode:04o}"},
            hint=_("Run: chmod 600 %s. If somebody may have read it, delete it: everybody then signs in again.") % path,
            id="dpmp.E001",
        )
    ]


@register(Tags.security)
def check_debug(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """dpmp.W002: debug pages, which show settings and code, for the whole network."""
    if not settings.DEBUG or _is_loopback(_web_host()):
        return []
    return [
        Warning(
            _("Debug pages are on, and the dashboard listens for other machines than this one."),
            hint=_("Unset DPMP_DEBUG, or let the dashboard listen on 127.0.0.1."),
            id="dpmp.W002",
        )
    ]


def _web_host() -> str:
    """The address that the pages are configured to listen on; the default while there is no database."""
    from proxy.models import ProxySettings

    field = ProxySettings._meta.get_field("web_host")
    try:
        host = ProxySettings.objects.values_list("web_host", flat=True).first()
    except DatabaseError:
        host = None
    return str(host or field.get_default())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@register()
def check_environment(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """dpmp.W003: a DPMP_* variable that nothing reads."""
    return [
        Warning(
            _("Nothing reads the environment variable %s.") % name,
            hint=_("Look for a typing mistake; README.md lists the names."),
            id="dpmp.W003",
        )
        for name in Environment().unknown()
    ]
