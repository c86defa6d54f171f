"""The week as a picture and as sentences: which schedule is in force when, for all workers or one."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from dashboard.svg import PALETTE
from proxy.config.loader import load_snapshot
from proxy.config.snapshot import ALL_WORKERS, Mode, ScheduleConfig
from proxy.errors import ConfigError
from proxy.observe.live.views import LiveSnapshot
from proxy.scheduling import timetable
from proxy.types import MAIN_LISTENER, ListenerId, PoolKey, WorkerName

ROW = 34
DAY_MINUTES = 1440
NAME_WIDTH = 14.0
"""What a name takes, in percent of a day."""
EVERYBODY = WorkerName("")
"""A worker that only schedules for all workers apply to."""


def configured() -> tuple[tuple[ScheduleConfig, ...], Sequence[str]]:
    """The schedules as they are in the database, and none with what is wrong where they cannot be used."""
    try:
        return load_snapshot().schedules, ()
    except ConfigError as error:
        return (), error.problems


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of one day in one schedule: left and width in percent of the day, the rest in pixels."""

    left: float
    width: float
    y: float
    pieces: tuple[tuple[int, float, float], ...]
    """Colour, top (within the cell) and height of each pool's part of the cell."""
    label: str
    label_x: float
    """In percent of the cell: behind the line that marks now, where that would stand in the name."""
    label_y: float
    """Within the cell: the middle of the largest piece."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of one day in a window, as it can be taken hold of."""

    schedule: ScheduleConfig
    window: int
    """The window's number among those of its schedule."""
    day: int
    left: float
    width: float
    y: float
    begins: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from today's midnight in ``zone``; each runs from 0 to 100 percent by the clock on the wall."""

    zone: str
    days: tuple[str, ...]
    """ISO dates."""
    weekday: int
    """Of the first day; 0 is Monday."""
    hours: tuple[tuple[int, float], ...]
    cells: tuple[Cell, ...]
    blocks: tuple[Block, ...]
    now: float
    height: int
    row: int = ROW


