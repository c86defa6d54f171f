"""Value per hash: reward (times price) by difficulty, and what is not known is said."""

import pytest

from proxy.balance.auto_balance import AutoBalance
from proxy.balance.strategies import value_per_hash, value_target
from proxy.config.snapshot import BalanceSourceConfig, BalanceStrategy
from proxy.observe.events import EventStream
from proxy.types import Chain
from tests.balance.balance_cast import ORACLE, job, oracle_reading, pool, snapshot
from tests.support.clock import VirtualClock

BTC = oracle_reading(Chain.BTC, 3600, 43200, at=0, difficulty=1.2e14, height=900_000)
BCH = oracle_reading(Chain.BCH, 3600, 43200, at=0, difficulty=8e11, height=900_000)


def test_value_is_reward_by_difficulty():
    assert value_per_hash(BTC, None) == pytest.approx(3.125 / 1.2e14)
    assert value_per_hash(BTC, 100_000.0) == pytest.approx(312_500 / 1.2e14)


def test_prices_decide_between_chains():
    target = value_target({Chain.BTC: BTC, Chain.BCH: BCH}, {Chain.BTC: 120_000.0, Chain.BCH: 800.0})
    assert target.parts[Chain.BTC] == pytest.approx(50.0)
    assert "at 800 a coin" in target.reasons[Chain.BCH]


def test_without_every_price_coins_are_compared_and_that_is_said():
    target = value_target({Chain.BTC: BTC, Chain.BCH: BCH}, {Chain.BTC: 120_000.0})
    assert target.parts[Chain.BCH] == pytest.approx(150 / 151 * 100)
    assert "prices are left out" in target.reasons[Chain.BTC]


def test_a_chain_without_a_height_has_no_value():
    unknown = oracle_reading(Chain.BCH, 3600, 43200, at=0)
    assert value_target({Chain.BTC: BTC, Chain.BCH: unknown}, {}) is None


def observed(**settings):
    clock, events = VirtualClock(), EventStream()
    auto = AutoBalance(clock=clock, events=events)
    auto.apply(
        snapshot(
            pool("A", Chain.BTC),
            pool("B", Chain.BCH),
            pool("D", Chain.DGB),
            **{
                "strategy": BalanceStrategy.VALUE_PER_HASH,
                "sources": (BalanceSourceConfig(kind="observed"),),
                "min_weight": 5.0,
                "max_weight": 90.0,
            }
            | settings,
        )
    )
    return clock, events, auto


def test_three_chains_are_weighed_from_jobs_and_typed_prices_alone():
    prices = {Chain.BTC: 100_000.0, Chain.BCH: 500.0, Chain.DGB: 0.01}
    _, events, auto = observed(prices=prices)
    for chain in (Chain.BTC, Chain.BCH, Chain.DGB):
        events.emit(job(chain, 900_000 if chain is not Chain.DGB else 21_000_000, reward=0))
    weights = auto.conclude()
    values = {
        key: value_per_hash(auto.observer.reading(chain, 6, 72), prices[chain])
        for key, chain in (("A", Chain.BTC), ("B", Chain.BCH), ("D", Chain.DGB))
    }
    assert sum(weights.values()) == 100.0
    assert max(weights, key=weights.get) == max(values, key=values.get)
    assert min(weights.values()) >= 4.5


def test_the_split_follows_a_change_of_difficulty_at_the_next_poll():
    clock, events, auto = observed(prices={Chain.BTC: 1.0, Chain.BCH: 1.0, Chain.DGB: 1.0}, min_weight=0.0)
    for number in range(3):
        clock.advance(600)
        for chain in (Chain.BTC, Chain.BCH, Chain.DGB):
            events.emit(job(chain, 900_000 + number, bits=0x17020000, reward=0))
    before = auto.conclude()["A"]
    clock.advance(600)
    events.emit(job(Chain.BTC, 900_003, bits=0x17010000, reward=0))
    assert auto.conclude()["A"] < before


def test_noisy_fees_alone_do_not_move_the_weights():
    clock, events, auto = observed(
        prices={Chain.BTC: 1.0, Chain.BCH: 1.0, Chain.DGB: 1e-9}, min_weight=0.0, max_weight=100.0, dead_band=0.0
    )
    subsidy = 312_500_000
    seen = set()
    for number in range(40):
        clock.advance(600)
        for chain in (Chain.BTC, Chain.BCH, Chain.DGB):
            fee = (number * 7919 % 13) * subsidy // 40 if chain is Chain.BTC else 0
            events.emit(job(chain, 900_000 + number, bits=0x17020000, reward=subsidy + fee))
        seen.add(auto.conclude()["A"])
    assert len(seen) <= 6


def test_where_a_height_is_missing_that_is_what_is_told():
    clock, _, auto = observed(sources=(ORACLE,))
    for chain in (Chain.BTC, Chain.BCH, Chain.DGB):
        auto.feed(oracle_reading(chain, 3600, 43200, at=clock.wall()))
    assert auto.conclude() is None
    assert auto.view().decision.endswith(": The height of a chain is not known, so its subsidy is not.")
