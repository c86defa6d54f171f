"""The pages: full and partial from one view, all snapshots, hostile names, counted queries."""

import re
from dataclasses import replace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from dashboard.regions.pools import block_times
from proxy.models.history import ChainTip
from proxy.observe.live.views import Alarm, store
from proxy.types import Chain, WorkerName
from tests.dashboard import fixtures

pytestmark = pytest.mark.no_cover

PAGES = ["/", "/workers/", "/pools/", "/pools/A/", "/schedule/", "/balance/", "/records/", "/logs/", "/help/"]


@pytest.mark.parametrize("name", ["rich", "empty", "waiting", "down", "three"])
@pytest.mark.parametrize("group", ["viewer", "administrator"])
def test_every_page_shows_every_snapshot(browser_of, pools, name, group):
    store.put(getattr(fixtures, name)())
    browser = browser_of(group)
    for page in PAGES:
        response = browser.get(page)
        if page == "/logs/" and group == "viewer":
            continue
        assert response.status_code == 200, page
        html = response.content.decode()
        assert " style=" not in html and "<style" not in html, page
        assert not re.search(r"<script(?![^>]*\ssrc=)", html), page
        assert not re.search(r"\son[a-z]+=", html), page


def test_pages_work_where_no_proxy_runs(browser_of, pools):
    store.__init__()
    html = browser_of("viewer").get("/").content.decode()
    assert "The proxy does not run in this process." in html


def test_home_of_a_fresh_proxy_leads_the_administrator_to_the_guided_start(browser_of):
    store.put(fixtures.empty())
    assert browser_of("administrator").get("/")["Location"] == "/start/"
    assert browser_of("viewer").get("/").status_code == 200


def test_guided_start_does_not_send_people_elsewhere(browser_of):
    empty = fixtures.empty()
    store.put(replace(empty, alarms=(Alarm(level="warn", text="No pool is set up: add one in the admin.", since=1.0),)))
    administrator = browser_of("administrator")
    assert "add one in the admin" in administrator.get("/workers/").content.decode()
    html = administrator.get("/start/").content.decode()
    assert "add one in the admin" not in html and 'name="wallet"' in html


def test_down_pool_says_why_and_raises_an_alarm(browser_of, pools):
    store.put(fixtures.down())
    html = browser_of("viewer").get("/").content.decode()
    assert "connection refused" in html and "state down" in html and "Alarm" in html


def test_viewer_has_no_slider_and_operator_has_one(browser_of, pools):
    assert b'id="slider"' not in browser_of("viewer").get("/").content
    assert b'id="slider"' in browser_of("operator").get("/").content


def test_two_pools_share_one_handle_and_three_have_one_each(browser_of, pools):
    operator = browser_of("operator")
    assert operator.get("/").content.count(b'type="range"') == 1
    store.put(fixtures.three())
    assert operator.get("/").content.count(b'type="range"') == 3


def test_htmx_gets_the_table_alone(browser_of):
    viewer = browser_of("viewer")
    part = viewer.get("/workers/", headers={"HX-Request": "true"}).content
    assert b"<html" not in part and b"AvalonQ" in part
    assert b"<html" in viewer.get("/workers/").content


@pytest.mark.parametrize(
    "sort, first",
    [
        ("-rate", "AvalonQ"),
        ("rate", "BitAxe2"),
        ("name", "AvalonQ"),
        ("-name", "Nano3S"),
        ("-shares", "Nano3S"),
        ("seen", "BitAxe2"),
        ("nonsense", "AvalonQ"),
    ],
)
def test_table_sorts(browser_of, sort, first):
    html = browser_of("viewer").get(f"/workers/?sort={sort}").content.decode()
    body = html[html.index("<tbody>") :]
    assert re.search(r'title="([^"]+)">', body).group(1) == first


def test_table_filters_by_text_and_pool(browser_of):
    viewer = browser_of("viewer")
    html = viewer.get("/workers/?q=bitaxe", headers={"HX-Request": "true"}).content.decode()
    assert "BitAxe1" in html and "AvalonQ" not in html
    html = viewer.get("/workers/?pool=B", headers={"HX-Request": "true"}).content.decode()
    assert "Nano3S" in html and "BitAxe1" not in html
    assert "No worker matches" in viewer.get("/workers/?q=zzz").content.decode()


@pytest.mark.parametrize("name", ["a/b", "..", ".", "100%", "%2F", "<b>x</b>", "été ☃", "a?b#c", "", "~", "x/pin"])
def test_any_name_of_a_worker_has_a_page(browser_of, name):
    snap = fixtures.rich()
    store.put(replace(snap, workers=(replace(snap.workers[0], name=WorkerName(name)),)))
    viewer = browser_of("viewer")
    assert viewer.get("/workers/").status_code == 200
    response = viewer.get(reverse("worker", args=[name]))
    assert response.status_code == 200
    assert b"<b>x</b>" not in response.content
    assert b"This worker is not in" not in response.content


def test_worker_and_pool_that_do_not_exist_are_not_found(browser_of):
    viewer = browser_of("viewer")
    assert viewer.get("/workers/nobody/").status_code == 404
    assert viewer.get("/pools/Z/").status_code == 404