@dataclass(frozen=True, slots=True)
class Coming:
    """A schedule that is in force or comes into force; ``over`` are those which it wins over."""

    schedule: ScheduleConfig | None
    at: float | None
    over: tuple[ScheduleConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlap:
    """A schedule that wins over others while their windows are open too."""

    winner: ScheduleConfig
    loser: ScheduleConfig
    spans: tuple[tuple[float, float], ...]

    @property
    def by_age(self) -> bool:
        """Whether both have the same priority, so that the older one wins."""
        return self.winner.priority == self.loser.priority


@cache
def zones() -> frozenset[str]:
    """All time zones that are known here."""
    return frozenset(available_timezones())


def zone_of(schedules: Sequence[ScheduleConfig], wanted: str = "") -> str:
    """``wanted`` where that is a time zone, else that of the first schedule that has windows."""
    if wanted in zones():
        return wanted
    return next((schedule.time_zone for schedule in schedules if schedule.windows), "UTC")


def for_worker(
    schedules: Sequence[ScheduleConfig], worker: str, listener: ListenerId = MAIN_LISTENER
) -> list[ScheduleConfig]:
    """The schedules that apply to ``worker`` if it comes through ``listener``; without one, those for all workers."""
    return [
        one
        for one in schedules
        if one.applies_to(WorkerName(worker), listener) and (worker or one.workers.strip() == ALL_WORKERS)
    ]


def present_and_next(
    schedules: Sequence[ScheduleConfig], worker: str, now: float, listener: ListenerId = MAIN_LISTENER
) -> tuple[Coming, Coming | None]:
    """What is in force for ``worker``, and what follows within a week."""
    name = WorkerName(worker)
    present = Coming(timetable.in_force(schedules, name, now, listener), None)
    at = timetable.next_change(schedules, name, now, listener)
    return present, None if at is None else Coming(timetable.in_force(schedules, name, at, listener), at)


def routes(schedules: Sequence[ScheduleConfig], worker: str, now: float) -> list[tuple[ListenerId, ScheduleConfig]]:
    """For each listener that a schedule names, what is in force for ``worker`` there; those without anything left out.

    Without a worker: for one that only schedules for all workers apply to.
    """
    open_now, name = timetable.open_schedules(schedules, now), WorkerName(worker)
    found = {
        listener: timetable.choose(schedules, name, open_now, listener)
        for listener in dict.fromkeys(one.listener for one in schedules if one.listener is not None)
    }
    return [(listener, present) for listener, present in found.items() if present is not None]


def coming(
    schedules: Sequence[ScheduleConfig], worker: str, now: float, listener: ListenerId = MAIN_LISTENER
) -> list[Coming]:
    """What happens in the seven days from ``now``, one after the other; the first is in force."""
    by_id = {schedule.id: schedule for schedule in schedules}
    return [
        Coming(
            None if segment.schedule_id is None else by_id[segment.schedule_id],
            segment.start,
            tuple(by_id[loser] for loser in segment.overlaps),
        )
        for segment in timetable.week(schedules, WorkerName(worker), now, listener)
    ]


def overlaps(schedules: Sequence[ScheduleConfig], worker: str, now: float) -> list[Overlap]:
    """Who wins over whom, and when, in the seven days from ``now``: by the scheduler's own rule."""
    by_id = {schedule.id: schedule for schedule in schedules}
    spans: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for segment in timetable.week(schedules, WorkerName(worker), now):
        for loser in segment.overlaps:
            if segment.schedule_id is not None:
                spans.setdefault((segment.schedule_id, loser), []).append((segment.start, segment.end))
    return [Overlap(by_id[winner], by_id[loser], tuple(found)) for (winner, loser), found in spans.items()]


def week(
    snap: LiveSnapshot,
    schedules: Sequence[ScheduleConfig],
    worker: str,
    now: float,
    zone: str = "",
    listener: ListenerId = MAIN_LISTENER,
) -> Week:
    """The picture in ``zone``; without one, in that of the first schedule that has windows."""
    zone = zone_of(schedules, zone)
    place = ZoneInfo(zone)
    local = datetime.fromtimestamp(now, place)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [(midnight + timedelta(days=day)).timestamp() for day in range(8)]
    by_id = {schedule.id: schedule for schedule in schedules}
    present = round(_minute(local) / DAY_MINUTES * 100, 2)
    cells = []
    for segment in timetable.week(schedules, WorkerName(worker), edges[0], listener):
        schedule = by_id.get(segment.schedule_id) if segment.schedule_id is not None else None
        cells += [
            _cell(snap, schedule, day, left, width, present if day == 0 else -1.0)
            for day, left, width, _begins, _ends in _parts(segment.start, segment.end, edges, place)
        ]
    return Week(
        zone,
        tuple((midnight + timedelta(days=day)).date().isoformat() for day in range(7)),
        midnight.weekday(),
        tuple((hour, round(hour / 24 * 100, 2)) for hour in range(0, 25, 3)),
        tuple(cells),
        tuple(_blocks(schedules, edges, place)),
        present,
        7 * ROW,
    )


def _blocks(schedules: Sequence[ScheduleConfig], edges: Sequence[float], place: ZoneInfo) -> list[Block]:
    blocks = []
    for schedule in schedules:
        for number, window in enumerate(schedule.windows):
            alone = [replace(schedule, windows=(window,), workers=ALL_WORKERS, is_default=False)]
            for segment in timetable.week(alone, EVERYBODY, edges[0]):
                if segment.schedule_id is not None:
                    blocks += [
                        Block(schedule, number, day, left, width, float(day * ROW), begins, ends)
                        for day, left, width, begins, ends in _parts(segment.start, segment.end, edges, place)
                    ]
    return blocks


def _parts(
    start: float, end: float, edges: Sequence[float], place: ZoneInfo
) -> list[tuple[int, float, float, bool, bool]]:
    """A stretch of time day by day: the day, left and width in percent, and whether it begins and ends there."""
    parts = []
    for day, (begin, stop) in enumerate(itertools.pairwise(edges)):
        first, last = max(begin, start), min(stop, end)
        if first < last:
            left = _minute(datetime.fromtimestamp(first, place))
            right = DAY_MINUTES if last == stop else _minute(datetime.fromtimestamp(last, place))
            parts.append(
                (
                    day,
                    round(left / DAY_MINUTES * 100, 3),
                    round(max(right - left, 1) / DAY_MINUTES * 100, 3),
                    first == start,
                    last == end,
                )
            )
    return parts


def _minute(local: datetime) -> float:
    return local.hour * 60 + local.minute + local.second / 60


def _cell(
    snap: LiveSnapshot, schedule: ScheduleConfig | None, day: int, left: float, width: float, present: float
) -> Cell:
    pieces = _pieces(snap, schedule)
    _colour, top, height = max(pieces, key=lambda piece: piece[2], default=(0, 0.0, float(ROW - 4)))
    return Cell(
        left,
        width,
        float(day * ROW + 2),
        pieces,
        schedule.name if schedule else "",
        round((present - left) / width * 100, 2) if left <= present <= left + min(width, NAME_WIDTH) else 0.0,
        round(top + height / 2 + 3.5, 1),
    )


def _pieces(snap: LiveSnapshot, schedule: ScheduleConfig | None) -> tuple[tuple[int, float, float], ...]:
    """The pools' parts of a cell from top to bottom; none where there is no schedule."""
    whole, y = float(ROW - 4), 0.0
    weights: Mapping[PoolKey, float] = schedule.weights() if schedule else {}
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
