"""The schedule's page says what is in force in the coming week, and names gaps and overlaps."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from proxy.admin.preview import sample_worker, week_lines
from proxy.config.snapshot import ScheduleConfig, Window
from proxy.types import WorkerName
from tests.config.rows import make_pool, make_schedule

pytestmark = pytest.mark.no_cover

MONDAY = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
DAILY = frozenset(range(7))


def schedule(number: int, name: str, *windows: Window, **fields) -> ScheduleConfig:
    return ScheduleConfig(id=number, name=name, allocations=(("A", 1.0),), windows=windows, **fields)


def lines(*schedules: ScheduleConfig) -> list[str]:
    return week_lines(schedules, WorkerName("rig"), MONDAY, ZoneInfo("UTC"))


def test_a_gap_is_named() -> None:
    nights = schedule(1, "nights", Window(weekdays=frozenset({0}), start=time(22), end=time(6)))
    assert lines(nights) == [
        "Mon 00:00 - Mon 22:00: GAP, no schedule is in force and there is no default",
        "Mon 22:00 - Tue 06:00: nights",
        "Tue 06:00 - Mon 00:00: GAP, no schedule is in force and there is no default",
    ]


def test_the_default_fills_the_gaps() -> None:
    days = schedule(1, "days", Window(weekdays=frozenset({2}), start=time(8), end=time(20)))
    assert lines(days, schedule(2, "rest", is_default=True)) == [
        "Mon 00:00 - Wed 08:00: rest (default)",
        "Wed 08:00 - Wed 20:00: days",
        "Wed 20:00 - Mon 00:00: rest (default)",
    ]


def test_an_overlap_is_named_with_who_wins() -> None:
    first = schedule(1, "first", Window(weekdays=DAILY, start=time(0), end=time(0)))
    second = schedule(2, "second", Window(weekdays=frozenset({1}), start=time(6), end=time(7)), priority=1)
    assert "Tue 06:00 - Tue 07:00: second (OVERLAP: wins over first)" in lines(first, second)


def test_a_very_cut_up_week_is_not_endless() -> None:
    many = [Window(weekdays=DAILY, start=time(hour, 10), end=time(hour, 50)) for hour in range(24)]
    assert len(lines(schedule(1, "often", *many))) == 101


@pytest.mark.parametrize(("patterns", "name"), [("*", "worker"), ("rig?*, other", "rigx"), ("s19", "s19")])
def test_the_worker_that_stands_for_all_fits_the_pattern(patterns, name) -> None:
    assert sample_worker(patterns) == name
    assert schedule(1, "some", workers=patterns).applies_to(sample_worker(patterns))


@pytest.mark.django_db
def test_the_page_of_a_schedule_shows_it(admin_user) -> None:
    client = Client(headers={"host": "localhost"})
    client.force_login(admin_user)
    row = make_schedule({make_pool(): 1}, "<b>all</b>", is_default=True)
    page = client.get(f"/admin/proxy/schedule/{row.pk}/change/").content.decode()
    assert "&lt;b&gt;all&lt;/b&gt; (default)" in page
    assert "Save the schedule to see it." in client.get("/admin/proxy/schedule/add/").content.decode()
