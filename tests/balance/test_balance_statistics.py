"""What n block intervals tell: distribution functions against closed forms and against chance."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.balance.evidence import _Comparison
from proxy.balance.readings import Span
from proxy.balance.statistics import (
    beta_cdf,
    change_p_value,
    log_ratio_sd,
    rate_factors,
)


@pytest.mark.parametrize("x", [0.01, 0.2, 0.5, 0.77, 0.99])
def test_beta_distribution_equals_its_polynomial(x):
    assert beta_cdf(x, 2, 3) == pytest.approx(6 * x**2 - 8 * x**3 + 3 * x**4, abs=1e-12)
    assert beta_cdf(x, 1, 7) == pytest.approx(1 - (1 - x) ** 7, abs=1e-12)


@pytest.mark.no_cover
@given(st.floats(0.0001, 0.9999), st.floats(1, 300), st.floats(1, 300))
def test_swapping_the_windows_mirrors_the_distribution(x, a, b):
    assert beta_cdf(x, a, b) == pytest.approx(1.0 - beta_cdf(1.0 - x, b, a), abs=1e-9)


@pytest.mark.no_cover
def test_p_values_of_an_unchanged_rate_are_uniform():
    rng = random.Random(11)
    found = sorted(change_p_value(rng.gammavariate(6, 1), 6, rng.gammavariate(66, 1), 66) for _ in range(4000))
    worst = max(abs(p - rank / 4000) for rank, p in enumerate(found))
    assert worst < 1.63 / math.sqrt(4000)  # Kolmogorov's bound, 1 %


@pytest.mark.no_cover
@given(st.floats(-3, 3), st.integers(4, 150), st.integers(4, 300), st.sampled_from([0.3, 0.05, 0.004, 0.0003]))
def test_the_quick_look_never_hides_what_the_exact_test_would_find(shift, first, rest, alpha):
    exposure = first * math.exp(shift)
    pair = _Comparison(Span(blocks=first, seconds=exposure, difficulty=1.0), rest, float(rest))
    assert pair.is_significant(alpha) == (change_p_value(exposure, first, rest, rest) < alpha)


@pytest.mark.parametrize("blocks", [6, 24, 72])
def test_interval_of_a_rate_holds_the_true_rate_in_95_of_100_cases(blocks):
    rng = random.Random(blocks)
    low, high = rate_factors(blocks)
    measured = [blocks / rng.gammavariate(blocks, 1.0) for _ in range(8000)]
    held = sum(low * rate <= 1.0 <= high * rate for rate in measured) / 8000
    assert held == pytest.approx(0.95, abs=0.01)


def test_interval_narrows_with_the_square_root_of_the_blocks():
    widths = {blocks: rate_factors(blocks)[1] - rate_factors(blocks)[0] for blocks in (25, 100, 400)}
    assert widths[25] / widths[100] == pytest.approx(2.0, rel=0.03)
    assert widths[100] / widths[400] == pytest.approx(2.0, rel=0.02)


def test_spread_of_the_logarithm_of_a_ratio_is_the_measured_one():
    rng = random.Random(5)
    logs = [math.log(rng.gammavariate(48, 1) / rng.gammavariate(6, 1)) for _ in range(8000)]
    assert statistics.stdev(logs) == pytest.approx(log_ratio_sd(6, 48), rel=0.03)
