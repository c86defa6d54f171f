"""What Home says holds at every moment: targets, deliveries, pools that are down, spans that nobody watched."""

import re
from dataclasses import replace

import pytest

from proxy.models.history import ShareBucket, ShareTotal
from proxy.observe.live.views import LiveSnapshot, RateView, SplitPart, SplitView, store
from tests.dashboard import fixtures
from tests.dashboard.fixtures import NOW, A, B, rate
from tests.support.tallies import tally

pytestmark = pytest.mark.no_cover


@pytest.fixture
def home(browser_of, pools):
    """``home(snapshot)`` is the text of Home for an administrator, without tags."""
    browser = browser_of("administrator")

    def read(snap: LiveSnapshot) -> str:
        store.put(snap)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", browser.get("/").content.decode()))

    return read


def split(delivered: float, error: float, wanted: float = 0.7, **changes: float) -> LiveSnapshot:
    parts = (
        SplitPart(pool=A, delivered=delivered, error=error, wanted=wanted),
        SplitPart(pool=B, delivered=1 - delivered, error=error, wanted=1 - wanted),
    )
    snap = fixtures.rich()
    view = SplitView(label="change", since=NOW - 840, parts=parts)
    return replace(snap, splits=(view,), control=replace(snap.control, follows_in_s=0.0), **changes)


@pytest.mark.parametrize(
    "delivered, error, said",
    [
        (0.71, 0.012, "On target."),
        (0.75, 0.012, "Not on target: A has 75.0 %, its target is 70 %. Pinned workers are counted as well."),
        (0.75, 0.3, "Too few shares yet to tell"),
    ],
)
def test_on_target_is_said_only_within_the_error(home, delivered, error, said):
    text = home(split(delivered, error))
    assert said in text
    assert ("On target." in text) == (said == "On target.")


def test_target_is_that_of_the_pools_that_work_and_the_setting_stands_beside_it(home):
    text = home(fixtures.down())
    assert "target 0 : 100" in text and "set to 70 : 30 ; that holds again when Solo CK works" in text
    assert "that holds again" not in home(fixtures.rich())


def test_mark_of_the_target_stands_also_at_the_end_of_the_bar(browser_of, pools):
    store.put(split(0.03, 0.01, wanted=0.0))
    assert 'x1="0.3%"' in browser_of("viewer").get("/").content.decode()


def test_dead_pool_says_what_happened_what_follows_and_what_to_do(home, browser_of):
    text = home(fixtures.down())
    assert "Solo CK is down connection refused, " in text
    assert text.count("All work goes to MiningCore BCH.") == 2, "as an alarm and on its card"
    assert "Nothing listens at solo.example.org:3333: is the port right" in text
    html = browser_of("operator").get("/").content.decode()
    assert 'hx-post="/pools/A/test/"' in html and "/pools/A/edit/" not in html


def test_edit_of_a_pool_leads_to_its_form(browser_of, pools):
    form = browser_of("administrator").get("/pools/A/edit/")
    assert form.status_code == 200 and 'action="/pools/A/edit/"' in form.content.decode()


def test_without_any_pool_the_headline_says_that_mining_is_stopped(home):
    assert "Mining is stopped" not in home(fixtures.down())
    text = home(fixtures.stopped())
    assert "Mining is stopped" in text and "Hash rate, 5 min" not in text
    assert "nothing is delivered now" in text and "Reaches" not in text
    assert text.count("No other pool works: mining is stopped.") == 4


def test_card_of_a_pool_shows_what_was_delivered_to_it_and_its_part(home):
    text = home(fixtures.rich())
    assert "Delivered, 5 min 61.9 TH/s 70.0 % of the work, target 70 %" in text


def test_span_that_is_not_covered_says_since_when(home):
    young = RateView(value=8e13, low=7e13, high=9e13, known=True, span_s=1200.0)
    text = home(replace(fixtures.rich(), rate_1h=young, rate_24h=young))
    assert "since 2026-" in text and "24 h 80" not in text and text.count("80.0 TH/s") == 1
    whole = young._replace(span_s=3600.0)
    text = home(replace(fixtures.rich(), rate_1h=whole, rate_24h=young._replace(span_s=7200.0)))
    assert "1 h 80.0 TH/s" in text and "24 h 80" not in text
    assert "Hash rate since" in home(replace(fixtures.rich(), rate_5m=rate(8e13)._replace(span_s=40.0)))


def test_tab_carries_the_hash_rate_or_the_alarm(browser_of, pools):
    viewer = browser_of("viewer")
    for snap, title in (
        (fixtures.rich(), "88.4 TH/s"),
        (fixtures.down(), "Solo CK is down"),
        (fixtures.stopped(), "Mining is stopped"),
    ):
        store.put(snap)
        html = viewer.get("/schedule/").content.decode()
        assert re.search(r'id="tab-title" value="([^"]*)"', html).group(1) == title


def test_best_shares_blocks_and_the_time_to_a_block_are_at_a_glance(home, db):
    snap = replace(fixtures.rich(), counts=tally(accepted=127_591, best=662_000.0))
    ShareTotal.objects.create(worker="desk", pool="A", best=662_000.0)
    ShareBucket.objects.create(worker="desk", pool="A", step=60, start=int(NOW) - 7200, best=13_100.0)
    ShareBucket.objects.create(worker="desk", pool="A", step=60, start=int(NOW) - 100_000, best=99_000.0)
    text = home(snap)
    assert "best today 13.1 K" in text and "best ever 662 K" in text and "0 blocks found" in text
    assert "a block in 4" in text and "years" in text


def test_best_share_of_these_seconds_is_the_day_s_too(home, db):
    ShareTotal.objects.create(worker="desk", pool="A", best=8.4e6)
    ShareBucket.objects.create(worker="desk", pool="A", step=60, start=int(NOW) - 120, best=2.6e6)
    for best, said in ((8.4e6, "best today 2.60 M"), (9.7e6, "best today 9.70 M")):
        assert said in home(replace(fixtures.rich(), counts=tally(accepted=127_591, best=best)))


def test_home_is_there_while_auto_balance_knows_no_weights_yet(home):
    snap = fixtures.rich()
    text = home(replace(snap, extra={"balance": replace(fixtures.balance(), weights=None)}))
    assert "Auto-balance" in text and "It would set" not in text


def test_auto_balance_that_has_not_polled_yet_does_not_ask_for_a_second_chain(home):
    text = home(fixtures.waiting())
    assert "Not polled yet." in text and "needs pools of two chains" not in text


def test_spans_that_began_together_are_told_once(home):
    snap = fixtures.rich()
    parts = snap.splits[0].parts
    began = NOW - 1500
    views = [SplitView(label=label, since=began, parts=parts) for label in ("change", "hour", "day")]
    said = home(replace(snap, started_at=began, splits=tuple(views), rate_1h=rate(87e12), rate_24h=rate(87e12)))
    assert said.count("since 20") == 1, said
