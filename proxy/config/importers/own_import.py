"""Imports an export of the configuration: rows are found by name, changed or added, never deleted."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from proxy.config.export import (
    FORMAT,
    FORMAT_VERSION,
    NAMES,
    PARTS,
    SECTIONS,
    Section,
    columns,
)
from proxy.config.importers.saved_rows import all_or_nothing
from proxy.config.importers.v2_format import read_json
from proxy.errors import ConfigError
from proxy.models import AlertTarget, WeightOverride

IMPORTED_BY = "importconfig"
_ABOUT = frozenset({"format", "format_version", "dpmp_version", "exported_at", "secrets", "override"})


def is_own(document: Mapping[str, Any]) -> bool:
    """Whether ``document`` is an export of DPMP, not a file of v2."""
    return document.get("format") == FORMAT


def import_own(path: Path, *, check: bool = False) -> list[str]:
    """Import ``path`` in one transaction. Returns a line for each row. With ``check`` it is rolled back at its end.

    Secrets that the file does not have stay as they are.

    Raises:
        ConfigError: with sentences; nothing was changed.
    """
    document = read_json(path)
    if not is_own(document) or document.get("format_version") != FORMAT_VERSION:
        raise ConfigError(f"{path} is no export of DPMP that this version can read.")
    unknown = sorted(set(document) - _ABOUT - {section.name for section in SECTIONS})
    lines = [f'"{name}" is not known here and was left out.' for name in unknown]
    for section in SECTIONS:
        found = document.get(section.name)
        lines += _unknown(section, [found] if section.single else found, section.name)
    with all_or_nothing(check=check):
        for section in SECTIONS:
            lines += _section(section, document.get(section.name))
        lines += _override(document.get("override"))
    return lines


def _unknown(section: Section, rows: Any, where: str) -> Iterable[str]:
    """A sentence for each unknown name in ``rows``: a typing mistake, or a field of a later version."""
    parts = PARTS.get(where, ())
    known = {field.name for field in columns(section)} | {field.name for field in section.model._meta.many_to_many}
    known |= {*section.leave_out, *(part.name for part in parts)}
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    for name in dict.fromkeys(name for row in rows for name in row if name not in known):
        yield f'"{where}.{name}" is not known here and was left out.'
    for part in parts:
        inner = [row[part.name] for row in rows if isinstance(row.get(part.name), list)]
        yield from _unknown(part, [values for found in inner for values in found], f"{where}.{part.name}")


def _section(section: Section, found: Any) -> Iterable[str]:
    rows = [found] if section.single else found
    if not found:
        return
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f'"{section.name}" must be a list of objects.')
    for place, values in enumerate(rows):
        yield _import(section, values, place)


def _import(section: Section, values: dict[str, Any], place: int) -> str:
    row = _find(section, values, place)
    who = capfirst(f"{section.model._meta.verbose_name} {values.get(section.key, '')}".strip())
    new = row._state.adding
    if new and isinstance(row, AlertTarget) and not values.get("url"):
        return f"{who}: left out, the file has no address (export with --secrets)"
    changed = _fill(section, row, values, who)
    if new or changed:
        _save(who, row)
    parts = [_replace(part, row, values[part.name], who) for part in PARTS.get(section.name, ()) if part.name in values]
    many = [
        _set_many(row, field, values[field.name], who)
        for field in section.model._meta.many_to_many
        if field.name in values
    ]
    outcome = "added" if new else "changed" if changed or any([*parts, *many]) else "unchanged"
    return f"{who}: {outcome}"


def _find(section: Section, values: Mapping[str, Any], place: int) -> models.Model:
    manager = section.model._default_manager
    if section.single:
        return manager.filter(pk=1).first() or section.model(pk=1)
    wanted = (
        {section.key: values.get(section.key)}
        if section.key
        else {"position": values.get("position", place), "kind": values.get("kind")}
    )
    for name, value in wanted.items():
        if not isinstance(value, str | int | None):
            raise ConfigError(f'"{section.name}": {name} cannot be {str(value)[:40]}.')
    try:
        return manager.filter(**wanted).first() or section.model()
    except (ValueError, OverflowError) as error:
        raise ConfigError(f'"{section.name}": {error}.') from error


def _fill(section: Section, row: models.Model, values: Mapping[str, Any], who: str) -> bool:
    """Set the values on ``row``. Returns whether one differed."""
    changed = False
    for field in columns(section):
        if field.name not in values:
            continue
        value = _resolve(field, values[field.name], who)
        if getattr(row, field.name, None) != value:
            setattr(row, field.name, value)
            changed = True
    return changed


def _resolve(field: "models.Field[Any, Any]", value: Any, who: str) -> Any:
    if value is None and not field.null:
        raise ConfigError(f"{who}, {field.verbose_name}: must not be null.")
    if field.remote_field is not None and value is not None:
        return _named(field.remote_field.model, value, who)
    try:
        found = field.to_python(value)
        if isinstance(found, float) and not isfinite(found):
            raise ValueError(found)
    except ValidationError as error:
        raise ConfigError(f"{who}, {field.verbose_name}: {' '.join(error.messages)}") from error
    except (TypeError, ValueError, OverflowError) as error:  # such as what is no text where the field parses one
        raise ConfigError(f"{who}, {field.verbose_name}: cannot be {str(value)[:40]}.") from error
    return found


def _named(model: type[models.Model], name: Any, who: str) -> models.Model:
    found = model._default_manager.filter(**{NAMES[model]: str(name)}).first()
    if found is None:
        raise ConfigError(f'{who}: there is no {model._meta.verbose_name} "{name}".')
    return found


def _replace(part: Section, owner: models.Model, found: Any, who: str) -> bool:
    """Replace the rows inside ``owner`` by those of the file. Returns whether something changed."""
    if not isinstance(found, list) or not all(isinstance(values, dict) for values in found):
        raise ConfigError(f'{who}: "{part.name}" must be a list of objects.')
    wanted = []
    for values in found:
        row = part.model(**{part.owner: owner})
        _fill(part, row, values, who)
        wanted.append(row)
    existing = list(part.model._default_manager.filter(**{part.owner: owner}))
    if [_values(part, row) for row in existing] == [_values(part, row) for row in wanted]:
        return False
    for row in existing:
        row.delete()
    for row in wanted:
        _save(who, row)
    return True


def _values(part: Section, row: models.Model) -> list[Any]:
    return [getattr(row, field.attname) for field in columns(part)]


def _set_many(row: models.Model, field: Any, names: Any, who: str) -> bool:
    """Set a many-to-many field. Names without a row (alert targets without an address) are skipped."""
    if not isinstance(names, list | None):
        raise ConfigError(f'{who}: "{field.name}" must be a list.')
    others = field.remote_field.model._default_manager.filter(
        **{f"{NAMES[field.remote_field.model]}__in": [str(name) for name in names or ()]}
    )
    manager = getattr(row, field.name)
    if set(manager.all()) == set(others):
        return False
    manager.set(others)
    return True


def _override(found: Any) -> list[str]:
    if not isinstance(found, dict):
        return []
    weights = None if found.get("kind") == "auto-balance" else found.get("weights") or {}
    if not isinstance(weights, dict | None):
        raise ConfigError("Override: the weights must be an object of pools and numbers.")
    until = _moment(found.get("until"))
    current = WeightOverride.objects.filter(cleared_at__isnull=True).first()
    if current and (current.kind, current.weights, current.until) == (found.get("kind"), weights or {}, until):
        return ["Override: unchanged"]
    try:
        WeightOverride.put(by=IMPORTED_BY, weights=weights, until=until)
    except ValidationError as error:
        raise ConfigError(f"Override: {' '.join(error.messages)}") from error
    return ["Override: changed" if current else "Override: added"]


def _moment(found: Any) -> datetime | None:
    try:
        moment = parse_datetime(found) if isinstance(found, str) else None
    except ValueError:
        moment = None
    if found and moment is None:
        raise ConfigError(f'Override: "until" is no moment: {str(found)[:40]!r}.')
    return moment


def _save(who: str, row: models.Model) -> None:
    try:
        row.full_clean()
        row.save()
    except ValidationError as error:
        raise ConfigError(
            *(
                f"{who}{_label(row, name)}: {message}"
                for name, messages in error.message_dict.items()
                for message in messages
            )
        ) from error


def _label(row: models.Model, name: str) -> str:
    try:
        return f", {row._meta.get_field(name).verbose_name}"  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return ""
