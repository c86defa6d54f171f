"""Which schedule is in force when: windows of the week, over midnight, in any time zone, through daylight saving.

A window's start and end are instants: the first time the local clock reads that time on that day. A time that the
clock skips (spring) stands for the instant of the jump. So a window opens once a day, and two windows that touch on
paper touch in fact.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from proxy.config.snapshot import ScheduleConfig, Window
from proxy.types import MAIN_LISTENER, ListenerId, WorkerName

WEEK_S = 7 * 86400.0
_DAYS_BACK, _DAYS_AHEAD = 2, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the week in which the same schedule is in force. Unix seconds."""

    start: float
    end: float
    schedule_id: int | None
    """None: a gap, no schedule and no default."""
    by_default: bool = False
    overlaps: tuple[int, ...] = ()
    """Other schedules whose windows are open too, but lose by priority or id."""


def open_schedules(schedules: Iterable[ScheduleConfig], wall: float) -> frozenset[int]:
    """Ids of the schedules, other than the default, whose windows are open at unix time ``wall``."""
    return frozenset(schedule.id for schedule in schedules if not schedule.is_default and _is_open(schedule, wall))


def in_force(
    schedules: Sequence[ScheduleConfig], worker: WorkerName, wall: float, listener: ListenerId = MAIN_LISTENER
) -> ScheduleConfig | None:
    """Return the one schedule in force for ``worker`` at unix time ``wall``; None in a gap without a default."""
    return choose(schedules, worker, open_schedules(schedules, wall), listener)


def choose(
    schedules: Iterable[ScheduleConfig],
    worker: WorkerName,
    open_now: frozenset[int],
    listener: ListenerId = MAIN_LISTENER,
) -> ScheduleConfig | None:
    """Return the winner among ``open_now``: one of the listener before any other, largest priority, then smallest id,
    then the default."""
    applying = [schedule for schedule in schedules if schedule.applies_to(worker, listener)]
    candidates = [schedule for schedule in applying if schedule.id in open_now]
    if candidates:
        return min(candidates, key=lambda schedule: (schedule.listener is None, -schedule.priority, schedule.id))
    return next((schedule for schedule in applying if schedule.is_default), None)


def next_boundary(schedules: Iterable[ScheduleConfig], wall: float) -> float | None:
    """Return the next instant after ``wall`` at which any window opens or closes; None if none does within a week."""
    return min(
        (
            instant
            for schedule in schedules
            if not schedule.is_default
            for opening in _openings(schedule, wall)
            for instant in opening
            if instant > wall
        ),
        default=None,
    )


def next_change(
    schedules: Sequence[ScheduleConfig], worker: WorkerName, wall: float, listener: ListenerId = MAIN_LISTENER
) -> float | None:
    """Return the next instant within a week at which another schedule comes into force for ``worker``."""
    present = in_force(schedules, worker, wall, listener)
    instant = next_boundary(schedules, wall)
    while instant is not None and instant <= wall + WEEK_S:
        coming = in_force(schedules, worker, instant, listener)
        if (coming and coming.id) != (present and present.id):
            return instant
        instant = next_boundary(schedules, instant)
    return None


def week(
    schedules: Sequence[ScheduleConfig], worker: WorkerName, start_wall: float, listener: ListenerId = MAIN_LISTENER
) -> tuple[Segment, ...]:
    """Return what is in force for ``worker`` in the seven days from ``start_wall``, without holes between segments."""
    end = start_wall + WEEK_S
    marks = sorted(
        {
            start_wall,
            *(
                instant
                for schedule in schedules
                for opening in _openings(schedule, start_wall)
                for instant in opening
                if start_wall < instant < end
            ),
        }
    )
    segments: list[Segment] = []
    for begin, stop in zip(marks, [*marks[1:], end], strict=True):
        segment = _segment(schedules, worker, begin, stop, listener)
        if segments and _alike(segments[-1], segment):
            segment = _segment(schedules, worker, segments.pop().start, stop, listener)
        segments.append(segment)
    return tuple(segments)


def _segment(
    schedules: Sequence[ScheduleConfig], worker: WorkerName, begin: float, stop: float, listener: ListenerId
) -> Segment:
    open_now = open_schedules(schedules, begin)
    winner = choose(schedules, worker, open_now, listener)
    losers = tuple(
        sorted(
            schedule.id
            for schedule in schedules
            if schedule.id in open_now and schedule is not winner and schedule.applies_to(worker, listener)
        )
    )
    return Segment(
        start=begin,
        end=stop,
        schedule_id=winner.id if winner else None,
        by_default=bool(winner and winner.is_default),
        overlaps=losers,
    )


def _alike(one: Segment, other: Segment) -> bool:
    return (one.schedule_id, one.by_default, one.overlaps) == (other.schedule_id, other.by_default, other.overlaps)


def _is_open(schedule: ScheduleConfig, wall: float) -> bool:
    if not schedule.windows:
        return True
    return any(start <= wall < end for start, end in _openings(schedule, wall))


def _openings(schedule: ScheduleConfig, wall: float) -> Iterator[tuple[float, float]]:
    """Yield (start, end) of all openings from two days before ``wall`` to nine days after it."""
    if not schedule.windows:
        return
    zone = ZoneInfo(schedule.time_zone)
    today = datetime.fromtimestamp(wall, zone).date()
    for offset in range(-_DAYS_BACK, _DAYS_AHEAD):
        day = today + timedelta(days=offset)
        for window in schedule.windows:
            if day.weekday() in window.weekdays:
                yield _opening(window, day, zone)


def _opening(window: Window, day: date, zone: ZoneInfo) -> tuple[float, float]:
    over_midnight = window.start >= window.end
    last = day + timedelta(days=1) if over_midnight else day
    return _instant(day, window.start, zone), _instant(last, window.end, zone)


def _instant(day: date, clock_time: time, zone: ZoneInfo) -> float:
    local = datetime.combine(day, clock_time.replace(tzinfo=None), zone)
    early = local.timestamp()
    shown = datetime.fromtimestamp(early, zone).replace(tzinfo=None)
    return early if shown == local.replace(tzinfo=None) else _jump(early, zone)


def _jump(inside: float, zone: ZoneInfo) -> float:
    """Return the instant within the hours before ``inside`` at which the local clock jumps forward, to the second."""
    after = datetime.fromtimestamp(inside, zone).utcoffset()
    low, high = inside - 4 * 3600, inside
    while high - low > 0.5:
        middle = (low + high) / 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return float(round(high))
