"""When summaries are due."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

MONDAY = 0


def next_daily(wall: float, at: time, zone: ZoneInfo) -> float:
    """The first time after ``wall`` that a clock in ``zone`` shows ``at``; unix seconds."""
    local = datetime.fromtimestamp(wall, zone)
    due = datetime.combine(local.date(), at, zone)
    if due.timestamp() <= wall:
        due = datetime.combine(local.date() + timedelta(days=1), at, zone)
    return due.timestamp()


def next_weekly(wall: float, at: time, zone: ZoneInfo) -> float:
    """The first Monday after ``wall`` at the time ``at``; unix seconds."""
    local = datetime.fromtimestamp(wall, zone)
    monday = local.date() + timedelta(days=(MONDAY - local.weekday()) % 7)
    due = datetime.combine(monday, at, zone)
    if due.timestamp() <= wall:
        due = datetime.combine(monday + timedelta(days=7), at, zone)
    return due.timestamp()


def days_before(wall: float, days: int, zone: ZoneInfo) -> float:
    """The same time of day ``days`` earlier; 23 or 25 hours a day where the clocks change."""
    local = datetime.fromtimestamp(wall, zone)
    return datetime.combine(local.date() - timedelta(days=days), local.time(), zone).timestamp()
