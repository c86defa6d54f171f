"""The log page: filters, download without wallets, switches."""

import io
import zipfile

import pytest

from dashboard.views import logs as view
from proxy.models import ProxySettings
from proxy.observe import log as logs
from proxy.observe.events import MinerMethod, PoolDown
from proxy.observe.log.lines import Entry
from proxy.types import PoolKey, SessionId, WorkerName

ADDRESS = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"


@pytest.fixture(autouse=True)
def ring():
    """Three lines."""
    logs.lines.__init__()
    logs.lines.append(Entry(1, 1.79e9, PoolDown(pool=PoolKey("A"), reason="refused " + ADDRESS), None, None, "A"))
    odd = MinerMethod(session=SessionId(1), worker=WorkerName("Nano3S"), method="<i>odd</i>")
    logs.lines.append(Entry(2, 1.79e9, odd, 1, "Nano3S", None))
    logs.lines.append(Entry(3, 1.79e9, PoolDown(pool=PoolKey("B"), reason="ownername1 unknown"), None, None, "B"))
    yield
    logs.lines.__init__()


def shown(browser, query=""):
    return browser.get(f"/logs/{query}", headers={"HX-Request": "true"}).content.decode()


def test_newest_stands_first_and_peers_words_are_escaped(browser_of):
    html = shown(browser_of("operator"))
    assert html.index("line-3") < html.index("line-2") < html.index("line-1")
    assert "<i>odd</i>" not in html and "&lt;i&gt;odd" in html


@pytest.mark.parametrize(
    "query, lines",
    [
        ("?text=refused", [1]),
        ("?event=pool_down", [3, 1]),
        ("?level=30", [3, 1]),
        ("?worker=Nano3S", [2]),
        ("?pool=B", [3]),
        ("?text=nothing", []),
        ("?level=abc", []),
        ("?kind=pools", [3, 1]),
        ("?kind=miners&worker=Nano3S", [2]),
        ("?kind=nonsense", []),
        ("?until=1790000000.5", [3, 2, 1]),
        ("?until=1789999999", []),
        ("?span=3600", []),
    ],
)
def test_filters(browser_of, query, lines):
    html = shown(browser_of("operator"), query)
    assert [number for number in (3, 2, 1) if f"line-{number}" in html] == lines


def test_line_has_a_sentence_the_raw_line_and_an_address(browser_of, pools):
    otto = browser_of("operator")
    html = shown(otto, "?pool=A")
    assert " is down · refused" in html and "pool_down" in html
    assert 'href="/logs/?pool=A&amp;until=1790000000.0#line-1"' in html
    page = otto.get("/logs/?until=1790000000.0").content.decode()
    assert 'class="meant"' in page and "Show the newest" in page


def unzipped(response):
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response) if response.streaming else response.content))
    return {name: archive.read(name).decode() for name in archive.namelist()}


def test_download_has_no_wallets_by_default(browser_of, pools, tmp_path, settings):
    settings.DATA_DIR = tmp_path
    (tmp_path / "logs").mkdir()
    (tmp_path / view.LOG_FILE).write_text(f'{{"event": "x", "user": "{ADDRESS}.w"}}\n')
    files = unzipped(browser_of("operator").get("/logs/download/"))
    assert set(files) == {"recent.jsonl", "dpmp.log"}
    assert not any(ADDRESS in text or "ownername1" in text for text in files.values())
    assert all("[wallet]" in text for text in files.values())


def test_only_an_administrator_gets_wallets_in_the_download(browser_of, pools):
    assert ADDRESS in unzipped(browser_of("administrator").get("/logs/download/?wallets=keep"))["recent.jsonl"]
    assert ADDRESS not in unzipped(browser_of("operator").get("/logs/download/?wallets=keep"))["recent.jsonl"]


def test_switches_of_events_reach_the_settings(browser_of):
    ada = browser_of("administrator")
    assert ada.get("/logs/events/").status_code == 200
    ada.post(
        "/logs/events/save/", {"event-share_result": "allow", "event-miner_connected": "deny", "event-nonsense": "deny"}
    )
    row = ProxySettings.load()
    assert row.log_allow == "share_result" and row.log_deny == "miner_connected"


def test_events_are_told_of_in_plain_words(browser_of):
    html = browser_of("administrator").get("/logs/events/").content.decode()
    assert "A connection to a pool is open." in html and "``" not in html


def test_empty_log_says_so_and_one_that_is_filtered_offers_all_lines(browser_of):
    browser = browser_of("operator")
    html = shown(browser, "?worker=nobody")
    assert "No line matches" in html and 'href="/logs/"' in html
    logs.lines.__init__()
    html = shown(browser)
    assert "Nothing logged yet" in html and "No line matches" not in html
