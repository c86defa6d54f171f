"""The nodes' page, and what other pages say where there are several nodes."""

from dataclasses import replace

import pytest
from django.urls import reverse

from dashboard.models import AuditEntry
from proxy.observe.live.views import Alarm, NodeView, RateView, store
from tests.dashboard import fixtures

pytestmark = pytest.mark.django_db


def two_nodes():
    rate = RateView(value=3e12, low=2e12, high=4e12, known=True)
    working = NodeView(
        name="rack-1", host="pve1", version="4.0.0", state="working", leads=True, heard_at=fixtures.NOW, connections=7
    )
    return (
        replace(working, rate_5m=rate, part=0.75),
        NodeView(name="rack-2", host="pve2", state="silent", heard_at=fixtures.NOW - 60, trouble="<b>"),
    )


@pytest.fixture
def admin(browser_of):
    return browser_of("administrator")


@pytest.fixture
def several(pools):
    alarm = Alarm(level="warn", text="Pool A is slow", nodes=("rack-1",))
    silent = Alarm(level="bad", kind="node", subject="rack-2", text="Node rack-2 is silent")
    store.put(replace(fixtures.rich(), nodes=two_nodes(), alarms=(alarm, silent)))


def test_each_node_says_how_it_is(admin, several):
    page = admin.get(reverse("nodes")).content.decode()
    for text in ("rack-1", "pve1", "does what is done once for all", "3.00 TH/s", "75.0", "silent", "&lt;b&gt;"):
        assert text in page


def test_alarms_say_on_which_node_and_lead_to_the_nodes(admin, several):
    page = admin.get(reverse("home")).content.decode()
    assert '<span class="chip">rack-1</span>' in page
    assert f'<a href="{reverse("nodes")}">Node rack-2 is silent</a>' in page


def test_one_process_alone_says_nothing_of_nodes(admin, pools):
    assert reverse("nodes") not in admin.get(reverse("home")).content.decode()
    assert "of the process that serves this page" not in admin.get(reverse("logs")).content.decode()
    assert "knows of no other" in admin.get(reverse("nodes")).content.decode()


def test_the_log_says_whose_lines_it_shows(admin, several):
    assert "of the process that serves this page" in admin.get(reverse("logs")).content.decode()


def test_an_administrator_drains_a_node(admin, several, monkeypatch):
    asked = []
    monkeypatch.setattr("dashboard.views.nodes.ask_to_drain", lambda name: asked.append(name) or name == "rack-1")
    assert "takes no new miners" in admin.post(reverse("node-drain"), {"node": "rack-1"}, follow=True).content.decode()
    assert AuditEntry.objects.get(action="drain node").subject == "rack-1"
    assert "No node of that name" in admin.post(reverse("node-drain"), {"node": "x"}, follow=True).content.decode()
    assert asked == ["rack-1", "x"]
