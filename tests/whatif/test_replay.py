"""The record once more: the scheduler's own decisions over the recorded rates, and what they would have earned."""

import random
from dataclasses import replace
from datetime import time

import pytest

from proxy.balance.observed import ObservedBlock
from proxy.config.snapshot import (
    BalanceConfig,
    BalanceStrategy,
    ConfigSnapshot,
    Endpoint,
    Mode,
    OverrideConfig,
    OverrideKind,
    PoolConfig,
    ScheduleConfig,
    Window,
)
from proxy.types import Chain, PoolKey, WorkerName
from proxy.whatif.plan import Kind, Plan, changed, needs_balance
from proxy.whatif.replay import (
    LEAST_SAMPLE_S,
    Outcome,
    Record,
    Replay,
    balance_weights,
    expected_coins,
    parts,
    total,
)

A, B = PoolKey("A"), PoolKey("B")
MIDNIGHT = 1_750_032_000  # 16 June 2025, 00:00 UTC, a Monday
TERA = 1e12


def pool(key, chain):
    return PoolConfig(key=key, chain=chain, wallet="w", endpoints=(Endpoint(host="h", port=1),))


def config(*schedules, **more):
    always = ScheduleConfig(id=1, name="always", is_default=True, allocations=((A, 70.0), (B, 30.0)))
    return ConfigSnapshot(pools={A: pool(A, Chain.BTC), B: pool(B, Chain.BCH)}, schedules=(always, *schedules), **more)


def record(steps=6, step_s=3600, rates=None, start=MIDNIGHT):
    found = rates or {WorkerName("one"): 100 * TERA, WorkerName("two"): 60 * TERA}
    return Record(
        step_s=step_s,
        starts=tuple(start + step_s * index for index in range(steps)),
        rates=(found,) * steps,
        wholes=(sum(found.values()),) * steps,
    )


def replayed(configuration, recorded, **more) -> Outcome:
    replay = Replay(configuration, recorded, random.Random(3), **more)
    assert list(replay.steps()) == list(range(1, len(recorded.starts) + 1))
    return replay.outcome


@pytest.mark.no_cover
def test_the_split_comes_out_as_the_scheduler_would_have_made_it():
    outcome = replayed(config(), record())
    assert parts(outcome.by_pool)[A] == pytest.approx(0.7, abs=0.02)
    assert sum(outcome.by_pool.values()) == pytest.approx(160 * TERA * 6 * 3600)
    assert outcome.switches > 0 and outcome.miner_s == 2 * 6 * 3600


def test_weights_of_the_slider_win_over_the_schedule():
    plan = Plan(kind=Kind.WEIGHTS, weights={A: 0.0, B: 1.0})
    outcome = replayed(changed(config(), plan), record(steps=2))
    assert parts(outcome.by_pool) == {A: 0.0, B: 1.0}
    assert outcome.switches == 0


@pytest.mark.no_cover
def test_a_window_of_the_week_acts_at_its_own_time_of_the_record():
    night = ScheduleConfig(
        id=2,
        name="night",
        allocations=((B, 1.0),),
        windows=(Window(weekdays=frozenset(range(7)), start=time(0), end=time(3)),),
    )
    by_hand = OverrideConfig(weights={A: 1.0})
    present = config(night, override=by_hand)
    assert parts(replayed(present, record(steps=6)).by_pool) == {A: 1.0, B: 0.0}
    outcome = replayed(changed(present, Plan(kind=Kind.SCHEDULE)), record(steps=6))
    for step in (0, 1, 2):
        assert parts(outcome.hashes[step])[B] == pytest.approx(1.0, abs=0.02)
    assert parts(total(outcome.hashes[3:]))[A] == pytest.approx(0.7, abs=0.04)


def test_miners_come_go_and_change_as_they_did():
    one, two = WorkerName("one"), WorkerName("two")
    recorded = Record(
        step_s=3600,
        starts=(MIDNIGHT, MIDNIGHT + 3600, MIDNIGHT + 7200),
        rates=({one: TERA}, {one: 3 * TERA, two: TERA}, {two: TERA}),
        wholes=(TERA, 5 * TERA, TERA),
    )
    outcome = replayed(config(), recorded)
    assert [sum(step.values()) for step in outcome.hashes] == pytest.approx([3600 * TERA, 5 * 3600 * TERA, 3600 * TERA])
    assert outcome.miner_s == 4 * 3600
    assert parts(outcome.by_pool)[A] == pytest.approx(0.7, abs=0.06)


