"""The picture of the week: each day from 0 to 24 by the clock of the zone it is shown in."""

from datetime import UTC, datetime, time

import pytest

from dashboard.schedules import Week, coming, overlaps, week, zone_of
from proxy.config.snapshot import ScheduleConfig, Window
from proxy.types import PoolKey
from tests.dashboard import fixtures

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
SPLIT = ((PoolKey("A"), 70.0), (PoolKey("B"), 30.0))
ALWAYS = (ScheduleConfig(id=1, name="Everyday split", allocations=SPLIT, is_default=True),)


def schedule(id: int, start: int, end: int, *, days=range(7), **more) -> ScheduleConfig:
    window = Window(weekdays=frozenset(days), start=time(start), end=time(end))
    return ScheduleConfig(id=id, name=f"number {id}", allocations=SPLIT, windows=(window,), **more)


def picture(hour: float) -> Week:
    return week(fixtures.rich(), ALWAYS, "", MIDNIGHT + hour * 3600)


def places(shown: Week, name: str) -> list[tuple[int, float, float]]:
    """Day, and begin and end in hours."""
    return [
        (int(cell.y // shown.row), round(cell.left * 0.24, 2), round((cell.left + cell.width) * 0.24, 2))
        for cell in shown.cells
        if cell.label == name
    ]


def test_name_begins_at_the_left_edge_of_its_bar():
    assert [cell.label_x for cell in picture(12).cells] == [0] * 7


@pytest.mark.parametrize("hour", [0.1, 1.5, 3.0])
def test_name_stands_behind_the_line_of_now(hour):
    shown = picture(hour)
    today, *others = shown.cells
    assert today.label == "Everyday split" and today.label_x == shown.now == pytest.approx(hour / 0.24, abs=0.01)
    assert {cell.label_x for cell in others} == {0}


def test_all_lies_within_the_picture():
    shown = picture(12)
    assert all(cell.left + cell.width <= 100 for cell in shown.cells)
    assert max(cell.y + y + height for cell in shown.cells for _, y, height in cell.pieces) < shown.height


def test_windows_of_several_zones_stand_in_the_one_zone_of_the_picture():
    both = (
        schedule(1, 22, 23, time_zone="UTC", days=[0]),
        schedule(2, 20, 21, time_zone="America/New_York", days=[0]),
    )
    shown = week(fixtures.rich(), both, "", MIDNIGHT + 3600, "Europe/Berlin")
    assert places(shown, "number 1") == [(0, 23, 24)]
    assert places(shown, "number 2") == [(1, 2, 3)]
    assert [(block.schedule.id, block.day, block.begins, block.ends) for block in shown.blocks] == [
        (1, 0, True, True),
        (2, 1, True, True),
    ]


def test_clock_change_moves_a_window_of_another_zone_and_none_of_the_same():
    sunday = datetime(2027, 3, 28, tzinfo=UTC).timestamp()  # 2 o'clock is 3 in Berlin on this day
    both = (schedule(1, 10, 11, time_zone="UTC"), schedule(2, 20, 21, time_zone="Europe/Berlin"))
    shown = week(fixtures.rich(), both, "", sunday - 86400, "Europe/Berlin")
    assert places(shown, "number 1")[:3] == [(0, 11, 12), (1, 12, 13), (2, 12, 13)]
    assert places(shown, "number 2")[:3] == [(0, 20, 21), (1, 20, 21), (2, 20, 21)]


def test_zone_that_does_not_exist_is_that_of_the_first_windows():
    windows = (*ALWAYS, schedule(2, 1, 2, time_zone="Asia/Tokyo"))
    assert zone_of(windows, "../../etc/passwd") == zone_of(windows) == "Asia/Tokyo"
    assert zone_of(ALWAYS, "Europe/Berlin") == "Europe/Berlin" and zone_of(ALWAYS) == "UTC"


def test_overlaps_name_the_winner_by_the_rule_of_the_scheduler():
    windows = (schedule(1, 8, 12, days=[1]), schedule(2, 10, 14, days=[1]), schedule(3, 11, 12, priority=5, days=[1]))
    found = [
        (one.winner.id, one.loser.id, one.by_age, [(end - start) / 3600 for start, end in one.spans])
        for one in overlaps(windows, "", MIDNIGHT)
    ]
    assert found == [(1, 2, True, [1.0]), (3, 1, False, [1.0]), (3, 2, False, [1.0])]


def test_what_happens_next_begins_with_now():
    steps = coming((*ALWAYS, schedule(2, 22, 6, days=[0])), "", MIDNIGHT + 3600)
    assert [step.schedule and step.schedule.id for step in steps] == [1, 2, 1]
    assert [step.at for step in steps] == [MIDNIGHT + 3600, MIDNIGHT + 22 * 3600, MIDNIGHT + 30 * 3600]
