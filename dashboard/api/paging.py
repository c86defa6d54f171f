"""Pages by cursor: the next page begins after the last row of this one, whatever was added meanwhile."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db.models import Model, Q, QuerySet
from pydantic import Field

from dashboard.api.errors import Refused

Row = TypeVar("Row", bound=Model)
Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[str, Field(max_length=1000)]
DEFAULT = 50


def _cipher() -> Fernet:
    """Cursors hold names that their reader may perhaps not see, so they are encrypted."""
    key = hashlib.sha256(f"dpmp api cursor {settings.SECRET_KEY}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def cursor_after(*position: object) -> str:
    """The cursor of the page after ``position``."""
    return _cipher().encrypt(json.dumps(position).encode()).decode()


def position_of(cursor: str, length: int) -> list[Any]:
    """The position in a cursor.

    Raises:
        Refused: it is none of ours.
    """
    try:
        position = json.loads(_cipher().decrypt(cursor.encode()))
    except (InvalidToken, ValueError) as error:
        raise Refused(422, "This cursor is not one of ours: take next_cursor of the page before.") from error
    if not isinstance(position, list) or len(position) != length:
        raise Refused(422, "This cursor belongs to another list.")
    return position


def page(rows: QuerySet[Row], by: str, cursor: str, limit: int) -> tuple[Sequence[Row], str | None]:
    """Up to ``limit`` rows with the largest ``by`` first, those of a cursor's page; and the next cursor, if any."""
    if cursor:
        kind, value, pk = position_of(cursor, 3)
        if kind != rows.model.__name__:
            raise Refused(422, "This cursor belongs to another list.")
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        rows = rows.filter(Q(**{f"{by}__lt": at}) | Q(**{by: at, "pk__lt": pk}))
    found = list(rows.order_by(f"-{by}", "-pk")[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    value = getattr(last, by)
    return found[:limit], cursor_after(
        rows.model.__name__, value.isoformat() if isinstance(value, datetime) else value, last.pk
    )
