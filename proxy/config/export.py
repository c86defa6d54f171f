"""The whole configuration as one JSON document, for keeping, comparing, and moving to another machine.

Rows refer to each other by name (a pool's key, a wallet's or target's label), never by number. Passwords and the
addresses of alert targets are left out unless asked for. ``proxy.config.importers.own_import`` reads it back.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from proxy import VERSION
from proxy.models import (
    AlertRule,
    AlertSettings,
    AlertTarget,
    Allocation,
    BalanceSettings,
    BalanceSource,
    ChainPrice,
    DeviceSettings,
    Fallback,
    FirmwareRule,
    Listener,
    MoneySettings,
    MqttSettings,
    Pool,
    PoolEndpoint,
    ProxySettings,
    Retention,
    Schedule,
    ScheduleWindow,
    VardiffRule,
    Wallet,
    WeightOverride,
    WorkerPin,
)
from proxy.models.alerts import BROWSER_SCHEME

FORMAT, FORMAT_VERSION = "dpmp-config", 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """How the rows of one model are written in the document."""

    name: str
    model: type[models.Model]
    key: str = ""
    """Field that identifies a row; empty: its owner and position do, or it is the only row."""
    owner: str = ""
    """Foreign key of rows that belong to another section's row and are written inside it."""
    secrets: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    without: str = ""
    """Beginning of the URL of rows that are no configuration to move: browsers belong to people."""
    single: bool = False


PARTS: dict[str, tuple[Section, ...]] = {
    "pools": (Section(name="endpoints", model=PoolEndpoint, owner="pool"),),
    "schedules": (
        Section(name="allocations", model=Allocation, owner="schedule"),
        Section(name="fallbacks", model=Fallback, owner="schedule"),
        Section(name="windows", model=ScheduleWindow, owner="schedule"),
    ),
}
"""Section -> sections that are written inside its rows."""

SECTIONS: tuple[Section, ...] = (
    Section(name="wallets", model=Wallet, key="label"),
    Section(name="pools", model=Pool, key="key", secrets=("password",)),
    Section(name="listeners", model=Listener, key="name", secrets=("password",)),
    Section(name="schedules", model=Schedule, key="name"),
    Section(name="pins", model=WorkerPin, key="worker"),
    Section(name="firmware_rules", model=FirmwareRule, key="agent"),
    Section(name="vardiff_rules", model=VardiffRule, key="name"),
    Section(name="settings", model=ProxySettings, single=True, secrets=("miner_password",)),
    Section(name="mqtt", model=MqttSettings, single=True, secrets=("password",)),
    Section(name="money", model=MoneySettings, single=True),
    Section(name="devices", model=DeviceSettings, single=True),
    Section(name="retention", model=Retention, single=True),
    Section(name="balance", model=BalanceSettings, single=True),
    Section(name="balance_sources", model=BalanceSource, secrets=("password",)),
    Section(name="prices", model=ChainPrice, key="chain", leave_out=("set_at",)),
    Section(name="alert_targets", model=AlertTarget, key="label", secrets=("url",), without=f"{BROWSER_SCHEME}:"),
    Section(name="alert_settings", model=AlertSettings, single=True),
    Section(name="alert_rules", model=AlertRule, key="kind"),
)
"""In the order in which they can be read back."""

NAMES: dict[type[models.Model], str] = {
    Wallet: "label",
    Pool: "key",
    Listener: "name",
    AlertTarget: "label",
}
"""Field by which rows of other models refer to a row."""


def export_config(*, secrets: bool = False) -> str:
    """The document; with ``secrets`` it holds passwords and alert addresses."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "dpmp_version": VERSION,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "secrets": secrets,
    }
    for section in SECTIONS:
        found = section.model._default_manager.all()
        if section.without:
            found = found.exclude(url__startswith=section.without)
        rows = [_row(section, row, secrets) for row in found]
        document[section.name] = (rows[0] if rows else {}) if section.single else rows
    document["override"] = _override()
    return json.dumps(document, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False) + "\n"


def columns(section: Section) -> "list[models.Field[Any, Any]]":
    """The fields that a row of ``section`` is written with."""
    left_out = {"id", section.owner, *section.leave_out}
    return [field for field in section.model._meta.concrete_fields if field.name not in left_out]


def _row(section: Section, row: models.Model, secrets: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in columns(section):
        if secrets or field.name not in section.secrets:
            values[field.name] = _value(field, row)
    for many in section.model._meta.many_to_many:
        values[many.name] = [str(other) for other in getattr(row, many.name).all()]
    for part in PARTS.get(section.name, ()):
        values[part.name] = [
            _row(part, inner, secrets) for inner in part.model._default_manager.filter(**{part.owner: row})
        ]
    return values


def _value(field: "models.Field[Any, Any]", row: models.Model) -> Any:
    if field.remote_field is None:
        return getattr(row, field.name)
    other = getattr(row, field.name)
    return None if other is None else getattr(other, NAMES[type(other)])


def _override() -> dict[str, Any] | None:
    row = WeightOverride.objects.filter(cleared_at__isnull=True).first()
    if row is None or not row.active:
        return None
    return {"kind": row.kind, "weights": row.weights, "until": row.until}
