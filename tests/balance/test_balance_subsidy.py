"""The subsidy of each chain at heights that everybody can look up."""

import pytest

from proxy.chains.subsidy import COIN, subsidy
from proxy.types import Chain


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("height", "coins"),
    [
        (0, 50.0),
        (209_999, 50.0),
        (210_000, 25.0),
        (419_999, 25.0),
        (420_000, 12.5),
        (630_000, 6.25),
        (839_999, 6.25),
        (840_000, 3.125),
        (1_050_000, 1.5625),
    ],
)
@pytest.mark.parametrize("chain", [Chain.BTC, Chain.BCH])
def test_bitcoin_and_bitcoin_cash_halve_every_210_000_blocks(chain, height, coins):
    assert subsidy(chain, height) == coins * COIN


def test_the_last_satoshis_are_rounded_down_and_end():
    assert subsidy(Chain.BTC, 32 * 210_000) == 1
    assert subsidy(Chain.BTC, 33 * 210_000) == 0
    assert subsidy(Chain.BTC, 64 * 210_000) == 0


def test_all_bitcoins_together_are_20999999_9769():
    assert sum(210_000 * subsidy(Chain.BTC, era * 210_000) for era in range(64)) == 2_099_999_997_690_000


@pytest.mark.parametrize(
    ("height", "coins"),
    [
        (1, 72_000),
        (1_439, 72_000),
        (1_440, 16_000),
        (5_760, 8_000),
        (67_199, 8_000),
        (67_200, 7_960),
        (67_200 + 10_080, 7_920.2),
        (400_000, 2_434.41),
        (1_430_000, 1_078.5),
    ],
)
def test_digibyte_steps_at_its_forks(height, coins):
    assert subsidy(Chain.DGB, height) == pytest.approx(coins * COIN, abs=1)


def test_digibyte_decays_by_1_116_percent_a_month():
    month = 3600 * 24 * 365 // 12 // 15
    first, second = subsidy(Chain.DGB, 1_430_000), subsidy(Chain.DGB, 1_430_000 + month)
    assert second == first * 98_884 // 100_000
    assert subsidy(Chain.DGB, 1_430_000 + month - 1) == first


def test_digibyte_never_pays_less_than_one_coin():
    assert subsidy(Chain.DGB, 200_000_000) == COIN


def test_other_chains_have_no_known_subsidy_and_no_height_is_negative():
    assert subsidy(Chain.OTHER, 1) is None
    with pytest.raises(ValueError, match="no height"):
        subsidy(Chain.BTC, -1)
