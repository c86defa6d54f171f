"""The coming week of the schedules, in words."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from proxy.config.snapshot import ScheduleConfig
from proxy.scheduling.timetable import Segment, week
from proxy.types import WorkerName

MAX_LINES = 100


def sample_worker(patterns: str) -> WorkerName:
    """A name that the first of the patterns matches."""
    first = patterns.split(",")[0].strip()
    return WorkerName(first.replace("*", "").replace("?", "x") or "worker")


def week_lines(schedules: Sequence[ScheduleConfig], worker: WorkerName, start: float, zone: ZoneInfo) -> list[str]:
    """A line for each stretch of the seven days from ``start`` (unix seconds); gaps and overlaps are named."""
    names = {schedule.id: schedule.name for schedule in schedules}
    segments = week(schedules, worker, start)
    lines = [_line(segment, names, zone) for segment in segments[:MAX_LINES]]
    if len(segments) > MAX_LINES:
        lines.append(_("and %d more") % (len(segments) - MAX_LINES))
    return lines


def _line(segment: Segment, names: dict[int, str], zone: ZoneInfo) -> str:
    when = f"{_moment(segment.start, zone)} - {_moment(segment.end, zone)}"
    if segment.schedule_id is None:
        return _("%s: GAP, no schedule is in force and there is no default") % when
    line = f"{when}: {names[segment.schedule_id]}"
    if segment.by_default:
        line += " " + _("(default)")
    if segment.overlaps:
        losers = ", ".join(names[loser] for loser in segment.overlaps)
        line += " " + _("(OVERLAP: wins over %s)") % losers
    return line


def _moment(wall: float, zone: ZoneInfo) -> str:
    local = datetime.fromtimestamp(wall, zone)
    return f"{WEEKDAYS_ABBR[local.weekday()]} {local:%H:%M}"
