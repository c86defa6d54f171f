"""Saves rows of an import and says what became of each; common to all formats."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Model

from proxy.config.loader import load_snapshot
from proxy.errors import ConfigError

Row = TypeVar("Row", bound=Model)


@contextmanager
def all_or_nothing(*, check: bool) -> Iterator[None]:
    """An import in one transaction; with ``check`` it is taken back at its end.

    Raises:
        ConfigError: the proxy could not use the result; nothing was changed.
    """
    with transaction.atomic():
        yield
        load_snapshot()
        if check:
            transaction.set_rollback(True)


class SavedRows:
    """One import; ``_lines`` collects what happened to each row."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def _put(self, who: str, row: Row, values: Mapping[str, Any]) -> Row:
        """Save ``row`` if it is new or one of ``values`` differs."""
        new = row._state.adding
        before = {name: getattr(row, name, None) for name in values}
        changed = [name for name, value in values.items() if before[name] != value]
        for name in changed:
            setattr(row, name, values[name])
        if new or changed:
            try:
                row.full_clean()
                row.save()
            except ValidationError as error:
                raise ConfigError(*sentences(who, row, error)) from error
        said = ", ".join(_change(row, name, before[name], values[name]) for name in changed)
        self._report(who, "added" if new else f"changed ({said})" if changed else "unchanged")
        return row

    def _report(self, who: str, outcome: str) -> None:
        self._lines.append(f"{who}: {outcome}")


def _change(row: Model, name: str, before: Any, after: Any) -> str:
    """What was changed, with numbers, choices and rows that are referred to; other texts may be secret."""
    may_be_shown = isinstance(after, bool | int | float | Model) or bool(
        getattr(row._meta.get_field(name), "choices", None)
    )
    return f"{name}: {before} -> {after}" if may_be_shown else name


def sentences(who: str, row: Model, error: ValidationError) -> list[str]:
    """The problems of ``row``, with the admin's labels of its fields."""
    found = []
    for name, messages in error.message_dict.items():
        label = "" if name == NON_FIELD_ERRORS else f", {getattr(row._meta.get_field(name), 'verbose_name', name)}"
        found += [f"{who}{label}: {message}" for message in messages]
    return found
