"""What the API says and takes of schedules."""

from typing import Annotated

from ninja import Schema
from pydantic import Field, StringConstraints

from dashboard.api.values import Input, Number, PoolKeyText, Strict, Text
from proxy.config.snapshot import Mode, Policy


class PoolWeight(Strict):
    """A pool's weight in a schedule, relative to the others."""

    pool: PoolKeyText
    weight: Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]


class Window(Strict):
    """Some hours of some days; where ``end`` is not after ``start``, it is on the next day."""

    days: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)]
    """On which it begins; 0 is Monday."""
    start: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    end: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class ScheduleWanted(Strict):
    """A whole schedule; what is left out takes its default."""

    name: Annotated[Input, Field(min_length=1, max_length=80)]
    enabled: bool = True
    is_default: bool = False
    mode: Mode = Mode.RATIO
    policy: Policy = Policy.AUTOMATIC
    min_switch_s: Annotated[float, Field(ge=5, le=86400)] = 30.0
    slice_s: Annotated[float, Field(gt=0, le=86400)] = 12.0
    time_zone: Annotated[Input, Field(max_length=64)] = "UTC"
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    workers: Annotated[Input, Field(min_length=1, max_length=500)] = "*"
    allocations: Annotated[list[PoolWeight], Field(max_length=64)]
    fallbacks: Annotated[list[PoolKeyText], Field(max_length=64)] = []
    windows: Annotated[list[Window], Field(max_length=100)] = []


class Schedule(Schema):
    """Weights for pools, always or in windows of the week, for all workers or some."""

    id: int
    name: Text
    enabled: bool
    is_default: bool
    mode: Mode
    policy: Policy
    min_switch_s: Number
    slice_s: Number
    time_zone: str
    priority: int
    workers: Text
    allocations: list[PoolWeight]
    fallbacks: list[PoolKeyText]
    windows: list[Window]


class Coming(Schema):
    """The schedule that is in force for a worker, or from a moment on; null: none."""

    schedule_id: int | None
    from_unix_s: Number | None


class SchedulesNow(Schema):
    """What the schedules say now, and what follows within a week."""

    now: Coming
    following: Coming | None
