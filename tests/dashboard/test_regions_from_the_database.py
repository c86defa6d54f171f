"""Schedule, Records and a pool's checks follow the database while the page is open, and cost little while it rests."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard import live
from dashboard.access import Access
from proxy.models import Pool, Schedule
from proxy.models.history import BestShare, Block, ChainTip, PayoutRecord
from proxy.models.listeners import Listener
from proxy.models.schedules import Allocation
from proxy.observe.live.views import store
from tests.dashboard import fixtures

pytestmark = pytest.mark.no_cover

MOMENT = datetime(2026, 11, 23, tzinfo=UTC)
ALL = Access(frozenset({"see", "steer", "administer", "wallets"}))


@pytest.fixture(autouse=True)
def rows(pools):
    """Pools A and B share a schedule that is always in force."""


def shown(key, snap=None, access=ALL):
    store.put(snap or fixtures.rich())
    return live.renderings.get(key, access, "en", live.snapshot()).html


def best_share(difficulty):
    BestShare.objects.create(worker="AvalonQ", chain="BTC", pool="A", true_difficulty=difficulty, at=MOMENT)


def block(verdict="pending"):
    return Block.objects.create(
        header_hash="0" * 20 + "ab" * 22,
        worker="Nano3S",
        pool="B",
        chain="BCH",
        height=951_000,
        at=MOMENT,
        header="00" * 80,
        coinbase="00",
        nbits=0x1A0FFFFF,
        true_difficulty=9e11,
        network_difficulty=8.1e11,
        verdict=verdict,
    )


def test_new_best_share_is_in_the_next_rendering():
    best_share(1e5)
    assert "662 K" not in shown("records")
    best_share(662_000)
    assert "662 K" in shown("records")


def test_ten_best_shares_stand_first_and_the_others_behind_a_fold():
    for number in range(12):
        best_share(1e5 + number)
    html = shown("records")
    top, others = html.split("<summary>", 1)
    assert top.count('class="worker"') == 10 and "the next 2" in others


def test_block_shows_at_once_and_its_verdict_when_the_pool_gives_it():
    assert "No blocks yet" in shown("records")
    found = block()
    assert "no answer known" in shown("records")
    found.verdict = "accepted"
    found.save()
    html = shown("records")
    assert "accepted" in html and "no answer known" not in html


def test_what_became_of_a_block_whose_connection_broke_is_said_in_plain_words():
    found = block("unanswered")
    assert "after reconnecting" not in shown("records")
    for fate, words in (
        ("waiting", "waiting to be sent when the connection is back"),
        ("accepted", "sent after reconnecting, accepted"),
        ("new_session", "could not be sent (again): the pool gave a new session"),
    ):
        found.fate = fate
        found.save()
        assert words in shown("records")


def test_records_at_rest_cost_two_queries_and_no_rendering(django_assert_num_queries):
    best_share(1e5)
    shown("records")
    made = live.renderings.made
    with django_assert_num_queries(2):
        shown("records")
    assert live.renderings.made == made


def test_records_take_up_a_pool_s_new_name():
    best_share(1e5)
    shown("records")
    snap = fixtures.rich()
    assert "Renamed" in shown("records", replace(snap, pools=(replace(snap.pools[0], name="Renamed"), snap.pools[1])))


def test_chance_of_a_block_is_told_only_where_a_rate_was_measured():
    assert "0.001 %" not in shown("odds", fixtures.waiting()) and "0 H/s" not in shown("odds")
    snap = fixtures.rich()
    idle = replace(snap, pools=(snap.pools[0], replace(snap.pools[1], target=0.0, effort=None)))
    html = shown("odds", idle)
    assert "0 H/s" in html and ">0 %<" in html


def test_mode_of_a_schedule_is_said_in_a_miner_s_words():
    assert "fixed split" in shown("schedule") and "fixed split" in shown("split", fixtures.waiting())
    assert ">ratio<" not in shown("schedule")


def test_schedule_that_is_renamed_is_in_the_next_rendering():
    assert "Always" in shown("schedule")
    row = Schedule.objects.get()
    row.name = "Everyday"
    row.save()
    html = shown("schedule")
    assert "Everyday" in html and "Always" not in html


def test_schedule_at_rest_costs_one_query_and_no_rendering(django_assert_num_queries):
    shown("schedule")
    made = live.renderings.made
    with django_assert_num_queries(1):
        shown("schedule", replace(fixtures.rich(), revision=2))
    assert live.renderings.made == made


def test_line_of_now_moves_with_the_minute():
    early = shown("schedule")
    assert shown("schedule", replace(fixtures.rich(), at=fixtures.NOW + 120)) != early


def test_schedule_shows_routes_with_the_listener_that_they_are_for():
    snap = replace(fixtures.waiting(), listeners=fixtures.listeners())
    assert "For miners of" not in shown("schedule", snap)
    rack = Listener.objects.create(pk=7, name="Rack", port=3360)
    route = Schedule.objects.create(name="Anna's rack", listener=rack)
    Allocation.objects.create(schedule=route, pool=Pool.objects.get(key="B"), weight=1)
    html = shown("schedule", replace(snap, revision=snap.revision + 1, at=snap.at + 60))
    card = html[html.index('id="routes-h"') :].partition("</section>")[0]
    assert "Rack" in card and "Anna&#x27;s rack" in card
    row = html[html.index("all-h") :]
    assert "<small>For miners of Rack</small>" in row
    assert 'href="?listener=7#week-h"' in card and "Anna&#x27;s rack</title>" not in html
    theirs = shown("schedule:UTC 7", replace(snap, revision=snap.revision + 2))
    week = theirs[theirs.index('id="week-grid"') :]
    assert "<title>Anna&#x27;s rack</title>" in week and "<title>Always</title>" not in week
    by_hand = replace(fixtures.rich(), listeners=fixtures.listeners(), revision=snap.revision + 3)
    assert "The schedule is paused." in shown("schedule", by_hand)
    assert "The schedule is paused." not in shown("schedule:UTC 7", by_hand), "the slider moves no route"


def test_schedule_says_that_it_waits_while_the_slider_is_in_control():
    html = shown("schedule")
    assert "The schedule is paused." in html and "Would be active now" in html
    html = shown("schedule", fixtures.waiting())
    assert "The schedule is paused." not in html and "Active now" in html


def test_way_to_change_control_is_offered_to_those_who_may():
    viewer = Access(frozenset({"see", "wallets"}))
    assert "Change that on Home" in shown("schedule") and "Change that on Home" not in shown("schedule", access=viewer)
    edited = f"/schedule/{Schedule.objects.get().pk}/"
    assert edited in shown("schedule") and edited not in shown("schedule", access=viewer)


def test_payout_check_and_block_times_are_live():
    assert "To your wallet" not in shown("poolchecks:A")
    PayoutRecord.objects.create(pool="A", at=MOMENT, percent=98.0, ok=True)
    assert "98.0 %" in shown("poolchecks:A")
    assert "Who announces new blocks first" not in shown("poolchecks:A")
    for pool, behind in (("A", 0), ("C", 80)):
        ChainTip.objects.create(chain="BTC", pool=pool, prevhash="0" * 64, nbits=1, seen_at=MOMENT, behind_ms=behind)
    assert "80 ms" in shown("poolchecks:A")


def test_wallet_of_a_pool_is_for_those_who_may_see_wallets():
    PayoutRecord.objects.create(pool="A", at=MOMENT, percent=98.0, ok=True)
    assert "ownername0" in shown("poolchecks:A")
    assert "ownername0" not in shown("poolchecks:A", access=Access(frozenset({"see"})))


def test_changes_of_the_weights_stand_with_their_reasons():
    view = fixtures.balance()
    early, late = view.history[0], view.history[-1]
    history = (early, replace(early, at=early.at + 600), replace(late, reason="BCH fell by a third"))
    html = shown("balance", replace(fixtures.rich(), extra={"balance": replace(view, history=history)}))
    changes = html[html.index("Last changes of the weights") :]
    assert "BCH fell by a third" in changes and changes.count('data-label="Why"') == 1


@pytest.mark.parametrize(
    "strategy, significance, told, untold",
    [
        ("hashrate-ratio", 0.95, "below its own long-term level. It moves only when", "earns more at its present"),
        ("hashrate-ratio", 0.0, "below its own long-term level.", "more than noise"),
        ("value-per-hash", 0.95, "earns more at its present difficulty. It moves only when", "weaker against its own"),
    ],
)
def test_page_tells_of_the_strategy_that_is_set(strategy, significance, told, untold):
    view = replace(fixtures.balance(), strategy=strategy, significance=significance)
    html = shown("balance", replace(fixtures.rich(), extra={"balance": view}))
    assert told in html and untold not in html


def test_auto_balance_with_one_chain_waits_for_no_poll():
    view = replace(fixtures.balance(), state="off", decision="", would_do="Waits for the first poll.")
    html = shown("balance", replace(fixtures.rich(), extra={"balance": view}))
    assert "needs pools of two chains" in html and "Waits for" not in html and "Next poll" not in html
