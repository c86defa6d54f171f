"""Addresses that are slowed down or refused: operators see them on the Workers page, and let them in again."""

import re
from dataclasses import replace

import pytest

from dashboard.models import AuditEntry
from proxy.observe.live.admission import admission
from proxy.observe.live.views import CostlyView, store
from proxy.types import Waste
from tests.dashboard import fixtures

COSTLY = (
    CostlyView(address="10.0.0.7", until=fixtures.NOW + 60, slowed=0, what=Waste.SHARES),
    CostlyView(address="2001:db8::/64", until=None, slowed=2, what=Waste.BLANKS),
)


@pytest.fixture
def asked(monkeypatch):
    """What the proxy is asked."""
    found = []
    monkeypatch.setattr(admission, "ask", lambda address: found.append(address) or True)
    store.put(replace(fixtures.rich(), costly=COSTLY))
    return found


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_operator_reads_who_it_is_what_is_done_and_why(browser_of, pools, asked):
    text = text_of(browser_of("operator").get("/workers/"))
    assert "2 addresses are slowed down or refused" in text
    assert "10.0.0.7 refused until" in text and "refused shares" in text
    assert "2001:db8::/64 2 connections are read slowly blank lines" in text


def test_viewer_and_a_quiet_proxy_show_no_such_list(browser_of, pools, asked):
    assert "slowed down or refused" not in text_of(browser_of("viewer").get("/workers/"))
    store.put(fixtures.rich())
    assert "slowed down or refused" not in text_of(browser_of("operator").get("/workers/"))


def test_operator_lets_an_address_in_and_that_is_in_the_audit_log(browser_of, pools, asked):
    page = browser_of("operator").post("/addresses/let-in/", {"address": "10.0.0.7"}, follow=True)
    assert "10.0.0.7 is let in again." in text_of(page)
    assert asked == ["10.0.0.7"]
    assert [(entry.action, entry.subject) for entry in AuditEntry.objects.all()] == [("let in", "10.0.0.7")]


def test_an_address_that_is_not_listed_is_not_asked_for(browser_of, pools, asked):
    page = browser_of("operator").post("/addresses/let-in/", {"address": "10.0.0.8"}, follow=True)
    assert "neither slowed down nor refused any more" in text_of(page)
    assert asked == [] and not AuditEntry.objects.exists()
