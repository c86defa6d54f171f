"""The page of the workers: what its table says is true, and can be found, ordered, chosen and taken away."""

import re
from dataclasses import replace

import pytest

from dashboard.models import WorkerNote
from dashboard.templatetags.units import own_page
from proxy.models import WorkerPin
from proxy.observe.live.views import RateView, store
from tests.dashboard import fixtures
from tests.support.tallies import tally


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def watched(value, span_s):
    return RateView(value=value, low=value, high=value, known=True, span_s=span_s)


def with_first(**changes):
    """The busy fleet, its first worker changed."""
    snap = fixtures.rich()
    return replace(snap, workers=(replace(snap.workers[0], **changes), *snap.workers[1:]))


@pytest.mark.parametrize(
    "hour_s, day_s, said",
    [
        (3500, 86000, "11.0 TH/s 12.0 TH/s"),
        (3500, 7200, "11.0 TH/s 12.0 TH/s since 2026-09-21 12:13:20 UTC"),
        (600, 600, "11.0 TH/s since 2026-09-21 14:03:20 UTC –"),
    ],
)
@pytest.mark.parametrize("path", ["/workers/", "/"])
def test_span_that_was_not_watched_whole_says_since_when(browser_of, pools, path, hour_s, day_s, said):
    store.put(with_first(rate_1h=watched(11e12, hour_s), rate_24h=watched(12e12, day_s)))
    assert said in text_of(browser_of("viewer").get(path))


@pytest.fixture
def noted(pools):
    """The busy fleet with names, groups and notes of people."""
    store.put(with_first(day_line=bytes([0, 128, 255])))
    WorkerNote.objects.create(worker="AvalonQ", name="office heater", groups="ground floor, loud", text="fan replaced")
    WorkerNote.objects.create(worker="Nano3S", groups="loud")


def names(page):
    return re.findall(r'<a class="worker" href="/workers/(\w+)/"', page.content.decode())


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "query, found",
    [
        ("?q=HEATER", ["AvalonQ"]),
        ("?q=fan+rep", ["AvalonQ"]),
        ("?q=ground", ["AvalonQ"]),
        ("?group=loud&sort=-rate", ["AvalonQ", "Nano3S"]),
        ("?group=loud&pool=B", ["Nano3S"]),
        ("?group=floor", []),
        ("?sort=name&pool=A", ["BitAxe1", "AvalonQ"]),
    ],
)
def test_names_groups_and_notes_are_found_and_ordered(browser_of, noted, query, found):
    assert names(browser_of("viewer").get(f"/workers/{query}")) == found


@pytest.fixture
def two_listeners(noted):
    """The busy fleet, its first worker on another listener than the others."""
    first, *others = fixtures.rich().workers
    others = [replace(one, listener="miners") for one in others]
    store.put(replace(fixtures.rich(), workers=(replace(first, listener="Rack 3"), *others)))


def test_workers_of_one_listener_are_found_and_stay_found_in_order_csv_and_pins(browser_of, two_listeners):
    otto = browser_of("operator")
    page = otto.get("/workers/?listener=Rack+3&sort=name")
    assert names(page) == ["AvalonQ"]
    html = page.content.decode()
    assert "<option selected>Rack 3</option>" in html and "<option>miners</option>" in html
    assert "sort=-name&amp;listener=Rack+3" in html, "the heads keep it"
    assert "/workers.csv?sort=name&amp;listener=Rack+3" in html
    assert '<input type="hidden" form="pin-many" name="listener" value="Rack 3">' in html
    answer = otto.post("/pins/set/", {"worker": ["AvalonQ"], "pool": "B", "listener": "Rack 3", "shown_pool": "A"})
    assert answer.headers["Location"] == "/workers/?listener=Rack+3&pool=A"


def test_listener_is_no_choice_where_there_is_only_one(browser_of, noted):
    assert re.search(r'id="listener" name="listener" hidden>', browser_of("viewer").get("/workers/").content.decode())


def test_columns_and_unit_are_chosen_and_kept_in_the_browser(browser_of, noted):
    vera = browser_of("viewer")
    answer = vera.get("/workers/?column=hour&column=note&column=nonsense&unit=G&q=a&choose=1")
    assert answer.headers["Location"] == "/workers/?sort=-rate&q=a"
    text = text_of(vera.get("/workers/?sort=name"))
    assert "79100 GH/s fan replaced" in text and "662 K" not in text
    vera.get("/workers/?column=&unit=Q&choose=1")
    assert "79.1 TH/s" not in text_of(vera.get("/workers/?sort=name"))


