"""What auto-balance does over time: hold, fall back, recover; dead-band, steps and bounds; control; its view."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.balance.auto_balance import AutoBalance, source_names
from proxy.balance.balance_view import HISTORY_POINTS, BalanceState
from proxy.balance.readings import Span
from proxy.balance.strategies import bounded, rounded
from proxy.config.snapshot import BalanceSourceConfig, ScheduleConfig
from proxy.observe.events import (
    ControlChanged,
    EventStream,
    OracleApplied,
    OracleError,
    OracleFallback,
    OraclePollStart,
    OracleResult,
)
from proxy.types import AdminStatus, Chain, PoolKey
from tests.balance.balance_cast import ORACLE, job, oracle_reading, pool, snapshot
from tests.support.clock import VirtualClock

RAW = {"sources": (ORACLE,), "significance": 0.0, "max_deviation": 45.0, "dead_band": 0.0}
EVEN = {"A": 50.0, "B": 50.0}


class Balance:
    """An engine, what it emits and what reaches the scheduler."""

    def __init__(self, *pools, **settings):
        self.clock, self.events = VirtualClock(), EventStream()
        self.emitted, self.given = [], []
        for kind in (OraclePollStart, OracleResult, OracleApplied, OracleError, OracleFallback):
            self.events.subscribe(kind, self.emitted.append)
        self.auto = AutoBalance(clock=self.clock, events=self.events, on_weights=self.given.append)
        self.configure(*pools, **settings)

    def configure(self, *pools, **settings):
        self.auto.apply(snapshot(*pools, **(RAW | settings)))

    def poll(self, btc_short_s=3600.0, bch_short_s=3600.0, after_s=600.0):
        """A good poll: seconds of the last six blocks, against the usual 43,200 of the last 72."""
        self.clock.advance(after_s)
        for chain, seconds in ((Chain.BTC, btc_short_s), (Chain.BCH, bch_short_s)):
            self.auto.feed(oracle_reading(chain, seconds, 43_200.0, at=self.clock.wall()))
        return self.auto.conclude()

    def fail(self, after_s=600.0):
        self.clock.advance(after_s)
        self.auto.source_failed("oracle", "No connection.")
        return self.auto.conclude()

    def count(self, kind):
        return sum(isinstance(event, kind) for event in self.emitted)

    def take_control(self, source="default", mode="auto-balance"):
        self.events.emit(ControlChanged(source=source, detail="", weights={}, mode=mode))


def test_nothing_is_known_before_the_first_poll():
    balance = Balance()
    assert balance.auto.weights() is None
    assert balance.auto.state is BalanceState.WAITING


def test_weights_are_held_on_an_error_and_fall_back_after_three():
    balance = Balance()
    assert balance.poll(btc_short_s=7200) == {"A": 67.0, "B": 33.0}
    assert balance.fail() == balance.fail() == {"A": 67.0, "B": 33.0}
    assert balance.auto.state is BalanceState.HOLDING
    assert "Held BTC 67 %" in balance.auto.view().decision
    assert balance.fail() == EVEN
    assert balance.auto.state is BalanceState.FALLBACK
    balance.fail()
    assert balance.count(OracleFallback) == 1
    assert [event.failures for event in balance.emitted if isinstance(event, OracleError)] == [1, 2, 3, 4]


def test_one_good_poll_ends_the_fallback():
    balance = Balance()
    for _ in range(5):
        balance.fail()
    assert balance.poll(btc_short_s=7200) == {"A": 67.0, "B": 33.0}
    assert balance.auto.state is BalanceState.HEALTHY
    assert balance.given[-1] == {"A": 67.0, "B": 33.0}


def test_the_fallback_can_be_the_schedules_own_weights():
    balance = Balance(on_failure="schedule")
    balance.poll(btc_short_s=7200)
    for _ in range(3):
        balance.fail()
    assert balance.auto.weights() is None
    assert balance.given[-1] is None
    assert balance.poll() == EVEN
    assert balance.given[-1] == EVEN


def test_a_failure_between_good_polls_is_forgotten():
    balance = Balance()
    for _ in range(4):
        balance.fail()
        balance.fail()
        balance.poll()
    assert balance.count(OracleFallback) == 0


def test_a_reading_that_grew_old_counts_as_none():
    balance = Balance()
    balance.poll(btc_short_s=7200)
    balance.clock.advance(1_300)
    balance.auto.conclude()
    assert balance.auto.state is BalanceState.HOLDING


@pytest.mark.parametrize(
    "lie",
    [
        {"difficulty": 0.0},
        {"difficulty": -1.0},
        {"difficulty": math.nan},
        {"difficulty": math.inf},
        {"price": math.inf},
        {"price": -5.0},
        {"fee": math.nan},
        {"fee": -3.0},
        {"height": -2},
        {"taken_at": math.nan},
        {"spans": (Span(blocks=6, seconds=0.0, difficulty=1e12), Span(blocks=72, seconds=-1.0, difficulty=1e12))},
    ],
)
def test_a_source_that_lies_counts_as_one_that_failed(lie):
    balance = Balance()
    balance.poll()
    before = balance.auto.weights()
    balance.clock.advance(600)
    balance.auto.feed(replace(oracle_reading(Chain.BTC, 3600.0, 43_200.0, at=balance.clock.wall()), **lie))
    balance.auto.feed(oracle_reading(Chain.BCH, 3600.0, 43_200.0, at=balance.clock.wall()))
    balance.auto.conclude()
    assert balance.auto.weights() == before
    assert balance.auto.state is BalanceState.HOLDING
    assert "nonsense about BTC" in next(event.problem for event in balance.emitted if isinstance(event, OracleError))


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_neither_keeps_a_reading_alive_nor_hurts_the_next(jump_s):
    balance = Balance()
    balance.poll()
    balance.clock.set_wall(balance.clock.wall() + jump_s)
    assert balance.poll() is not None
    assert balance.auto.state is BalanceState.HEALTHY
    balance.clock.set_wall(balance.clock.wall() - 86_400)
    balance.clock.advance(1_300)
    balance.auto.conclude()
    assert balance.auto.state is BalanceState.HOLDING


def test_it_measures_always_but_applies_only_in_control():
    balance = Balance()
    balance.poll(btc_short_s=7200)
    assert balance.count(OracleResult) == 1
    assert balance.count(OracleApplied) == 0
    balance.take_control()
    assert balance.count(OracleApplied) == 1
    assert balance.emitted[-1].weights == {"A": 67.0, "B": 33.0}
    assert balance.auto.view().in_control  # by a schedule of that mode as well as by hand
    balance.take_control("override", mode="ratio")
    balance.poll(btc_short_s=3600)
    assert balance.count(OracleApplied) == 1


def test_switching_to_it_acts_at_once_with_what_is_known():
    balance = Balance()
    balance.poll(btc_short_s=7200)
    balance.given.clear()
    balance.take_control()
    assert balance.given == [{"A": 67.0, "B": 33.0}]


def test_results_carry_rates_and_ratios_for_the_metrics():
    balance = Balance()
    balance.poll(btc_short_s=7200)
    result = next(event for event in balance.emitted if isinstance(event, OracleResult))
    assert result.source == "oracle"
    assert set(result.hashrates) == {"BTC.short", "BTC.long", "BCH.short", "BCH.long"}
    assert result.hashrates["BTC.long"] == pytest.approx(1e12 * 2**32 / 600)
    assert result.ratios == {"BTC": pytest.approx(0.5), "BCH": pytest.approx(1.0)}
    assert result.weights == {"A": 67.0, "B": 33.0}


def test_small_changes_stay_inside_the_dead_band():
    balance = Balance(dead_band=5.0)
    assert balance.poll(btc_short_s=4000) == EVEN
    assert "inside the dead-band of 5" in balance.auto.view().would_do
    assert balance.poll(btc_short_s=5000) == {"A": 58.0, "B": 42.0}


def test_steps_in_any_hour_are_limited_and_go_on_later():
    balance = Balance(max_step_per_hour=10.0)
    assert balance.poll(btc_short_s=10_800) == {"A": 60.0, "B": 40.0}
    assert "on the way to" in balance.auto.view().decision
    for _ in range(5):
        assert balance.poll(btc_short_s=10_800) == {"A": 60.0, "B": 40.0}
    assert "used up" in balance.auto.view().decision
    assert balance.poll(btc_short_s=10_800) == {"A": 70.0, "B": 30.0}


def test_smallest_and_largest_weight_hold_whatever_the_strategy_wants():
    balance = Balance(min_weight=40.0, max_weight=60.0)
    assert balance.poll(btc_short_s=40_000) == {"A": 60.0, "B": 40.0}


def test_pools_of_one_chain_share_its_part():
    balance = Balance(pool("A", Chain.BTC), pool("B", Chain.BCH), pool("C", Chain.BTC))
    assert balance.poll(btc_short_s=7200) == {"A": 33.5, "C": 33.5, "B": 33.0}


def test_pools_that_are_disabled_or_of_another_chain_are_left_out():
    balance = Balance(
        pool("A", Chain.BTC), pool("B", Chain.BCH), pool("C", Chain.BTC, AdminStatus.DISABLED), pool("D", Chain.OTHER)
    )
    assert set(balance.poll()) == {"A", "B"}


def test_pools_that_no_schedule_gives_work_are_left_out():
    config = snapshot(pool("A", Chain.BTC), pool("B", Chain.BCH), pool("C", Chain.BTC), **RAW)
    schedule = ScheduleConfig(
        id=1, name="s", allocations=((PoolKey("A"), 1.0), (PoolKey("B"), 1.0), (PoolKey("C"), 0.0))
    )
    balance = Balance()
    balance.auto.apply(type(config)(pools=config.pools, balance=config.balance, schedules=(schedule,)))
    assert set(balance.poll()) == {"A", "B"}


def test_one_chain_is_nothing_to_balance():
    balance = Balance(pool("A", Chain.BTC), pool("B", Chain.BTC))
    assert balance.poll() is None
    assert balance.auto.state is BalanceState.OFF
    assert "two chains" in balance.auto.view().would_do


def test_another_configuration_acts_at_once():
    balance = Balance()
    balance.poll(btc_short_s=7200)
    balance.configure(max_deviation=10.0)
    assert balance.given[-1] == {"A": 60.0, "B": 40.0}
    balance.configure(pool("A", Chain.BTC))
    assert balance.given[-1] is None


def test_sources_are_preferred_in_the_owners_order():
    node = BalanceSourceConfig(kind="node", chain=Chain.BTC, url="http://n/")
    balance = Balance(sources=(node, ORACLE))
    balance.poll(btc_short_s=7200)
    assert balance.auto.weights() == {"A": 67.0, "B": 33.0}
    reading = oracle_reading(Chain.BTC, 3600.0, 43_200.0, at=balance.clock.wall())
    balance.auto.feed(replace(reading, source="node BTC"))
    assert balance.auto.conclude() == EVEN
    assert [chain.source for chain in balance.auto.view().chains] == ["node BTC", "oracle"]


def test_a_source_that_fails_leaves_its_chain_to_the_next():
    balance = Balance(sources=(ORACLE, BalanceSourceConfig(kind="observed")))
    balance.poll()
    for chain in (Chain.BTC, Chain.BCH):
        balance.events.emit(job(chain, 900_000))
    balance.fail()
    view = balance.auto.view()
    assert view.state is BalanceState.HEALTHY
    assert {chain.source for chain in view.chains} == {"observed"}
    assert view.sources[0].problem == "No connection."


def test_same_kinds_of_sources_have_names_of_their_own():
    node = BalanceSourceConfig(kind="node", chain=Chain.BTC)
    assert source_names((node, ORACLE, node, ORACLE)) == ("node BTC", "oracle", "node BTC #2", "oracle #2")


def test_readings_of_an_unknown_source_are_not_taken():
    balance = Balance(sources=(BalanceSourceConfig(kind="observed"),))
    balance.poll()
    assert balance.auto.state is BalanceState.HOLDING


def test_observing_without_any_job_says_so():
    balance = Balance(sources=(BalanceSourceConfig(kind="observed"),))
    balance.clock.advance(60)
    balance.auto.conclude()
    assert "No pool has sent a job for BTC yet" in balance.auto.view().decision


def test_weights_survive_a_short_restart():
    balance = Balance()
    balance.auto.restore({Chain.BTC: 60.0, Chain.BCH: 40.0}, balance.clock.wall() - 300)
    assert balance.given == [{"A": 60.0, "B": 40.0}]


@pytest.mark.parametrize(
    ("parts", "age_s"),
    [
        ({Chain.BTC: 60.0, Chain.BCH: 40.0}, 4000.0),
        ({Chain.BTC: 60.0, Chain.DGB: 40.0}, 10.0),
        ({Chain.BTC: 160.0, Chain.BCH: -60.0}, 10.0),
        ({Chain.BTC: float("nan"), Chain.BCH: 40.0}, 10.0),
        ({}, 0.0),
    ],
)
def test_remembered_weights_that_do_not_fit_are_left_out(parts, age_s):
    balance = Balance()
    balance.auto.restore(parts, balance.clock.wall() - age_s)
    assert balance.auto.weights() is None


def test_view_shows_what_is_known_from_where_and_how_old():
    balance = Balance()
    balance.poll(btc_short_s=7200)
    balance.clock.advance(90)
    view = balance.auto.view()
    btc = view.chains[0]
    assert view.age_s == pytest.approx(90)
    assert (btc.source, btc.weight, btc.pools) == ("oracle", 67.0, ("A",))
    assert btc.short.low < btc.short.rate < btc.short.high
    assert btc.ratio == pytest.approx(0.5)
    assert "short against long window: 0.500" in btc.reason


@pytest.mark.no_cover
def test_history_of_the_charts_is_bounded():
    balance = Balance()
    for _ in range(HISTORY_POINTS + 50):
        balance.poll()
    history = balance.auto.view().history
    assert len(history) == HISTORY_POINTS
    assert history[-1].at == balance.clock.wall()
    assert history[-1].weights == {Chain.BTC: 50.0, Chain.BCH: 50.0}


@pytest.mark.no_cover
@given(
    st.lists(st.floats(0.0, 1e6), min_size=2, max_size=3).filter(lambda parts: sum(parts) > 1e-3),
    st.floats(0, 50),
    st.floats(50, 100),
)
def test_bounded_parts_keep_bounds_and_sum(amounts, low, high):
    chains = (Chain.BTC, Chain.BCH, Chain.DGB)
    total = sum(amounts)
    parts = bounded({chain: amount / total * 100 for chain, amount in zip(chains, amounts, strict=False)}, low, high)
    share = 100.0 / len(parts)
    assert sum(parts.values()) == pytest.approx(100.0, abs=1e-6)
    assert all(min(low, share) - 1e-9 <= part <= max(high, share) + 1e-9 for part in parts.values())
    assert sum(rounded(parts).values()) == 100.0


def test_only_a_change_that_is_more_than_noise_moves_the_weights():
    balance = Balance(significance=0.95)
    assert balance.poll() == EVEN
    assert balance.poll(btc_short_s=14_400) != EVEN
    assert "times what it was before" in balance.auto.view().chains[0].reason


def test_a_change_of_the_configuration_while_the_sources_fail_keeps_the_weights():
    balance = Balance()
    held = balance.poll(btc_short_s=7200)
    balance.fail()
    balance.configure(max_deviation=40.0)
    assert balance.given[-1] == balance.auto.weights() == held
