"""What all schemas of the API have in common.

Names are a contract: fields are added, never renamed; units are in the names.

Rates are hashes a second, times unix seconds. A text that a miner, a pool or a person wrote is a ``Text``: wallets in
it are hidden from callers that may not see them. Of every other text the program knows all values.
"""

from math import isfinite
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, StringConstraints

from dashboard.api.shown import shown

LARGEST = 1e300


def _finite(number: object) -> object:
    """JSON has neither infinity nor NaN."""
    if isinstance(number, float) and not isfinite(number):
        return LARGEST if number > 0 else 0.0
    return number


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("there are characters in it that cannot be shown")
    return text


Text = Annotated[str, AfterValidator(shown)]
Number = Annotated[float, BeforeValidator(_finite)]
PoolKeyText = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,7}$")]
"""A pool's key, such as A."""
Input = Annotated[str, AfterValidator(_printable)]


class Strict(Schema):
    """What a caller sends: an unknown field is an error, so that a typing mistake is not taken for a default."""

    model_config = ConfigDict(extra="forbid")


class Problem(Schema):
    """An error, as RFC 9457 has it."""

    title: str
    status: int
    detail: str
    errors: list[dict[str, object]] | None = None
