"""Lists the current settings, each with its origin: the command line, the environment, the admin, or the default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from proxy.models import (
    AlertSettings,
    BalanceSettings,
    DeviceSettings,
    MoneySettings,
    MqttSettings,
    ProxySettings,
    Retention,
)

HIDDEN = gettext_lazy("(set)")
_SECRET_WORDS = ("PASSWORD", "URL", "SECRET", "TOKEN")
_SECRET_FIELDS = ("miner_password", "password")
_ROWS: tuple[type[models.Model], ...] = (
    ProxySettings,
    Retention,
    BalanceSettings,
    AlertSettings,
    MqttSettings,
    MoneySettings,
    DeviceSettings,
)
_OVERRIDES = {"log_level": "DPMP_LOG_LEVEL", "log_allow": "DPMP_LOG_ALLOW", "log_deny": "DPMP_LOG_DENY"}
"""Fields of ``ProxySettings`` that the environment wins over."""


class Origin(StrEnum):
    """Where a value comes from."""

    COMMAND_LINE = "command-line"
    ENVIRONMENT = "environment"
    ADMIN = "admin"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """One setting: its current value and where it comes from."""

    group: str
    name: str
    value: str
    """Without secrets."""
    origin: Origin
    detail: str
    """The variable's name or meaning, or what the default would be."""


def settings_in_force(
    variables: Mapping[str, str | Promise],
    environ: Mapping[str, str] = os.environ,
    command_line: Mapping[str, str | int] | None = None,
) -> list[SettingLine]:
    """All current settings; ``variables`` is ``dpmp_site.env.VARIABLES``: name -> meaning.

    ``command_line`` holds what it replaced, by the names of the columns of ``ProxySettings``.
    """
    given = command_line or {}
    lines = [_variable(name, meaning, environ) for name, meaning in variables.items()]
    for model in _ROWS:
        row = model.load()  # type: ignore[attr-defined]
        lines += [
            _field(row, field, environ, given if model is ProxySettings else {})
            for field in model._meta.concrete_fields
            if field.name != "id"
        ]
    return lines


def _variable(name: str, meaning: str | Promise, environ: Mapping[str, str]) -> SettingLine:
    value = environ.get(name, "").strip()
    secret = any(word in name for word in _SECRET_WORDS)
    return SettingLine(
        group="environment",
        name=name,
        value=str(HIDDEN) if value and secret else value,
        detail=str(meaning),
        origin=Origin.ENVIRONMENT if value else Origin.DEFAULT,
    )


def _field(
    row: models.Model,
    field: "models.Field[Any, Any]",
    environ: Mapping[str, str],
    command_line: Mapping[str, str | int],
) -> SettingLine:
    group, name = str(capfirst(row._meta.verbose_name or "")), str(capfirst(field.verbose_name))
    if field.name in command_line:
        return SettingLine(
            group=group,
            name=name,
            value=str(command_line[field.name]),
            origin=Origin.COMMAND_LINE,
            detail=_shown(getattr(row, field.name)),
        )
    variable = _OVERRIDES.get(field.name, "")
    override = environ.get(variable, "").strip() if variable and isinstance(row, ProxySettings) else ""
    if override:
        return SettingLine(group=group, name=name, value=override, origin=Origin.ENVIRONMENT, detail=variable)
    value, default = getattr(row, field.name), field.get_default()
    origin = Origin.DEFAULT if value == default else Origin.ADMIN
    shown = str(HIDDEN) if value and field.name in _SECRET_FIELDS else _shown(value)
    return SettingLine(group=group, name=name, value=shown, origin=origin, detail=_shown(default))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:g}" if isinstance(value, float) else str(value)
