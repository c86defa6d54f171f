"""What a hash rate earns on average: the formulas against their definitions and against chance."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.chains.subsidy import COIN, subsidy
from proxy.money.income import (
    MANY_BLOCKS,
    HashRate,
    PoolTerms,
    block_range,
    blocks_of,
    coins_of,
    energy_kwh,
    income,
    poisson_quantile,
    reward_coins,
)
from proxy.types import Chain

DIFFICULTY = 142e12
EXACT = HashRate(mean=100e12, low=95e12, high=105e12)


def terms(**changes):
    usual = {
        "chain": Chain.BTC,
        "solo": False,
        "fee_percent": 0.0,
        "network_difficulty": DIFFICULTY,
        "reward_coins": 3.125,
    }
    return PoolTerms(**(usual | changes))


def test_a_pool_for_shares_pays_the_rates_part_of_the_networks_reward():
    # A network of D * 2**32 / 600 H/s finds 144 blocks a day on average.
    network = DIFFICULTY * 2**32 / 600
    found = income(EXACT, terms())
    assert found.coins_per_day == pytest.approx(144 * 3.125 * 100e12 / network)
    assert found.low_coins_per_day == pytest.approx(found.coins_per_day * 0.95)
    assert found.high_coins_per_day == pytest.approx(found.coins_per_day * 1.05)


def test_the_pools_fee_is_taken_off_and_changes_no_blocks():
    without, with_fee = income(EXACT, terms()), income(EXACT, terms(fee_percent=2.0))
    assert with_fee.coins_per_day == pytest.approx(0.98 * without.coins_per_day)
    assert with_fee.blocks_per_day == without.blocks_per_day
    assert income(EXACT, terms(fee_percent=100.0)).coins_per_day == 0


def test_a_solo_miner_at_home_gets_nothing_on_19_of_20_days_and_the_same_on_average():
    found = income(EXACT, terms(solo=True))
    assert (found.low_coins_per_day, found.high_coins_per_day) == (0, 0)
    assert found.coins_per_day == income(EXACT, terms()).coins_per_day
    assert found.block_a_day == pytest.approx(found.blocks_per_day, rel=1e-4)
    assert found.block_a_day < found.block_a_month < found.block_a_year < 1
    assert found.seconds_per_block == pytest.approx(86400 / found.blocks_per_day)


def test_a_large_solo_farm_gets_whole_blocks_within_the_range_of_chance():
    farm = HashRate(mean=DIFFICULTY * 2**32 / 8640, low=0, high=1e30)  # ten blocks a day
    found = income(farm, terms(solo=True))
    assert found.blocks_per_day == pytest.approx(10)
    assert (found.low_coins_per_day, found.high_coins_per_day) == (4 * 3.125, 17 * 3.125)


def test_without_any_rate_there_is_neither_income_nor_a_time_to_a_block():
    found = income(HashRate(mean=0, low=0, high=0), terms(solo=True))
    assert (found.coins_per_day, found.block_a_year, found.seconds_per_block) == (0, 0, None)


def test_the_reward_is_the_subsidy_of_the_height_and_the_fees():
    assert reward_coins(Chain.BTC, 900_000, 0.02) == pytest.approx(3.145)
    assert reward_coins(Chain.BTC, 1_050_000, 0.0) == subsidy(Chain.BTC, 1_050_000) / COIN == 1.5625
    assert reward_coins(Chain.OTHER, 900_000, 0.0) is None


def test_work_counts_by_its_difficulty():
    assert blocks_of(DIFFICULTY / 4, DIFFICULTY) == 0.25
    assert coins_of(0.25, terms(fee_percent=1)) == pytest.approx(0.25 * 3.125 * 0.99)


def test_a_kilowatt_for_an_hour_is_a_kilowatt_hour():
    assert energy_kwh(1000, 3600) == 1
    assert energy_kwh(15, 86400) == pytest.approx(0.36)


def poisson_cdf(mean, number):
    return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(number + 1))


@given(st.floats(1e-9, 200), st.floats(0.001, 0.999))
def test_a_quantile_is_the_least_number_with_enough_probability_below(mean, probability):
    number = poisson_quantile(mean, probability)
    assert poisson_cdf(mean, number) >= probability - 1e-9
    assert number == 0 or poisson_cdf(mean, number - 1) < probability + 1e-9


@pytest.mark.no_cover
@given(st.floats(MANY_BLOCKS, 5000), st.sampled_from([0.025, 0.5, 0.975]))
def test_a_quantile_of_many_blocks_is_one_off_at_most(mean, probability):
    number = poisson_quantile(mean, probability)
    assert poisson_cdf(mean, number + 1) >= probability
    assert poisson_cdf(mean, number - 2) < probability


def test_of_no_blocks_expected_none_come():
    assert block_range(0.0) == (0, 0)
    assert poisson_quantile(740.0, 1e-300) >= 0


def test_19_of_20_days_are_within_the_range():
    random.seed(5)
    least, most = block_range(3.0)

    def day():
        left, found = 1.0, 0
        while (left := left + math.log(1.0 - random.random()) / 3.0) > 0:
            found += 1
        return found

    within = sum(least <= day() <= most for _ in range(4000)) / 4000
    assert 0.95 <= within <= 0.99  # whole numbers: never less than asked for


@pytest.mark.no_cover
@given(st.floats(1e9, 1e18), st.floats(0, 100), st.floats(0.1, 10))
def test_income_grows_with_the_rate_and_the_reward_alone(rate, fee, factor):
    base = income(HashRate(mean=rate, low=rate, high=rate), terms(fee_percent=fee))
    more = income(HashRate(mean=rate * factor, low=rate, high=rate), terms(fee_percent=fee))
    richer = income(HashRate(mean=rate, low=rate, high=rate), terms(fee_percent=fee, reward_coins=3.125 * factor))
    assert more.coins_per_day == pytest.approx(base.coins_per_day * factor, rel=1e-9)
    assert richer.coins_per_day == pytest.approx(base.coins_per_day * factor, rel=1e-9)
