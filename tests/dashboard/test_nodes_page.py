"""The nodes' page, and what other pages say where there are several nodes."""

from dataclasses import replace

import pytest
from django.urls import reverse

from dashboard.models import AuditEntry
from proxy.observe.live.views import Alarm, NodeView, PoolOnNode, RateView, store
from proxy.types import PoolStatus
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


@pytest.mark.no_cover
def test_one_process_alone_says_nothing_of_nodes(admin, pools):
    assert reverse("nodes") not in admin.get(reverse("home")).content.decode()
    assert "of the process that serves this page" not in admin.get(reverse("logs")).content.decode()
    assert "knows of no other" in admin.get(reverse("nodes")).content.decode()


def of_each_node(snap):
    """The snapshot, with a pool that is down for one node, and a worker on both."""
    rate = RateView(value=4e12, low=3e12, high=5e12, known=True)
    on = (
        PoolOnNode(node="rack-1", status=PoolStatus.UP, miners=7, connections=9, rate=rate, latency_ms=42.0),
        PoolOnNode(node="rack-2", status=PoolStatus.DOWN, reason="refuses <b>", connections=2),
    )
    pool, worker = replace(snap.pools[0], nodes=on), replace(snap.workers[0], node="rack-1, rack-2")
    return replace(snap, nodes=two_nodes(), pools=(pool, *snap.pools[1:]), workers=(worker, *snap.workers[1:]))


def test_pool_says_what_each_node_has_of_it(admin, pools):
    store.put(of_each_node(fixtures.rich()))
    page = admin.get(reverse("pool", args=["A"])).content.decode()
    card = page[page.index('id="nodes-h"') :].partition("</section>")[0]
    for text in ("rack-1", "rack-2", ">9<", ">7<", "4.00 TH/s", "42", "refuses &lt;b&gt;"):
        assert text in card


def test_worker_says_which_nodes_it_is_connected_to(admin, pools):
    store.put(snap := of_each_node(fixtures.rich()))
    page = admin.get(reverse("worker", args=[snap.workers[0].name])).content.decode()
    assert "<dt>Node</dt><dd>rack-1, rack-2</dd>" in page


def test_one_process_alone_has_no_nodes_on_the_pages_of_pools_and_workers(admin, pools):
    store.put(snap := fixtures.rich())
    assert "nodes-h" not in admin.get(reverse("pool", args=["A"])).content.decode()
    assert "<dt>Node</dt>" not in admin.get(reverse("worker", args=[snap.workers[0].name])).content.decode()


def test_the_log_says_whose_lines_it_shows(admin, several):
    assert "of the process that serves this page" in admin.get(reverse("logs")).content.decode()


def test_an_administrator_drains_a_node(admin, several, monkeypatch):
    asked = []
    monkeypatch.setattr("dashboard.views.nodes.ask_to_drain", lambda name: asked.append(name) or name == "rack-1")
    assert "takes no new miners" in admin.post(reverse("node-drain"), {"node": "rack-1"}, follow=True).content.decode()
    assert AuditEntry.objects.get(action="drain node").subject == "rack-1"
    assert "No node of that name" in admin.post(reverse("node-drain"), {"node": "x"}, follow=True).content.decode()
    assert asked == ["rack-1", "x"]
