"""Hash rates from shares: right on average, honest about their uncertainty, no spikes, bounded."""

import random
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.history import WINDOWS_S, Accounting, Work
from proxy.history.rates import RateWindow, estimate, start
from proxy.observe.events import EventStream
from proxy.scheduling.virtual_clock import VirtualClock
from tests.support.shares import ANN, BOB, A, B, gone, ready, share

HASHES = 1000.0
QUANTILES = [  # chi-square tables: shape k is k/2 degrees of freedom, quantile half of the table's
    (1.5, -1.959964, 0.10790),
    (1.5, 1.959964, 4.67420),
    (5.5, -1.959964, 1.90790),
    (5.5, 1.959964, 10.96000),
    (50.0, -1.959964, 37.11096),
    (50.0, 1.959964, 64.78060),
]


def gamma_quantile(shape, z):
    """Quantile at normal score ``z`` of a Gamma distribution with scale 1 (Wilson and Hilferty 1931)."""
    return shape * max(1.0 - 1.0 / (9.0 * shape) + z / (3.0 * sqrt(shape)), 0.0) ** 3


@pytest.mark.parametrize(("shape", "z", "exact"), QUANTILES)
def test_quantiles_agree_with_the_tables(shape, z, exact):
    assert gamma_quantile(shape, z) == pytest.approx(exact, rel=0.01, abs=0.02)


class Mine:
    """One miner with a known rate on a virtual clock."""

    def __init__(self, rate, difficulty, seed):
        self.clock = VirtualClock()
        self.events = EventStream()
        self.accounting = Accounting(clock=self.clock, events=self.events, hashes_per_difficulty=HASHES)
        self.random = random.Random(seed)
        self.rate, self.difficulty = rate, difficulty
        self.next = None
        self.pool = A

    def run(self, seconds):
        """Let time pass with Poisson shares."""
        end = self.clock.now() + seconds
        while True:
            if self.next is None:
                self.next = self.clock.now() + self.random.expovariate(self.rate / (self.difficulty * HASHES))
            if self.next > end:
                self.clock.advance_to(end)
                return
            self.clock.advance_to(self.next)
            self.next = None
            self.events.emit(share(ANN, self.pool, self.difficulty))

    def rates(self):
        return self.accounting.worker(ANN).rates


@pytest.mark.simulation
@pytest.mark.parametrize("rate", [0.5, 2.0, 14.0, 80.0, 200.0])
@pytest.mark.parametrize("per_minute", [1.5, 18.0])
def test_the_true_rate_lies_inside_the_stated_interval_in_90_to_99_percent_of_windows(rate, per_minute):
    mine = Mine(rate * 1e6, rate * 1e6 * 60 / per_minute / HASHES, seed=f"{rate}{per_minute}")
    mine.events.emit(ready())
    mine.run(300)
    inside = [0, 0]
    for _ in range(1200):
        mine.run(300)
        seen = mine.rates().m5
        inside[seen.low <= mine.rate <= seen.high] += 1
    assert 0.90 <= inside[1] / sum(inside) <= 0.99


@pytest.mark.simulation
def test_the_interval_holds_while_vardiff_changes_the_difficulty():
    mine = Mine(1e6, 100.0, seed=5)
    mine.events.emit(ready())
    inside = 0
    for _ in range(800):
        for difficulty in (100.0, 3000.0, 700.0):
            mine.difficulty = difficulty
            mine.run(100)
        seen = mine.rates().m5
        inside += seen.low <= mine.rate <= seen.high
    assert 0.90 <= inside / 800 <= 0.99


@pytest.mark.simulation
def test_the_three_windows_agree_on_a_steady_rate():
    mine = Mine(1e6, 100.0, seed=1)
    mine.events.emit(ready())
    mine.run(86400)
    for rate, length in zip((mine.rates().m5, mine.rates().h1, mine.rates().h24), WINDOWS_S, strict=True):
        assert rate.value == pytest.approx(1e6, rel=5 / rate.shares**0.5)
        assert length * 0.94 <= rate.span_s <= length


@pytest.mark.simulation
def test_no_spike_after_start_and_the_interval_is_true_from_the_first_share_on():
    worst, inside, looks = 0.0, 0, 0
    for seed in range(200):
        mine = Mine(1e6, 5000.0, seed=seed)  # 12 shares a minute
        mine.events.emit(ready())
        for _ in range(60):
            mine.run(5)
            seen = mine.rates().m5
            worst = max(worst, seen.value / mine.rate)
            if seen.shares:
                looks += 1
                inside += seen.low <= mine.rate <= seen.high
    assert worst < 2.5
    assert inside / looks > 0.90


def test_one_share_right_after_the_start_is_no_spike():
    mine = Mine(1e6, 60_000.0, seed=0)  # one share a minute
    mine.events.emit(ready())
    mine.clock.advance(0.2)
    mine.events.emit(share(difficulty=60_000.0))
    seen = mine.rates().m5
    assert seen.value < 2 * mine.rate
    assert seen.low < mine.rate < seen.high


def test_a_switch_of_pool_changes_nothing_of_the_workers_rate():
    mine = Mine(1e6, 500.0, seed=3)
    mine.events.emit(ready())
    mine.run(600)
    seen = []
    for turn in range(40):
        mine.pool = (A, B)[turn % 2]
        mine.run(30)
        seen.append(mine.rates().m5.value / mine.rate)
    assert min(seen) > 0.85 and max(seen) < 1.15