def test_forgotten_worker_is_off_the_lists_until_seen_again(browser_of, pools):
    operator = browser_of("operator")
    operator.post("/workers/BitAxe2/forget/")
    assert b"BitAxe2" not in operator.get("/workers/", headers={"HX-Request": "true"}).content
    snap = fixtures.rich(2)
    store.put(replace(snap, workers=tuple(replace(worker, connections=1) for worker in snap.workers)))
    assert b"BitAxe2" in operator.get("/workers/", headers={"HX-Request": "true"}).content


def test_theme_cookie_is_in_the_first_paint(browser_of):
    viewer = browser_of("viewer")
    assert b"data-theme=" not in viewer.get("/").content
    viewer.post("/theme/", {"theme": "dark", "next": "/pools/"})
    assert b'data-theme="dark"' in viewer.get("/").content


def test_theme_does_not_redirect_to_strangers(browser_of):
    response = browser_of("viewer").post("/theme/", {"theme": "dark", "next": "https://evil.example.org/"})
    assert response["Location"] == "/"


@pytest.mark.parametrize(
    "page, most",
    [
        ("/", 9),
        ("/workers/", 9),
        ("/pools/", 8),
        ("/pools/A/", 14),
        ("/schedule/", 34),
        ("/balance/", 8),
        ("/records/", 13),
        ("/help/", 8),
    ],
)
def test_queries_of_a_page_do_not_grow_with_the_fleet(browser_of, pools, django_assert_max_num_queries, page, most):
    viewer = browser_of("viewer")
    viewer.get(page)
    store.put(fixtures.three())
    with django_assert_max_num_queries(most):
        viewer.get(page)


def test_first_load_is_small(browser_of, client, pools):
    response = browser_of("operator").get("/")
    assert len(response.content) < 40_000


def test_pools_of_a_chain_are_compared_by_who_tells_of_a_block_first(browser_of, pools):
    for index, (pool, behind) in enumerate([("A", 0), ("C", 120), ("A", 40), ("C", 0), ("A", 0), ("C", 80)]):
        ChainTip.objects.create(
            chain="BTC", pool=pool, prevhash=f"{index // 2:064x}", nbits=1, seen_at=timezone.now(), behind_ms=behind
        )
    html = browser_of("viewer").get("/pools/A/").content.decode()
    assert block_times("BTC") == [("A", 3, 2, 0), ("C", 3, 1, 80)]
    assert "Who announces new blocks first" in html and "80 ms" in html


def test_usual_time_between_jobs_stands_beside_that_of_the_other_pools_of_the_chain(browser_of, pools):
    store.put(replace(fixtures.rich(), pools=(fixtures.pool_a(), replace(fixtures.pool_b(), chain=Chain.BTC))))
    html = browser_of("viewer").get("/pools/A/").content.decode()
    assert "Compared with the other BTC pools" in html and "30 s" in html and "4.8 s" in html


def test_worker_s_page_lists_its_sessions(browser_of, pools):
    html = browser_of("viewer").get("/workers/AvalonQ/").content.decode()
    sessions = html[html.index('id="sess-h"') :]
    for text in ("192.168.1.51", "Avalon Q", "52.7 K", "50.0 K", "2f1a + 4 B", "1fffe000"):
        assert text in sessions
    assert 'id="sess-h"' not in browser_of("operator").get("/workers/BitAxe2/").content.decode()


def test_page_of_a_forgotten_worker_says_so(browser_of, pools):
    operator = browser_of("operator")
    assert "Forget this worker" in operator.get("/workers/BitAxe2/").content.decode()
    operator.post("/workers/BitAxe2/forget/")
    html = operator.get("/workers/BitAxe2/").content.decode()
    assert "off the lists until it connects again" in html and "Forget this worker" not in html


def test_icon_is_found_where_browsers_ask_for_it(client, db):
    response = client.get("/favicon.ico", follow=True)
    assert response.status_code == 200 and response["Content-Type"] == "image/svg+xml"
    assert "dashboard/icon.svg" in client.get("/login/").content.decode()


@pytest.mark.parametrize("name", ["403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_pages_say_what_happened_and_lead_home(name, rf):
    html = (
        render_to_string(name)
        if name in ("403_csrf.html", "500.html")
        else render_to_string(name, request=_of_nobody(rf.get("/")))
    )
    assert "<h1>" in html and 'href="/"' in html and "icon.svg" in html


def test_form_without_a_token_is_refused_with_an_explanation(browser_of):
    viewer = browser_of("viewer")
    viewer.handler.enforce_csrf_checks = True
    response = viewer.post("/theme/", {"theme": "dark"})
    assert response.status_code == 403 and "The form was not accepted" in response.content.decode()


def _of_nobody(request):
    request.user, request.session = AnonymousUser(), {}
    return request


def test_pools_page_says_what_a_switch_costs_and_no_more_than_is_known(browser_of, pools):
    store.put(fixtures.rich())
    page = browser_of("viewer").get("/pools/").content.decode()
    text = " ".join(page.split())
    assert "0.4 s (± 0.3 s)" in text and "none seen (± 3.0 s)" in text
