"""The days of money: each share counts once, at the difficulty of its time; the table stays bounded."""

from datetime import UTC, date, datetime, timedelta

import pytest

from proxy.models import ChainPrice, IncomeDay, MoneySettings, Pool, PowerDay, Wallet
from proxy.models.balance import ChainBlock
from proxy.models.history import ShareBucket
from proxy.money.recorder import EVERY_S, MOST_DAYS, MoneyRecorder, record
from proxy.scheduling.virtual_clock import VirtualClock

NOON = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())
TODAY = date(2026, 3, 4)


@pytest.fixture
def pool(db):
    wallet = Wallet(label="w", chain="BTC", kind="account", address="owner")
    wallet.save()
    row = Pool(key="A", chain="BTC", wallet=wallet, fee_percent=2.0)
    row.save()
    return row


def block(difficulty=1e6, height=900_000, at=NOON, reward=None):
    ChainBlock.objects.create(
        chain="BTC", height=height, announced_at=at, difficulty=difficulty, prevhash="00" * 32, reward=reward
    )


def shares(credited, start=NOON, step=60, pool="A", worker="w"):
    ShareBucket.objects.create(step=step, start=start, worker=worker, pool=pool, credited=credited)


def on(**changes):
    return MoneySettings(enabled=True, **changes)


def test_the_shares_of_a_day_count_once_at_the_difficulty_of_their_time(pool):
    block(1e6)
    shares(1000)
    record(on(), None, NOON + 600)
    record(on(), None, NOON + 1200)
    row = IncomeDay.objects.get()
    assert (row.day, row.work) == (TODAY, 1000)
    assert row.expected_blocks == pytest.approx(0.001)
    assert row.expected_coins == pytest.approx(0.001 * 3.125 * 0.98)
    assert row.price is row.expected_amount is None
    block(2e6, 900_001, NOON + 1300)
    shares(1000, NOON + 1200)
    record(on(), None, NOON + 1800)
    row = IncomeDay.objects.get()
    assert row.work == 2000
    assert row.expected_blocks == pytest.approx(0.001 + 0.0005)


def test_the_last_minutes_of_a_day_still_count_after_midnight(pool):
    midnight = NOON + 12 * 3600
    block(1e6, at=midnight)
    shares(1000, midnight - 60)
    shares(500, midnight)
    record(on(), None, midnight + 300)
    assert dict(IncomeDay.objects.values_list("day", "work")) == {TODAY: 1000, TODAY + timedelta(days=1): 500}


def test_fees_of_the_coinbase_are_part_of_the_reward_and_the_price_of_the_day_is_kept(pool):
    block(1e6, reward=330_000_000)
    shares(1e6)
    ChainPrice(chain="BTC", price=50_000).save()
    ChainPrice.objects.update(set_at=datetime.fromtimestamp(NOON, UTC))
    record(on(currency="EUR"), None, NOON + 600)
    row = IncomeDay.objects.get()
    assert row.expected_coins == pytest.approx(3.3 * 0.98)
    assert (row.price, row.currency) == (50_000, "EUR")
    assert row.expected_amount == pytest.approx(3.3 * 0.98 * 50_000)


def test_without_a_block_of_the_last_day_nothing_is_recorded(pool):
    block(at=NOON - 90_000)
    shares(1000)
    record(on(), None, NOON)
    assert not IncomeDay.objects.exists()


def test_energy_counts_while_the_proxy_runs_and_not_over_a_pause(db):
    settings = on(watts=1000.0, electricity_price=0.3)
    for after in (0, 600, 1200, 1200 + 7200, 1200 + 7800):
        record(settings, None, NOON + after)
    row = PowerDay.objects.get()
    assert row.energy_kwh == pytest.approx(0.5)
    assert row.cost == pytest.approx(0.15)
    record(on(), None, NOON + 99_000)
    assert PowerDay.objects.count() == 1


def test_energy_that_the_miners_say_counts_instead_of_the_number_of_the_settings(db):
    for after in (0, 600):
        record(on(watts=1000.0), None, NOON + after, 600.0)
    assert PowerDay.objects.get().energy_kwh == pytest.approx(0.1)


def test_a_cost_is_of_one_currency(db):
    record(on(watts=1000.0, electricity_price=0.3), None, NOON)
    record(on(watts=1000.0, electricity_price=0.3), None, NOON + 600)
    record(on(watts=1000.0, electricity_price=0.2, currency="EUR"), None, NOON + 1200)
    row = PowerDay.objects.get()
    assert row.currency == "EUR" and row.cost == pytest.approx(0.2 / 6)


def test_old_days_are_deleted(pool):
    old = TODAY - timedelta(days=MOST_DAYS + 1)
    IncomeDay.objects.create(
        day=old, pool="A", chain="BTC", work=1, expected_blocks=1, expected_coins=1, network_difficulty=1
    )
    PowerDay.objects.create(day=old, energy_kwh=1, recorded_at=1)
    record(on(), None, NOON)
    assert not IncomeDay.objects.exists() and not PowerDay.objects.exists()


def test_it_records_every_ten_minutes_and_only_while_switched_on(pool):
    clock = VirtualClock(wall=float(NOON))
    recorder = MoneyRecorder(clock, lambda: None)
    block()
    shares(1000)
    recorder()
    clock.advance(EVERY_S)
    recorder()
    assert not IncomeDay.objects.exists()
    MoneySettings(enabled=True).save()
    recorder()
    assert not IncomeDay.objects.exists(), "not due"
    clock.advance(EVERY_S)
    recorder()
    assert IncomeDay.objects.get().work == 1000
