"""With the test of significance off, the weights are DPMP v2's to the integer, quirks included."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.balance.auto_balance import AutoBalance
from proxy.balance.readings import NetworkReading, Span
from proxy.observe.events import EventStream
from proxy.types import Chain
from tests.balance.balance_cast import ORACLE, snapshot
from tests.support.clock import VirtualClock


def v2_rates(difficulty, latest, at_short, at_long, short, long):
    """Short and long rate as v2 computed them: zero for both where time runs backwards."""
    if latest - at_short <= 0 or latest - at_long <= 0:
        return 0.0, 0.0
    return tuple(difficulty * 2**32 / ((latest - at) / blocks) for at, blocks in ((at_short, short), (at_long, long)))


def v2_weights(btc, bch, short, long, deviation):
    """BTC's and BCH's whole percents by v2's rules."""
    pulls = []
    for chain in (btc, bch):
        near, far = v2_rates(*chain, short, long)
        ratio = near / far if far > 0 else 1.0
        pulls.append(1.0 / ratio if ratio > 0 else 1.0)
    percent = max(50 - deviation, min(50 + deviation, pulls[0] / sum(pulls) * 100.0))
    return round(percent), 100 - round(percent)


def our_weights(btc, bch, short, long, deviation):
    """The same through the engine, as the oracle's reading arrives there."""
    clock = VirtualClock()
    auto = AutoBalance(clock=clock, events=EventStream())
    auto.apply(
        snapshot(
            sources=(ORACLE,),
            significance=0.0,
            max_deviation=float(deviation),
            dead_band=0.0,
            short_window=short,
            long_window=long,
        )
    )
    for chain, (difficulty, latest, at_short, at_long) in ((Chain.BTC, btc), (Chain.BCH, bch)):
        spans = ()
        if latest > at_short and latest > at_long:
            spans = tuple(
                Span(blocks=blocks, seconds=latest - at, difficulty=difficulty)
                for blocks, at in ((short, at_short), (long, at_long))
            )
        auto.feed(
            NetworkReading(
                chain=chain,
                source="oracle",
                taken_at=clock.wall(),
                difficulty=difficulty,
                spans=spans,
                short_blocks=short,
                long_blocks=long,
            )
        )
    weights = auto.conclude()
    return weights["A"], weights["B"]


TIP = 1_790_000_000
CHAIN = st.tuples(
    st.floats(1e6, 1e15), st.just(TIP), st.integers(TIP - 20_000, TIP + 100), st.integers(TIP - 200_000, TIP + 100)
)


@pytest.mark.no_cover
@given(CHAIN, CHAIN, st.integers(1, 12), st.integers(24, 144), st.integers(5, 45))
@example((1.2e14, TIP, TIP - 3600, TIP - 43200), (8e11, TIP, TIP - 3600, TIP - 43200), 6, 72, 20)
@example((1.2e14, TIP, TIP + 5, TIP - 43200), (8e11, TIP, TIP - 7200, TIP - 43200), 6, 72, 45)
def test_weights_are_v2s_to_the_integer(btc, bch, short, long, deviation):
    assert our_weights(btc, bch, short, long, deviation) == v2_weights(btc, bch, short, long, deviation)


def test_more_work_goes_where_the_hash_rate_fell():
    slow, steady = (1e14, TIP, TIP - 7200, TIP - 43_200), (8e11, TIP, TIP - 3600, TIP - 43_200)
    assert our_weights(slow, steady, 6, 72, 45) == (67, 33)
    assert our_weights(slow, steady, 6, 72, 10) == (60, 40)
