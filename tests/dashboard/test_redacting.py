"""Who came by a read-only link sees neither addresses nor the names of accounts, and the page stays whole."""

from dataclasses import replace

import pytest

from dashboard.redacting import hide_wallets
from proxy.models import Wallet
from proxy.models.labels import WalletKind
from proxy.observe.live.views import store
from proxy.types import Chain, WorkerName
from tests.dashboard import fixtures


def test_account_is_hidden_in_text_and_attributes_in_any_case():
    page = '<a class="row" href="/workers/miner-joe/" title="Miner-Joe">miner-joe</a>, MINER-JOE.rig1'
    assert hide_wallets(page, ["miner-joe"]) == (
        '<a class="row" href="/workers/[wallet]/" title="[wallet]">[wallet]</a>, [wallet].rig1'
    )


def test_account_that_is_a_word_of_the_markup_leaves_the_markup_whole():
    page = '<div class="card" id="div"><span style="card">a card</span></div>'
    assert hide_wallets(page, ["card", "div", "span"]) == (
        '<div class="card" id="div"><span style="card">a [wallet]</span></div>'
    )


def test_account_with_special_characters_is_found_as_html_and_as_address():
    page = '<a href="/workers/a%26b%20c/">a&amp;b c</a>'
    assert hide_wallets(page, ["a&b c"]) == '<a href="/workers/[wallet]/">[wallet]</a>'


def test_account_is_no_part_of_a_longer_word():
    assert hide_wallets("<p>joey joe</p>", ["joe"]) == "<p>joey [wallet]</p>"


@pytest.mark.no_cover
def test_read_only_link_shows_no_account_and_a_login_does(link_browser, browser_of, db):
    Wallet.objects.create(label="w", chain=Chain.BTC.value, kind=WalletKind.ACCOUNT, address="miner-joe")
    snap = fixtures.rich()
    store.put(replace(snap, workers=(replace(snap.workers[0], name=WorkerName("miner-joe")),)))
    for page in ["/", "/workers/", "/live/poll/?r=fleet", "/workers/miner-joe/", "/charts/worker/miner-joe/"]:
        answer = link_browser[0].get(page)
        assert answer.status_code == 200
        assert "miner-joe" not in answer.content.decode(), page
    assert "miner-joe" in browser_of("viewer").get("/workers/").content.decode()


def test_way_from_the_admin_to_a_page_on_the_site_is_not_found(browser_of):
    assert browser_of("administrator").get("/admin/r/1/1/").status_code == 404
