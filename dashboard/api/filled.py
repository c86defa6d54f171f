"""Fills what the API says from the program's own objects."""

from typing import TypeVar

from ninja import Schema

Said = TypeVar("Said", bound=Schema)


def filled(schema: type[Said], source: object, **others: object) -> Said:
    """A ``schema`` with ``others``, which have another name or form here; the other fields are those of ``source``."""
    same = {name: getattr(source, name) for name in schema.model_fields if name not in others}
    return schema(**same, **others)
