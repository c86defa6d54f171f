"""The Money page: off until switched on, averages and never promises, no figure where something is not known."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard import money
from dashboard.models import AuditEntry
from proxy.balance.balance_view import BalanceState, BalanceView, SourcedPrice
from proxy.config.export import export_config
from proxy.config.loader import load_snapshot
from proxy.models import ChainPrice, IncomeDay, MoneySettings, Pool, PowerDay
from proxy.models.balance import ChainBlock
from proxy.observe.live.views import store
from proxy.types import Chain
from tests.dashboard import fixtures

ENTERED = {
    "enabled": "on",
    "currency": "eur",
    "price_days": "7",
    "electricity_price": "0.3",
    "watts": "1000",
    "fee-A": "2",
    "fee-B": "0",
}
DAY = datetime.fromtimestamp(fixtures.NOW, UTC).date()


@pytest.fixture
def on(pools):
    row = MoneySettings(enabled=True, currency="EUR", electricity_price=0.3, watts=1000)
    row.save()
    return row


def price(chain, amount, days_old=0.0):
    ChainPrice(chain=chain, price=amount).save()
    at = datetime.fromtimestamp(fixtures.NOW, UTC) - timedelta(days=days_old)
    ChainPrice.objects.filter(chain=chain).update(set_at=at)


def text_of(page):
    return " ".join(page.content.decode().split())


@pytest.mark.no_cover
def test_it_is_off_until_switched_on_and_in_no_menu_before(browser_of, pools):
    browser = browser_of("viewer")
    assert "Money is switched off" in text_of(browser.get("/money/"))
    assert 'href="/money/"' not in browser.get("/").content.decode()
    assert not load_snapshot().balance.wants_prices


def test_what_an_administrator_saves_acts_and_is_in_audit_log_and_export(browser_of, pools):
    browser = browser_of("administrator")
    assert browser.post("/money/settings/", ENTERED).status_code == 302
    row = MoneySettings.load()
    assert (row.enabled, row.currency, row.watts) == (True, "EUR", 1000)
    assert dict(Pool.objects.values_list("key", "fee_percent")) == {"A": 2.0, "B": 0.0}
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.subject, entry.new) == ("change money", "EUR", "on")
    assert load_snapshot().balance.wants_prices
    assert '"electricity_price": 0.3' in export_config() and '"fee_percent": 2.0' in export_config()
    assert 'href="/money/"' in browser.get("/").content.decode()


@pytest.mark.parametrize(
    "changes",
    [{"currency": "E"}, {"currency": "1234"}, {"price_days": "0"}, {"watts": "-1"}, {"fee-A": "101"}, {"fee-B": ""}],
)
def test_nonsense_is_refused_and_nothing_saved(browser_of, pools, changes):
    browser = browser_of("administrator")
    assert browser.post("/money/settings/", ENTERED | changes).status_code == 422
    assert not MoneySettings.objects.exists()
    assert not Pool.objects.exclude(fee_percent=0).exists()


def test_coins_are_shown_without_a_price_and_no_money(browser_of, on):
    text = text_of(browser_of("viewer").get("/money/"))
    assert "No price is known, so coins are shown and no money." in text
    assert "no promise" in text
    found = money.outlook(fixtures.rich(), on)
    assert all(one.income is not None for one in found.pools)
    assert found.amount_per_day is found.balance_per_day is None
    assert found.cost_per_day == pytest.approx(7.2)


def test_an_old_price_is_no_price(browser_of, on):
    price("BTC", 50_000, days_old=8)
    price("BCH", 300)
    assert "The price is too old to count" in text_of(browser_of("viewer").get("/money/"))
    first, second = money.outlook(fixtures.rich(), on).pools
    assert first.amount_per_day is None
    assert second.amount_per_day == pytest.approx(second.income.coins_per_day * 300)


def test_income_is_the_pools_part_of_the_fleet_at_its_difficulty_less_its_fee(on):
    price("BTC", 50_000)
    price("BCH", 300)
    Pool.objects.filter(key="A").update(fee_percent=2.0, solo=True)
    snap = fixtures.rich()
    first = money.outlook(snap, on).pools[0]
    blocks = snap.rate_24h.value * 0.7 * 86400 / 2**32 / 142.3e12
    assert first.income.coins_per_day == pytest.approx(blocks * 3.125 * 0.98)
    assert first.amount_per_day == pytest.approx(blocks * 3.125 * 0.98 * 50_000)
    assert (first.low_amount_per_day, first.high_amount_per_day) == (0, 0)
    whole = money.outlook(snap, on)
    assert whole.amount_per_day == pytest.approx(sum(one.amount_per_day for one in whole.pools))
    assert whole.balance_per_day == pytest.approx(whole.amount_per_day - 7.2)


def test_a_sources_dollars_are_not_taken_for_euros(browser_of, on):
    balance = BalanceView(
        at=fixtures.NOW,
        state=BalanceState.HEALTHY,
        in_control=False,
        strategy="hashrate-ratio",
        significance=0.95,
        short_window=6,
        long_window=72,
        failures=0,
        prices={Chain.BTC: SourcedPrice(amount=90_000, source="mempool", at=fixtures.NOW)},
    )
    snap = replace(fixtures.rich(), extra={"balance": balance})
    assert money.outlook(snap, on).pools[0].amount_per_day is None
    on.currency = "USD"
    assert money.outlook(snap, on).pools[0].price.amount == 90_000
    store.put(snap)
    assert "known in US dollars only" in text_of(browser_of("viewer").get("/money/"))


def test_sums_of_the_demonstration_are_said_to_be_of_no_real_chain(browser_of, on):
    browser, words = browser_of("viewer"), "Its chains have a tiny difficulty"
    assert words not in text_of(browser.get("/money/"))
    store.put(replace(fixtures.rich(), demo=True))
    assert words in text_of(browser.get("/money/"))


def test_what_is_not_known_is_said(browser_of, on):
    rich = fixtures.rich()
    first, second = rich.pools[:2]
    unknown = replace(first, network_difficulty=None, height=None), replace(second, chain=Chain.OTHER)
    store.put(replace(rich, pools=unknown))
    on.watts = None
    on.save()
    text = text_of(browser_of("viewer").get("/money/"))
    assert "difficulty is not known yet." in text
    assert "blocks is not known." in text
    assert "The power of the miners is not known" in text
    store.put(fixtures.empty())
    assert browser_of("operator").get("/money/").status_code == 200


def test_the_observed_chain_gives_fees_and_stands_in_for_a_pool_without_jobs(on):
    ChainBlock.objects.create(
        chain="BTC",
        height=968_413,
        announced_at=fixtures.NOW - 60,
        difficulty=150e12,
        prevhash="00" * 32,
        reward=320_000_000,
    )
    rich = fixtures.rich()
    first = money.outlook(replace(rich, pools=(replace(rich.pools[0], network_difficulty=None),)), on).pools[0]
    assert (first.network_difficulty, first.reward_coins, first.fees_known) == (150e12, 3.2, True)


@pytest.fixture
def history(on):
    for back in range(3):
        day = DAY - timedelta(days=back)
        IncomeDay.objects.create(
            day=day,
            pool="A",
            chain="BTC",
            work=1e9,
            expected_blocks=7e-6,
            expected_coins=2e-5,
            network_difficulty=142e12,
            price=50_000 if back < 2 else None,
            currency="EUR" if back < 2 else "",
        )
    PowerDay.objects.create(day=DAY, energy_kwh=24, cost=7.2, currency="EUR", recorded_at=fixtures.NOW)


def test_days_have_income_cost_and_balance_as_far_as_they_are_known(browser_of, history):
    found = money.days("EUR", 10)
    assert [day.amount for day in found] == [pytest.approx(1.0), pytest.approx(1.0), None]
    assert [day.balance for day in found] == [pytest.approx(-6.2), None, None]
    assert [day.amount for day in money.days("USD", 10)] == [None, None, None]
    assert len(money.days("EUR", 2)) == 2
    assert "-6.20" in text_of(browser_of("viewer").get("/money/"))


def test_the_file_has_all_days_and_empty_cells_for_what_is_not_known(browser_of, history):
    answer = browser_of("viewer").get("/money.csv")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["pool"] for row in rows] == ["A", "", "A", "A"]
    assert rows[0]["expected_amount"] == "1.0" and rows[1]["cost"] == "7.2" and rows[3]["expected_amount"] == ""


def test_the_chart_has_a_line_for_each_pool_and_the_cost(browser_of, history):
    found = browser_of("viewer").get("/charts/money/?span=7d").json()
    assert [line["label"] for line in found["lines"]] == ["A Solo CK", "Cost of power"]
    assert found["lines"][0]["values"][-3:] == [None, pytest.approx(1.0), pytest.approx(1.0)]
    assert len(found["times"]) == 7
    assert len(browser_of("operator").get("/charts/money/?span=nonsense").json()["times"]) == 30
