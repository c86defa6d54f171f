"""The page of the proxy's own difficulty: each pool's aim, rules for listeners and firmwares, and a form for them."""

import pytest

from dashboard.models import AuditEntry
from proxy.models import Listener, Pool, VardiffRule

FORM = {"name": "Avalons of rack 3", "profile": "avalon", "shares_per_minute": "6"}


@pytest.fixture
def ada(browser_of, pools):
    return browser_of("administrator")


def test_without_shared_connections_the_page_says_who_decides(ada):
    page = ada.get("/vardiff/").content.decode()
    assert "No pool has shared connections" in page and "None: all miners get their pool" in page


def test_pools_with_shared_connections_are_shown_with_their_aim(ada, browser_of):
    pool = Pool.objects.get(key="A")
    pool.connections, pool.shares_per_minute = "shared", 12.0
    pool.save()
    page = ada.get("/vardiff/").content.decode()
    assert "aim 12.0 shares a minute" in page and "/pools/A/edit/" in page
    page = browser_of("viewer").get("/vardiff/").content.decode()
    assert "aim 12.0 shares a minute" in page and "/pools/A/edit/" not in page and "Add a rule" not in page


def test_a_rule_is_added_changed_disabled_and_deleted(ada):
    assert ada.post("/vardiff/new/", FORM)["Location"] == "/vardiff/"
    row = VardiffRule.objects.get()
    assert (row.profile, row.listener, row.shares_per_minute) == ("avalon", None, 6.0)
    address = f"/vardiff/{row.pk}/"
    page = ada.get("/vardiff/").content.decode()
    assert address in page and ">Avalon<" in page.replace("\n", "").replace(" ", "")
    rack = Listener.objects.create(name="Rack 3", port=3360)
    ada.post(address, {**FORM, "listener": rack.pk, "shares_per_minute": "", "most_difficulty": "5000"})
    row.refresh_from_db()
    assert (row.listener, row.shares_per_minute, row.most_difficulty) == (rack, None, 5000.0)
    ada.post(address, {"do": "disable"})
    assert not VardiffRule.objects.get().enabled
    assert "disabled" in ada.get("/vardiff/").content.decode()
    ada.post(address, {"do": "enable"})
    assert VardiffRule.objects.get().enabled
    assert "Delete" in ada.get(address + "?delete").content.decode()
    ada.post(address, {"do": "delete"})
    assert not VardiffRule.objects.exists()
    actions = [f"{do} vardiff rule" for do in ("add", "change", "disable", "enable", "delete")]
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == actions


def test_what_the_form_cannot_take_is_said_at_its_field(ada):
    answer = ada.post("/vardiff/new/", {**FORM, "shares_per_minute": "0"})
    assert answer.status_code == 422 and "from 0.1 to 600 shares a minute" in answer.content.decode()
    answer = ada.post("/vardiff/new/", {"name": "All", "shares_per_minute": "5"})
    assert "what holds for all miners is set at the pool" in answer.content.decode()
    assert not VardiffRule.objects.exists()
