"""Units and rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import presenters
from dashboard.reject_reasons import refused
from dashboard.svg import pool_line, split_bar, whole_percents
from proxy.observe.live.views import RateView
from proxy.types import PoolKey, Reason
from tests.dashboard import fixtures
from tests.support.tallies import tally

pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize(
    "value, text",
    [
        (88.4e12, "88.4 TH/s"),
        (7.2e12, "7.20 TH/s"),
        (1.06e12, "1.06 TH/s"),
        (999.9e9, "1.00 TH/s"),
        (665, "665 H/s"),
        (1500, "1.50 kH/s"),
        (6.5e20, "650 EH/s"),
        (1.01e21, "1.01 ZH/s"),
        (0, "0 H/s"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_rates(value, text):
    assert presenters.rate(value) == text


def test_unknown_rate_is_a_dash():
    assert presenters.rate(RateView(value=5.0)) == "–"


def test_error_stands_in_the_rates_own_unit():
    assert presenters.rate_error(RateView(value=87.9e12, low=87.1e12, high=88.7e12, known=True)) == "0.80"


@pytest.mark.parametrize(
    "value, text",
    [
        (52_700, "52.7 K"),
        (3220, "3.22 K"),
        (665, "665"),
        (833.8e6, "834 M"),
        (142.3e12, "142 T"),
        (0.1, "0.100"),
        (0, "–"),
        (None, "–"),
        (999.6, "1.00 K"),
    ],
)
def test_difficulties(value, text):
    assert presenters.difficulty(value) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (3, "3 s"),
        (360, "6 min"),
        (3600, "1 h"),
        (15_060, "4 h 11 min"),
        (1_051_200, "12 d 4 h"),
        (None, "–"),
        (1e10, "317 years"),
    ],
)
def test_durations(seconds, text):
    assert presenters.duration(seconds) == text


@pytest.mark.parametrize("value, text", [(41, "41 ms"), (2, "2.0 ms"), (1200, "1.20 s"), (None, "–"), (0, "0 ms")])
def test_latencies(value, text):
    assert presenters.milliseconds(value) == text


def test_counts_have_separators():
    assert presenters.count(1234567) == "1,234,567"


@given(st.floats(min_value=1e-6, max_value=9e23))
def test_any_rate_has_one_to_four_digits_before_its_unit(value):
    number, unit = presenters.hash_rate(value)
    assert unit.endswith("H/s") and len(number.replace(".", "").lstrip("0")) <= 4


@given(st.dictionaries(st.sampled_from("ABCDE").map(PoolKey), st.floats(min_value=0, max_value=1e9), min_size=1))
def test_slider_percents_always_sum_to_100(weights):
    percents = whole_percents(weights, sorted(weights))
    assert sum(percents.values()) == 100 and all(0 <= part <= 100 for part in percents.values())


def test_bar_marks_the_wanted_boundary():
    snap = fixtures.rich()
    first, second = split_bar(snap, snap.splits[0])
    assert (first.left, first.width, first.mark) == (0, 70.3, 70) and (second.left, second.mark) == (70.3, None)


def test_line_of_a_pool_s_hour_is_none_without_work():
    line = pool_line(fixtures.three(), "A")
    assert line.startswith("M0 ") and line.split()[-2] == "100" and line.count(" ") == 119
    assert pool_line(fixtures.three(), "nobody") == pool_line(fixtures.empty(), "A") == ""


def test_every_reason_has_plain_words():
    lines = refused({reason.value: 1 for reason in Reason if reason is not Reason.NONE})
    assert all(line.advice for line in lines)


def test_the_refused_part_is_of_all_shares_with_a_verdict():
    assert presenters.rejected_fraction(tally()) is None
    assert presenters.rejected_fraction(tally(unanswered=3)) is None
    assert presenters.rejected_fraction(tally(accepted=9, rejected=1)) == 0.1
    assert presenters.rejected_fraction(tally(accepted=1, work_only=98, rejected=1)) == 0.01