@pytest.mark.no_cover
def test_a_short_gap_counts_as_silence_and_a_long_one_starts_the_window_afresh():
    mine = Mine(1e6, 100.0, seed=4)
    mine.events.emit(ready())
    mine.run(3600)
    mine.events.emit(gone())
    mine.clock.advance(120)
    mine.next = None
    mine.events.emit(ready(session=2))
    mine.run(10)
    assert mine.rates().m5.value == pytest.approx(1e6 * 180 / 300, rel=0.15)
    mine.events.emit(gone(session=2))
    mine.clock.advance(1000)
    mine.next = None
    mine.events.emit(ready(session=3))
    values = []
    for _ in range(30):
        mine.run(10)
        values.append(mine.rates().m5.value)
    assert max(values) < 1.3e6
    assert values[6] == pytest.approx(1e6, rel=0.2)
    assert mine.rates().h1.span_s > 3400  # the hour still knows of the gap


def test_a_worker_that_left_fades_to_nothing():
    mine = Mine(1e6, 100.0, seed=4)
    mine.events.emit(ready())
    mine.run(600)
    mine.events.emit(gone())
    mine.clock.advance(301)
    assert mine.rates().m5.value == 0.0
    assert mine.rates().h1.value > 0.0


def test_without_a_share_the_upper_bound_follows_the_last_difficulty():
    nothing = estimate(0.0, 0.0, 0, 300.0, 300.0, HASHES, reference=100.0)
    assert (nothing.value, nothing.low, nothing.shares) == (0.0, 0.0, 0)
    assert nothing.high == pytest.approx(2.5119 * 100 * HASHES / 300)


@pytest.mark.no_cover
@given(st.lists(st.tuples(st.floats(0, 4000), st.floats(1e-6, 1e15)), max_size=60), st.integers(0, 2))
def test_a_window_holds_exactly_what_came_in_it(steps, which):
    now, window, came = 0.0, RateWindow(0.0), []
    for pause, difficulty in steps:
        now += pause
        window.add(now, difficulty)
        came.append((now, difficulty))
    now += 1.0
    inside = [difficulty for at, difficulty in came if at >= start(now, which)]
    work = window.work(now, which)
    assert work.shares == len(inside)
    assert work.sum == pytest.approx(sum(inside), rel=1e-5, abs=1e-7 * sum(d for _, d in came))


@pytest.mark.no_cover
def test_the_hour_as_a_series_sums_up_to_the_hour():
    mine = Mine(1e6, 100.0, seed=9)
    mine.events.emit(ready())
    mine.run(5000)
    spark = mine.accounting.spark()
    assert len(spark) == 30
    assert [later[0] - earlier[0] for earlier, later in pairwise(spark)] == [120.0] * 29
    assert sum(pools[A] for _, pools in spark[:-1]) / 29 == pytest.approx(1e6, rel=0.1)


def test_a_window_takes_memory_only_for_what_it_holds_and_gives_it_back():
    window = RateWindow(0.0)
    window.add(1.0, 5.0)
    assert window._rings is None
    window.add(20.0, 5.0)
    assert window._rings is not None and window._rings[2] is None
    window.add(2000.0, 5.0)
    assert window._rings[2] is not None
    assert window.work(100_000.0, 2) == Work()
    assert window._rings is None


@given(st.floats(1e-3, 1e3), st.floats(0.0, 90000.0), st.integers(1, 5000), st.sampled_from(WINDOWS_S))
def test_the_interval_is_that_of_the_quantiles(difficulty, span, shares, length):
    work = Work(difficulty * shares, difficulty**2 * shares, shares)
    seen = estimate(work.sum, work.squares, work.shares, span, length, HASHES)
    assert seen.low == pytest.approx(gamma_quantile(shares + 0.5, -1.959964) * difficulty * HASHES / max(span, 30.0))
    assert seen.high == pytest.approx(gamma_quantile(shares + 0.5, 1.959964) * difficulty * HASHES / max(span, 1.0))


def test_the_hour_as_a_series_moves_on_while_no_share_comes():
    window = RateWindow(0.0)
    window.add(1.0, 5.0)
    assert window.hour(2.0)[-1] == 5.0
    later = window.hour(601.0)
    assert (later[-1], later[-6], sum(later)) == (0.0, 5.0, 5.0)


def test_line_of_the_day_is_a_worker_s_work_in_half_hours_as_parts_of_the_best():
    mine = Mine(1.0, 1.0, seed=1)
    mine.events.emit(ready())
    assert mine.accounting.day_line(ANN) == b""
    mine.events.emit(share(ANN, A, 10.0))
    mine.clock.advance(1800)
    mine.events.emit(share(ANN, A, 20.0))
    mine.events.emit(share(ANN, B, 20.0))
    line = mine.accounting.day_line(ANN)
    assert len(line) == 48 and list(line[-2:]) == [64, 255] and not any(line[:-2])
    assert mine.accounting.day_line(BOB) == b""


def test_what_an_earlier_run_proved_stays_while_nothing_comes() -> None:
    window = RateWindow(0.0)
    window.add_past(-3 * 3600.0, Work(5.0, 25.0, 1), 0.0)
    assert [window.work(600.0, which).sum for which in (0, 1, 2)] == [0.0, 0.0, 5.0]
    assert window.work(86_400.0, 2).sum == 0.0
