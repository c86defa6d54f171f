"""Statistics of block intervals: how precisely n blocks measure a hash rate.

At a constant hash rate H the time to the next block of difficulty D is exponential with mean ``D * 2**32 / H`` and
independent of the past. So n blocks take a Gamma(n) time, the rate is known to about ``1 / sqrt(n)``, and of two
windows of a and b blocks the first one's part of the whole time is Beta(a, b) distributed: an exact test of "did the
rate change?" that needs neither the rate nor an approximation.
"""

from math import exp, lgamma, log, sqrt
from statistics import NormalDist

_STEPS = 300
_TINY = 1e-300
_NORMAL = NormalDist()


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(B <= x) for B ~ Beta(a, b): the regularised incomplete beta function, to about 1e-12."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):  # the fraction converges fast on the other side only
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x)) / a
    return front * _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method for the incomplete beta function's continued fraction."""
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return value


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def change_p_value(first_time: float, first_blocks: float, rest_time: float, rest_blocks: float) -> float:
    """Two-sided probability of times at least so uneven if the rate did not change between the two windows.

    Times are in units of difficulty (seconds / difficulty), so that a change of difficulty is no change of rate.
    """
    below = beta_cdf(first_time / (first_time + rest_time), first_blocks, rest_blocks)
    return min(1.0, 2.0 * min(below, 1.0 - below))


def z_of(confidence: float) -> float:
    """Standard deviations on each side of the mean that hold ``confidence`` of a normal distribution."""
    return _NORMAL.inv_cdf(0.5 + confidence / 2.0)


def rate_factors(blocks: float) -> tuple[float, float]:
    """95 % bounds of a rate measured over ``blocks`` intervals, as factors of the measured one.

    Quantiles of Gamma(n) / n by Wilson and Hilferty: within 1 % of the exact ones from 4 blocks on.
    """
    z = z_of(0.95)
    shrink, spread = 1.0 - 1.0 / (9.0 * blocks), z / (3.0 * sqrt(blocks))
    return max(0.0, shrink - spread) ** 3, (shrink + spread) ** 3


def log_ratio_sd(first_blocks: float, rest_blocks: float) -> float:
    """Standard deviation of ln(rate of one window / rate of another, disjoint one) at a constant rate.

    The variance of the logarithm of a Gamma(n) variable is the trigamma function of n.
    """
    return sqrt(_trigamma(first_blocks) + _trigamma(rest_blocks))


def _trigamma(x: float) -> float:
    total = 0.0
    while x < 8.0:
        total += 1.0 / (x * x)
        x += 1.0
    square = 1.0 / (x * x)
    return total + 1.0 / x + square / 2.0 + square / x * (1.0 / 6.0 - square * (1.0 / 30.0 - square / 42.0))
