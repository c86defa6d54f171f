"""Which schedule is in force when, in any time zone."""

from datetime import datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.snapshot import ScheduleConfig, Window
from proxy.scheduling import timetable
from proxy.types import ListenerId
from tests.scheduling.harness import A

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = frozenset(range(7))


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def plan(number: int, *windows: Window, **fields: object) -> ScheduleConfig:
    return ScheduleConfig(
        id=number,
        name=f"plan {number}",
        allocations=((A, 1.0),),
        windows=windows,
        **{"time_zone": "Europe/Berlin", **fields},
    )


def window(start: str, end: str, days: frozenset[int] = EVERY_DAY) -> Window:
    return Window(weekdays=days, start=time.fromisoformat(start), end=time.fromisoformat(end))


DEFAULT = plan(99, is_default=True)


def force(schedules: tuple[ScheduleConfig, ...], wall: float, worker: str = "rig") -> int | None:
    found = timetable.in_force(schedules, worker, wall)
    return found.id if found else None


def test_a_window_is_open_from_its_start_to_just_before_its_end():
    plans = (plan(1, window("08:00", "20:00")), DEFAULT)
    assert force(plans, at("2026-06-01 07:59:59")) == 99
    assert force(plans, at("2026-06-01 08:00")) == 1
    assert force(plans, at("2026-06-01 19:59:59")) == 1
    assert force(plans, at("2026-06-01 20:00")) == 99


def test_a_window_over_midnight_belongs_to_the_day_it_starts_on():
    plans = (plan(1, window("22:00", "06:00", frozenset({4}))), DEFAULT)
    assert force(plans, at("2026-06-05 23:00")) == 1  # a Friday
    assert force(plans, at("2026-06-06 05:59")) == 1
    assert force(plans, at("2026-06-06 23:00")) == 99
    assert force(plans, at("2026-06-05 05:00")) == 99


def test_equal_start_and_end_is_a_whole_day():
    plans = (plan(1, window("06:00", "06:00", frozenset({0}))), DEFAULT)
    assert force(plans, at("2026-06-01 06:00")) == 1
    assert force(plans, at("2026-06-02 05:59")) == 1
    assert force(plans, at("2026-06-02 06:00")) == 99


def test_the_largest_priority_wins_then_the_smallest_id():
    always = window("00:00", "00:00")
    plans = (plan(3, always), plan(2, always), plan(4, always, priority=1))
    assert force(plans, at("2026-06-01 12:00")) == 4
    assert force(plans[:2], at("2026-06-01 12:00")) == 2


def test_a_schedule_applies_to_the_workers_it_names():
    plans = (plan(1, workers="shed*, attic?"), DEFAULT)
    assert [force(plans, at("2026-06-01 12:00"), worker) for worker in ("shed7", "attic1", "attic12")] == [1, 1, 99]


def test_a_gap_without_a_default_has_nobody_in_force():
    assert force((plan(1, window("08:00", "09:00")),), at("2026-06-01 12:00")) is None


def test_an_hour_that_the_clock_skips_shortens_the_window():
    plans = (plan(1, window("02:30", "04:00")), DEFAULT)
    jump = at("2026-03-29 01:59:59") + 1
    assert force(plans, jump - 1) == 99
    assert force(plans, jump) == 1
    assert force(plans, jump + 3599) == 1
    assert force(plans, jump + 3600) == 99


def test_an_hour_that_comes_twice_opens_a_window_once():
    plans = (plan(1, window("01:30", "02:30")), DEFAULT)
    opens = at("2026-10-25 01:30")
    openings = [force(plans, opens + minutes * 60) == 1 for minutes in range(-30, 240, 10)]
    assert openings.count(True) == 6
    assert force(plans, opens + 3600) == 99


def test_next_change_skips_boundaries_that_change_nothing():
    plans = (plan(1, window("08:00", "20:00"), priority=1), plan(2, window("10:00", "12:00")), DEFAULT)
    assert timetable.next_change(plans, "rig", at("2026-06-01 09:00")) == at("2026-06-01 20:00")
    assert timetable.next_boundary(plans, at("2026-06-01 09:00")) == at("2026-06-01 10:00")
    assert timetable.next_change((DEFAULT,), "rig", at("2026-06-01 09:00")) is None


def test_a_schedule_without_windows_has_no_boundaries_and_is_always_in_force():
    plans = (plan(1), DEFAULT)
    assert timetable.next_boundary(plans, at("2026-06-01 09:00")) is None
    assert force(plans, at("2026-06-01 09:00")) == 1


def test_the_week_shows_gaps_and_overlaps():
    plans = (plan(1, window("08:00", "20:00", frozenset({0}))), plan(2, window("18:00", "22:00", frozenset({0}))))
    start = at("2026-06-01 00:00")
    segments = timetable.week(plans, "rig", start)
    hours = [((piece.start - start) / 3600, piece.schedule_id, piece.overlaps) for piece in segments]
    assert hours == [(0, None, ()), (8, 1, ()), (18, 1, (2,)), (20, 2, ()), (22, None, ())]
    assert segments[-1].end == start + timetable.WEEK_S


TIMES = st.times(min_value=time(0), max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))
WINDOWS = st.builds(
    lambda days, start, end: Window(weekdays=days, start=start, end=end),
    st.frozensets(st.integers(0, 6), min_size=1),
    TIMES,
    TIMES,
)


def test_week_of_a_listeners_miners_has_its_route_before_all_others():
    route = plan(3, window("08:00", "20:00"), listener=ListenerId(7))
    plans = (plan(1, window("07:00", "21:00"), priority=9), route, DEFAULT)
    start = at("2026-06-01 00:00")
    through = [one.schedule_id for one in timetable.week(plans, "rig", start, ListenerId(7))][:5]
    assert through == [99, 1, 3, 1, 99]
    assert [one.schedule_id for one in timetable.week(plans, "rig", start)][:3] == [99, 1, 99]
    noon = at("2026-06-01 12:00")
    assert timetable.in_force(plans, "rig", noon, ListenerId(7)) == route
    assert timetable.next_change(plans, "rig", noon, ListenerId(7)) == at("2026-06-01 20:00")
    assert timetable.next_change(plans, "rig", noon) == at("2026-06-01 21:00")


@pytest.mark.no_cover
@settings(max_examples=60, deadline=None)
@given(
    windows=st.lists(WINDOWS, min_size=1, max_size=3),
    hour=st.integers(0, 24 * 365),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_the_week_agrees_with_every_instant_and_has_no_holes(windows: list[Window], hour: int, zone: str):
    plans = (plan(1, *windows, time_zone=zone), plan(2, *windows[:1], time_zone=zone, priority=1))
    start = at("2026-01-01 00:00") + hour * 3600
    segments = timetable.week(plans, "rig", start)
    assert segments[0].start == start
    assert all(one.end == other.start for one, other in pairwise(segments))
    for piece in segments:
        for instant in (piece.start, (piece.start + piece.end) / 2, piece.end - 1):
            assert force(plans, instant) == piece.schedule_id
