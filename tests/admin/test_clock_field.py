"""Times of the day are understood as people write them."""

from datetime import time

import pytest
from django.core.exceptions import ValidationError

from proxy.admin.fields import ClockField


@pytest.mark.parametrize(
    "text, meant",
    [
        ("22:00", time(22)),
        (" 6:30 ", time(6, 30)),
        ("22", time(22)),
        ("22.15", time(22, 15)),
        ("22h15", time(22, 15)),
        ("10pm", time(22)),
        ("10:30 PM", time(22, 30)),
        ("12am", time(0)),
        ("12 p.m.", time(12)),
        ("00:00", time(0)),
        ("05:06:07", time(5, 6, 7)),
    ],
)
def test_time_is_understood_as_people_write_it(text, meant):
    assert ClockField().clean(text) == ClockField(ends=True).clean(text) == meant


def test_24_00_ends_a_day_and_begins_none():
    assert ClockField(ends=True).clean("24:00") == time(0)
    assert ClockField(ends=True).prepare_value(time(0)) == "24:00"
    assert ClockField().prepare_value(time(0)) == "00:00"
    with pytest.raises(ValidationError, match="next day"):
        ClockField().clean("24:00")


@pytest.mark.parametrize("text", ["25:00", "24:01", "13pm", "0am", "late", "22:60", "1:2", "٣:00x", "2200000000"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValidationError, match="22:00 or 10pm"):
        ClockField(ends=True).clean(text)


def test_field_that_may_be_empty_gives_none():
    assert ClockField(required=False).clean("") is None


def test_other_writing_of_the_same_time_is_only_noticed_where_the_text_differs():
    assert not ClockField(ends=True).has_changed(time(0), "24:00")
    assert ClockField().has_changed(time(22), "10pm")
