"""What the API says and takes of what is set by hand, and of the test of a pool."""

from typing import Annotated

from ninja import Schema
from pydantic import Field

from dashboard.api.values import Input, Number, PoolKeyText, Strict, Text


class Override(Schema):
    """What is set by hand: weights, auto-balance, or nothing, which leaves it to the schedules."""

    kind: str
    """``weights``, ``auto-balance`` or ``none``."""
    weights: dict[str, Number]
    set_by: Text
    set_unix_s: Number | None
    until_unix_s: Number | None


class WeightsWanted(Strict):
    """How much each pool gets, relative to the others; those left out get nothing."""

    weights: Annotated[
        dict[PoolKeyText, Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]],
        Field(min_length=1, max_length=64, examples=[{"A": 70, "B": 30}]),
    ]
    hours: Annotated[int | None, Field(ge=1, le=8760)] = None
    """Until then; left out: until something else is set."""


class Switch(Strict):
    """On or off."""

    on: bool


class Pin(Schema):
    """A worker that works for one pool, whatever else is set."""

    worker: Text
    pool: PoolKeyText
    note: Text


class PinWanted(Strict):
    """The pool that the worker is pinned to."""

    pool: PoolKeyText


class NoteWanted(Strict):
    """A note on a worker; empty: none."""

    text: Annotated[Input, Field(max_length=500)]


class CheckLine(Schema):
    """One step of a connection test; ``ok`` is null for information."""

    step: Text
    text: Text
    ok: bool | None


class Check(Schema):
    """The result of a connection test."""

    lines: list[CheckLine]
    problem: Text
