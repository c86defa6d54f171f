"""The week as a chart: which schedule is in force when, for all workers or one."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboard.svg import PALETTE
from proxy.config.snapshot import Mode, ScheduleConfig
from proxy.observe.live.views import LiveSnapshot
from proxy.scheduling import timetable
from proxy.types import PoolKey, WorkerName

DAY_S = 86400.0
LEFT, ROW, DAY_WIDTH, RIGHT = 84, 34, 672, 14
"""``LEFT`` takes the longest label, a short weekday and date; ``RIGHT`` half of the last hour's number."""
TOP = 22
GLYPH, PADDING = 7.0, 6.0
"""Maximum width of a letter in a cell's name, and the padding around it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of one day in one schedule; positions in the chart's own units."""

    x: float
    y: float
    width: float
    pieces: tuple[tuple[int, float, float], ...]
    """Colour, top and height of each pool's part of the cell."""
    label: str
    label_x: float
    label_y: float
    """The middle of the largest piece."""
    title: str


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from today's midnight in ``zone``."""

    zone: str
    days: tuple[tuple[str, float], ...]
    """Name of the day as ISO date, and its row."""
    hours: tuple[tuple[int, float], ...]
    cells: tuple[Cell, ...]
    now_x: float
    now_y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Coming:
    """A schedule that is in force or comes into force."""

    schedule: ScheduleConfig | None
    at: float | None


def present_and_next(schedules: Sequence[ScheduleConfig], worker: str, now: float) -> tuple[Coming, Coming | None]:
    """What is in force for ``worker``, and what follows within a week."""
    name = WorkerName(worker)
    present = Coming(timetable.in_force(schedules, name, now), None)
    at = timetable.next_change(schedules, name, now)
    return present, None if at is None else Coming(timetable.in_force(schedules, name, at), at)


def week(snap: LiveSnapshot, schedules: Sequence[ScheduleConfig], worker: str, now: float) -> Week:
    """The chart, in the time zone of the first schedule that has windows."""
    zone = next((schedule.time_zone for schedule in schedules if schedule.windows), "UTC")
    midnight = datetime.fromtimestamp(now, ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    by_id = {schedule.id: schedule for schedule in schedules}
    edges = [(midnight + timedelta(days=day)).timestamp() for day in range(8)]
    now_x = LEFT + (now - edges[0]) / (edges[1] - edges[0]) * DAY_WIDTH
    cells = [
        cell
        for segment in timetable.week(schedules, WorkerName(worker), edges[0])
        for cell in _cells(snap, by_id, segment, edges, now_x)
    ]
    days = tuple(((midnight + timedelta(days=day)).date().isoformat(), float(TOP + day * ROW)) for day in range(7))
    return Week(
        zone,
        days,
        tuple((hour, LEFT + hour / 24 * DAY_WIDTH) for hour in range(0, 25, 3)),
        tuple(cells),
        now_x,
        TOP,
        LEFT + DAY_WIDTH + RIGHT,
        TOP + 7 * ROW,
    )


def _cells(
    snap: LiveSnapshot,
    by_id: Mapping[int, ScheduleConfig],
    segment: timetable.Segment,
    edges: Sequence[float],
    now_x: float,
) -> list[Cell]:
    schedule = by_id.get(segment.schedule_id) if segment.schedule_id is not None else None
    cells = []
    for day, (begin, end) in enumerate(itertools.pairwise(edges)):
        start, stop = max(begin, segment.start), min(end, segment.end)
        if start < stop:
            left = LEFT + (start - begin) / (end - begin) * DAY_WIDTH
            width = (stop - start) / (end - begin) * DAY_WIDTH
            y = float(TOP + day * ROW + 2)
            name = schedule.name if schedule else ""
            pieces = _pieces(snap, schedule, y)
            _colour, top, height = max(pieces, key=lambda piece: piece[2], default=(0, y, float(ROW - 4)))
            label_x = _label_x(name, left, width, now_x if day == 0 else None)
            cells.append(
                Cell(
                    round(left, 1),
                    y,
                    round(width, 1),
                    pieces,
                    name if label_x is not None else "",
                    round(label_x or left, 1),
                    round(top + height / 2 + 3.5, 1),
                    name,
                )
            )
    return cells


def _label_x(name: str, left: float, width: float, now_x: float | None) -> float | None:
    """Where a cell's name begins: at its left edge, or behind the line that marks now; None where there is no room."""
    wanted = GLYPH * len(name) + PADDING
    begins = left + PADDING
    if now_x is not None and begins - PADDING <= now_x <= begins + wanted:
        begins = now_x + PADDING
    return begins if begins + wanted <= left + width else None


def _pieces(snap: LiveSnapshot, schedule: ScheduleConfig | None, y: float) -> tuple[tuple[int, float, float], ...]:
    """The pools' parts of a cell from top to bottom; one grey piece where there is no schedule."""
    whole = float(ROW - 4)
    weights: dict[PoolKey, float] = schedule.weights() if schedule else {}
    if schedule and schedule.mode is Mode.PRIORITY and schedule.allocations:
        weights = {schedule.allocations[0][0]: 1.0}
    total = sum(weights.values())
    pieces = []
    for key, weight in weights.items():
        if weight > 0 and total > 0:
            pool = snap.pool(key)
            height = whole * weight / total
            pieces.append((pool.colour % PALETTE if pool else PALETTE - 1, round(y, 1), round(height, 1)))
            y += height
    return tuple(pieces)