def test_of_a_long_record_each_step_is_simulated_in_part_and_counts_whole():
    many = {WorkerName(f"w{index}"): TERA for index in range(60)}
    long = record(steps=160, step_s=46_800, rates=many)
    assert replace(long, most_miner_s=600 * 3600.0).sample_s() == pytest.approx(225)
    assert long.sample_s() == LEAST_SAMPLE_S
    assert record().sample_s() == 3600
    short = replace(record(steps=3, step_s=864_000), wholes=(TERA,) * 3, most_miner_s=7200.0)
    outcome = replayed(config(), short)
    assert sum(outcome.by_pool.values()) == pytest.approx(3 * 864_000 * TERA)


def test_weights_of_auto_balance_act_from_step_to_step():
    plan = Plan(kind=Kind.BALANCE, balance=BalanceConfig(min_weight=0.0, max_weight=100.0))
    outcome = replayed(changed(config(), plan), record(steps=2), weights=({A: 100.0, B: 0.0}, {A: 0.0, B: 100.0}))
    assert parts(outcome.hashes[0])[A] == pytest.approx(1.0)
    assert parts(outcome.hashes[1])[B] == pytest.approx(1.0, abs=0.02)


def test_the_settings_that_are_tried_keep_sources_and_prices_of_the_present_ones():
    present = config(balance=BalanceConfig(prices={Chain.BTC: 5.0}))
    tried = changed(present, Plan(kind=Kind.BALANCE, balance=BalanceConfig(dead_band=7.0)))
    assert (tried.balance.dead_band, tried.balance.prices) == (7.0, {Chain.BTC: 5.0})
    assert changed(present, Plan(kind=Kind.BALANCE)).balance == present.balance


def test_auto_balance_is_asked_only_where_it_has_a_say():
    assert not needs_balance(config())
    assert needs_balance(config(override=OverrideConfig(kind=OverrideKind.AUTO_BALANCE)))
    own = ScheduleConfig(id=3, name="own", mode=Mode.AUTO_BALANCE, allocations=((A, 1.0), (B, 1.0)))
    assert needs_balance(config(own))


def blocks(chain, difficulty, height=900_000, spacing=600.0, number=400):
    return [
        ObservedBlock(
            chain=chain,
            height=height + index,
            announced_at=MIDNIGHT + spacing * index,
            difficulty=difficulty(index),
            prevhash=index.to_bytes(32, "big"),
        )
        for index in range(number)
    ]


def test_auto_balance_decides_by_the_blocks_that_were_known_then():
    """Two chains of the same subsidy: what a hash earns is as one to the difficulties."""
    balance = BalanceConfig(strategy=BalanceStrategy.VALUE_PER_HASH, significance=0.0)
    tried = changed(config(balance=balance), Plan(kind=Kind.BALANCE))
    chains = [
        *blocks(Chain.BTC, lambda index: 1e12),
        *blocks(Chain.BCH, lambda index: 1e12 if index < 72 else 3e12),
    ]
    hours = [MIDNIGHT + 3600.0 * hour for hour in range(24)]
    weights = list(balance_weights(tried, chains, hours))
    assert weights[0] == {A: 50.0, B: 50.0}
    assert weights[11] == {A: 50.0, B: 50.0}
    assert weights[-1] == {A: 75.0, B: 25.0}


def test_auto_balance_without_blocks_leaves_it_to_the_schedule_at_first():
    tried = changed(config(), Plan(kind=Kind.BALANCE))
    assert next(iter(balance_weights(tried, [], [MIDNIGHT]))) is None
    assert list(balance_weights(tried, [], [])) == []


def test_coins_are_those_of_each_steps_difficulty_and_unknown_ones_are_left_out():
    steps = [{A: 10.0, B: 1.0}, {A: 20.0, B: 1.0}]
    assert expected_coins(steps, [{A: 0.5, B: 1.0}, {A: 0.25}]) == {A: 10.0}
    assert expected_coins([{A: 0.0}], [{}]) == {}
    assert parts({A: 0.0}) == {}
