"""Money over the API: off is not found, figures as on the page, days by cursor."""

from datetime import date

import pytest

from proxy.models import ChainPrice, IncomeDay, MoneySettings


def test_it_is_not_found_while_it_is_switched_off(calls, pools):
    answer = calls()("GET", "/money")
    assert answer.status_code == 404 and "switched off" in answer.json()["detail"]


def test_figures_are_null_where_something_is_not_known(calls, pools):
    MoneySettings(enabled=True, watts=100, electricity_price=0.5).save()
    ChainPrice(chain="BTC", price=50_000).save()
    found = calls().get("/money")
    assert found["currency"] == "USD" and found["cost_per_day"] == pytest.approx(1.2)
    assert found["amount_per_day"] is None and found["balance_per_day"] is None
    assert found["power_w"] == 100 and found["power_is_measured"] is False
    first = found["pools"][0]
    assert first["pool"] == "A" and first["coins_per_day"] > 0 and first["blocks_per_day"] > 0
    assert {price["chain"]: price["state"] for price in found["prices"]}["BCH"] == "unknown"


def test_days_come_by_cursor(calls, pools):
    MoneySettings(enabled=True).save()
    for day in range(1, 4):
        IncomeDay.objects.create(
            day=date(2026, 3, day),
            pool="A",
            chain="BTC",
            work=1,
            expected_blocks=1,
            expected_coins=2,
            network_difficulty=3,
        )
    program = calls()
    first = program.get("/money/days?limit=2")
    assert [one["day_utc"] for one in first["items"]] == ["2026-03-03", "2026-03-02"]
    second = program.get(f"/money/days?limit=2&cursor={first['next_cursor']}")
    assert [one["day_utc"] for one in second["items"]] == ["2026-03-01"] and second["next_cursor"] is None
    assert second["items"][0]["expected_amount"] is None
