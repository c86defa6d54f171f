"""A block found: told on every page until the person who looks closes it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import ClosedBlocks
from proxy.models.history import Block
from proxy.observe.live.views import store
from tests.dashboard import fixtures
from tests.dashboard.test_pages import PAGES


def found(number: int = 1, **fields: object) -> Block:
    """A block of BTC, this moment, in the database and on the pages from now on."""
    fields = {"at": timezone.now() + timedelta(seconds=number), "verdict": "accepted", **fields}
    block = Block.objects.create(
        header_hash=f"{number:064x}",
        worker="AvalonQ",
        pool="A",
        chain="BTC",
        height=968_412 + number,
        header="00" * 80,
        coinbase="00",
        nbits=0x17053894,
        true_difficulty=2e14,
        network_difficulty=1.423e14,
        **fields,
    )
    store.put(fixtures.rich(number + 1))
    return block


def test_block_is_told_on_every_page_until_it_is_closed(browser_of, pools):
    operator, viewer = browser_of("operator"), browser_of("viewer")
    block = found()
    for page in PAGES:
        html = operator.get(page).content.decode()
        assert "You found a block!" in html and "accepted by Solo CK" in html, page
        assert f'href="/records/#block-{block.pk}"' in html
        assert f'href="https://mempool.space/block/{block.header_hash}"' in html
    answer = operator.post("/blocks/close/", {"last": block.pk, "next": "/pools/"})
    assert answer["Location"] == "/pools/"
    assert "You found a block!" not in operator.get("/").content.decode()
    assert "You found a block!" in viewer.get("/").content.decode(), "each person closes it alone"
    assert ClosedBlocks.objects.get(user__username="operator").last == block.pk
    found(2)
    assert "968,414" in operator.get("/").content.decode()


@pytest.mark.no_cover
def test_block_is_told_in_the_configuration_too(browser_of, pools):
    administrator = browser_of("administrator")
    found()
    for page in ("/admin/", "/admin/proxy/pool/", "/admin/proxy/pool/add/"):
        html = administrator.get(page).content.decode()
        assert html.count("You found a block!") == 1 and f'name="next" value="{page}"' in html, page
    assert "You found a block!" not in administrator.get("/admin/proxy/pool/add/?_popup=1").content.decode()
    administrator.post("/blocks/close/", {"last": Block.objects.get().pk})
    assert "You found a block!" not in administrator.get("/admin/").content.decode()


def test_block_from_before_a_person_came_is_no_news_to_it(browser_of, pools):
    viewer = browser_of("viewer")
    found(at=User.objects.get().date_joined - timedelta(days=1))
    assert "You found a block!" not in viewer.get("/").content.decode()


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"verdict": "rejected", "message": "bad-txns"}, "A block was refused"),
        ({"verdict": "pending"}, "no answer of Solo CK known yet"),
        ({"verdict": "unanswered", "fate": "arrived"}, "accepted by Solo CK"),
        ({"verdict": "accepted", "confirmations": 6}, "6 confirmations"),
        ({"verdict": "pending", "confirmations": 1}, "1 confirmation,"),
        ({"verdict": "accepted", "confirmations": -1}, "A block was orphaned"),
    ],
)
def test_what_became_of_a_block_is_said(browser_of, pools, fields, said):
    viewer = browser_of("viewer")
    found(**fields)
    assert said in viewer.get("/").content.decode()


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "confirmations, said", [(None, ""), (1, "1 confirmation"), (6, "6 confirmations"), (-1, "orphaned")]
)
def test_records_say_hash_worker_pool_verdict_and_confirmations(browser_of, pools, confirmations, said):
    viewer = browser_of("viewer")
    block = found(confirmations=confirmations)
    html = viewer.get("/records/").content.decode()
    row = html.split(f'id="block-{block.pk}"')[1].split("</tr>")[0]
    for expected in (block.header_hash, "AvalonQ", "Solo CK", "accepted by the pool", "mempool.space/block/", said):
        assert expected in row
    assert ("confirmation" in row or "orphaned" in row) is bool(said)


def test_a_read_only_link_closes_it_for_its_own_session(link_browser, pools):
    browser, _link = link_browser
    block = found()
    assert "You found a block!" in browser.get("/").content.decode()
    browser.post("/blocks/close/", {"last": block.pk})
    assert "You found a block!" not in browser.get("/").content.decode()


@pytest.mark.no_cover
@pytest.mark.parametrize("last", ["", "x", "-1", "9" * 30])
def test_nonsense_closes_nothing(browser_of, pools, last):
    viewer = browser_of("viewer")
    assert viewer.post("/blocks/close/", {"last": last, "next": "https://example.org/"})["Location"] == "/"
    assert not ClosedBlocks.objects.exists()


def test_no_explorer_is_asked_for_the_blocks_of_a_demonstration(browser_of, pools):
    from dataclasses import replace

    viewer = browser_of("viewer")
    found()
    store.put(replace(fixtures.rich(7), demo=True))
    html = viewer.get("/records/").content.decode()
    assert "You found a block!" in html and "mempool.space" not in html