def test_shares_are_all_good_ones_and_how_many_went_up_is_said_where_they_differ(browser_of, pools):
    """One of 25 shares of a shared connection reached the pool's difficulty; no other worker has such shares."""
    store.put(with_first(counts=tally(accepted=1, work_only=24, credited=5e6, work=4e6)))
    vera = browser_of("viewer")
    vera.get("/workers/?column=accepted&choose=1")
    html = re.sub(r"\s+", " ", vera.get("/workers/").content.decode())
    assert re.search(r"""title="1 of them reached the pool's difficulty and went to it\." *> 25 </td>""", html)
    assert html.count("of them reached") == 1
    rows = vera.get("/workers.csv?sort=accepted").content.decode().splitlines()
    assert rows[0].endswith(",Shares")
    assert [row.rpartition(",")[2] for row in rows if row.startswith("AvalonQ,")] == ["25"]


def test_what_pools_pay_by_is_called_credited_and_what_miners_did_work(browser_of, pools):
    store.put(with_first(name="new", counts=tally(work_only=24, work=4e6)))
    viewer = browser_of("viewer")
    page = text_of(viewer.get("/workers/new/"))
    assert "credited – work 4.00 M" in page, "before anything went up as well"
    store.put(fixtures.rich())
    html = viewer.get("/pools/").content.decode()
    assert 'data-label="Credited"' in html
    assert 'data-label="Work"' not in html


def test_a_small_line_shows_the_last_day_and_a_link_leads_to_the_miner_itself(browser_of, noted):
    html = browser_of("viewer").get("/workers/").content.decode()
    assert '<path d="M0 19 48 10 96 1"/>' in html
    assert 'href="http://192.168.1.51/"' in html


@pytest.mark.parametrize(
    "address, page",
    [
        ("192.168.1.5", "http://192.168.1.5/"),
        ("fd00::5", "http://[fd00::5]/"),
        ("8.8.8.8", ""),
        ("127.0.0.1", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_only_an_address_of_the_own_network_is_a_link(address, page):
    assert own_page(address) == page


def test_csv_file_has_what_is_shown_and_no_formula(browser_of, noted):
    snap = fixtures.rich()
    store.put(replace(snap, workers=(*snap.workers, replace(snap.workers[2], name="=1+1"))))
    vera = browser_of("viewer")
    vera.get("/workers/?column=rate&column=line&column=groups&choose=1")
    answer = vera.get("/workers.csv?sort=name")
    assert (
        answer.headers["Content-Type"].startswith("text/csv") and "attachment" in answer.headers["Content-Disposition"]
    )
    assert answer.content.decode().splitlines() == [
        "Worker,Name,Groups,5 min (H/s)",
        "'=1+1,,,1060000000000",
        "BitAxe1,,,1060000000000",
        "BitAxe2,,,",
        "Nano3S,,loud,6100000000000",
        'AvalonQ,office heater,"ground floor, loud",79700000000000',
    ]


def test_csv_file_of_a_read_only_link_shows_no_wallet(link_browser, noted):
    snap = fixtures.rich()
    store.put(replace(snap, workers=(replace(snap.workers[0], name="bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),)))
    assert "bc1q" not in link_browser[0].get("/workers.csv").content.decode()


@pytest.mark.no_cover
def test_several_are_pinned_at_once_and_let_go(browser_of, noted):
    otto = browser_of("operator")
    answer = otto.post("/pins/set/", {"worker": ["AvalonQ", "Nano3S", "AvalonQ"], "pool": "B", "q": "a"}, follow=True)
    assert "2 workers are pinned to" in text_of(answer) and answer.redirect_chain[-1][0] == "/workers/?q=a"
    assert dict(WorkerPin.objects.values_list("worker", "pool__key")) == {"AvalonQ": "B", "Nano3S": "B"}
    otto.post("/pins/set/", {"worker": ["AvalonQ"], "pool": ""})
    assert list(WorkerPin.objects.values_list("worker", flat=True)) == ["Nano3S"]


@pytest.mark.parametrize(
    "said", [{"pool": "B"}, {"worker": ["AvalonQ"], "pool": "X"}, {"worker": ["x" * 999], "pool": "B"}]
)
def test_pin_of_nobody_or_to_nowhere_changes_nothing(browser_of, noted, said):
    answer = browser_of("operator").post("/pins/set/", said, follow=True)
    assert answer.status_code == 200 and not WorkerPin.objects.exists()


def test_what_people_say_of_a_worker_is_saved_together_and_shown_on_its_page(browser_of, noted):
    otto = browser_of("operator")
    otto.post("/workers/AvalonQ/note/", {"text": "sold"})
    note = WorkerNote.objects.get(worker="AvalonQ")
    assert (note.name, note.group_list, note.text) == ("office heater", ["ground floor", "loud"], "sold")
    assert "office heater" in text_of(otto.get("/workers/AvalonQ/"))
    answer = otto.post("/workers/AvalonQ/note/", {"name": "x" * 99}, headers={"HX-Request": "true"})
    assert answer.status_code == 422 and "60" in answer.content.decode()
    assert "at most 60" in text_of(otto.post("/workers/AvalonQ/note/", {"name": "x" * 99}, follow=True))
