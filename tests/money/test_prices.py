"""Which price counts: never one that is unknown, old, or of another currency."""

import pytest

from proxy.money.power import watts_of_workers
from proxy.money.prices import PriceState, Quote, choose_price

NOW = 1_790_000_000.0
DAY = 86_400.0


def quote(amount, days_old=0.0, source="mempool"):
    return Quote(amount=amount, source=source, at=NOW - days_old * DAY)


def chosen(by_hand=None, sourced=None, currency="USD"):
    return choose_price(by_hand, sourced, now=NOW, currency=currency, most_days=7)


def test_a_price_by_hand_comes_before_a_sources():
    found = chosen(quote(90_000, source="by hand"), quote(91_000))
    assert (found.state, found.amount, found.source) == (PriceState.KNOWN, 90_000, "by hand")


def test_a_sources_price_counts_where_the_one_by_hand_is_old_or_missing():
    assert chosen(quote(90_000, 8), quote(91_000)).amount == 91_000
    assert chosen(None, quote(91_000)).amount == 91_000


@pytest.mark.parametrize(
    "by_hand, sourced, currency, state",
    [
        (None, None, "USD", PriceState.UNKNOWN),
        (quote(1, 7.01), None, "USD", PriceState.OLD),
        (quote(1, 7.01), quote(1), "EUR", PriceState.OLD),
        (None, quote(1, 8), "USD", PriceState.OLD),
        (None, quote(1), "EUR", PriceState.OTHER_CURRENCY),
        (quote(1, -1), None, "USD", PriceState.OLD),
    ],
)
def test_without_a_price_that_counts_there_is_no_amount(by_hand, sourced, currency, state):
    found = chosen(by_hand, sourced, currency)
    assert (found.state, found.amount) == (state, None)


def test_a_price_by_hand_counts_in_any_currency():
    assert chosen(quote(80_000), currency="EUR").amount == 80_000


def test_power_is_what_the_miners_say_else_what_the_operator_entered_or_not_known():
    assert watts_of_workers(None, None) is None
    power = watts_of_workers(1200.0, None)
    assert power is not None and (power.watts, power.measured) == (1200.0, False)
    power = watts_of_workers(1200.0, 900.0)
    assert power is not None and (power.watts, power.measured) == (900.0, True)
