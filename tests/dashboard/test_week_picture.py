"""The picture of the week: names stand where they can be read."""

from datetime import UTC, datetime

import pytest

from dashboard.schedules import LEFT, PADDING, week
from proxy.config.snapshot import ScheduleConfig
from proxy.types import PoolKey
from tests.dashboard import fixtures

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
ALWAYS = (
    ScheduleConfig(
        id=1, name="Everyday split", allocations=((PoolKey("A"), 70.0), (PoolKey("B"), 30.0)), is_default=True
    ),
)


def picture(hour: float):
    return week(fixtures.rich(), ALWAYS, "", MIDNIGHT + hour * 3600)


def test_name_begins_at_the_left_edge_of_its_bar():
    assert [cell.label_x for cell in picture(12).cells] == [LEFT + PADDING] * 7


@pytest.mark.parametrize("hour", [0.1, 1.5, 3.0])
def test_name_stands_behind_the_line_of_now(hour):
    shown = picture(hour)
    today, *others = shown.cells
    assert today.label == "Everyday split" and today.label_x == pytest.approx(shown.now_x + PADDING, abs=0.1)
    assert {cell.label_x for cell in others} == {LEFT + PADDING}


def test_all_lies_within_the_picture():
    shown = picture(12)
    assert max(cell.x + cell.width for cell in shown.cells) < shown.width
    assert max(y + height for cell in shown.cells for _, y, height in cell.pieces) < shown.height
