"""The fleet's table says how each worker is and why, who steers it, where it spent its time and what it adds."""

import re
from dataclasses import replace

import pytest

from dashboard.fleet import CHIPS, LEVELS, Fleet, sentence
from dashboard.views import fleet as fleet_view
from proxy.observe.live.moves import Moves, ShareSum, Stay
from proxy.observe.live.views import SharedView, store
from proxy.observe.live.worker_health import Cause, Finding, Level
from proxy.types import PoolKey, WorkerName
from tests.dashboard import fixtures

A, B = PoolKey("A"), PoolKey("B")


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def moved():
    """The busy fleet; its first worker was switched and works."""
    snap = fixtures.rich()
    moves = {snap.workers[0].name: Moves(7, {A: Stay(1000.0, 1, 100.0), B: Stay(500.0)})}
    marks = {worker.name: ShareSum(worker.counts.good, worker.counts.rejected) for worker in snap.workers}
    return replace(snap, moves=moves, marks=marks, monotonic=600.0)


def test_a_worker_shows_its_switches_its_time_and_its_part(browser_of, pools):
    store.put(moved())
    page = text_of(browser_of("viewer").get("/fleet/"))
    row = page[page.index("AvalonQ") :]
    assert "7" in row and "25 min (75 %)" in row and "8 min (25 %)" in row
    place = Fleet(store.current()).place(store.current().workers[0])
    rates = [worker.rate_1h.value for worker in store.current().workers]
    assert place.part == pytest.approx(rates[0] / sum(rates))
    assert [stay.work for stay in place.stays] == [pytest.approx(place.part * 0.75), pytest.approx(place.part * 0.25)]


def test_a_worker_that_is_away_is_bad_and_comes_first(browser_of, pools):
    store.put(moved())
    answer = browser_of("viewer").get("/fleet/")
    away = [worker.name for worker in store.current().workers if not worker.connections]
    assert away and "not connected for" in text_of(answer)
    names = re.findall(r'<a class="worker" href="/workers/([\w.]+)/"', answer.content.decode())
    assert names[0] in away


def farm():
    """The busy fleet; its first worker and its first pool are on shared connections."""
    snap = moved()
    worker = replace(snap.workers[0], shares_aim=15.0, shares_per_s=0.25)
    pool = replace(snap.pools[0], shared=SharedView(connections=3, miners=712, waiting=41, apart=17))
    return replace(snap, workers=(worker, *snap.workers[1:]), pools=(pool, *snap.pools[1:]))


def test_shares_a_minute_stand_beside_the_aim_on_shared_connections(browser_of, pools):
    store.put(farm())
    page = text_of(browser_of("viewer").get("/fleet/"))
    row = page[page.index("AvalonQ") : page.index("Nano3S")]
    assert "15.0 aim 15.0" in row and "52.7 K" in row
    assert page.count("aim 15.0") == 1, "the others' difficulty is their pools'"


@pytest.mark.no_cover
def test_a_pool_shows_its_shared_connections_and_who_waits_for_a_place(browser_of, pools):
    store.put(farm())
    viewer = browser_of("viewer")
    page = text_of(viewer.get("/pools/A/"))
    assert "Shared connections 3 (712 miners)" in page and "Waiting for a place 41 miners" in page
    assert "Not shared yet 17 miners until they reconnect" in page
    other = text_of(viewer.get("/pools/B/"))
    assert "Shared connections" not in other and "Waiting for a place" not in other


@pytest.mark.no_cover
def test_where_no_connection_is_shared_nothing_is_said_of_it(browser_of, pools):
    store.put(moved())
    viewer = browser_of("viewer")
    page = text_of(viewer.get("/fleet/"))
    assert "Shares a minute" not in page and "aim" not in page
    assert "Shared connections" not in text_of(viewer.get("/pools/A/"))


def test_htmx_gets_the_table_alone_and_a_large_fleet_is_cut(browser_of, pools, monkeypatch):
    store.put(moved())
    monkeypatch.setattr(fleet_view, "SHOWN", 1)
    page = browser_of("viewer").get("/fleet/", headers={"HX-Request": "true"}).content.decode()
    assert "<h1>" not in page and page.count("<tr id=") == 1
    assert "more workers are not shown" in page


def test_without_any_miner_the_page_says_what_to_do(browser_of, pools):
    store.put(replace(fixtures.rich(), workers=()))
    assert "/fleet/" in browser_of("viewer").get("/fleet/").content.decode()


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_sentence(cause):
    said = sentence(Finding(Level.BAD, cause, 0.25, "B: jobs too large"))
    assert said and "%" not in said.replace("25 %", "").replace("25.0 %", "")


def test_one_that_was_never_seen_is_not_connected():
    assert sentence(Finding(Level.BAD, Cause.AWAY)) == "not connected"


def test_every_level_has_a_label_and_a_chip():
    assert set(LEVELS) == set(CHIPS) == set(Level)


def test_a_fleet_without_work_has_no_parts():
    snap = fixtures.rich()
    idle = replace(snap.workers[0], name=WorkerName("idle"), rate_1h=type(snap.workers[0].rate_1h)())
    assert Fleet(replace(snap, workers=(idle,))).place(idle).part is None
