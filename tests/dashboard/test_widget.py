"""The figures for a home server's desktop: only where the environment allows them, and nothing secret."""

from django.test import Client

from proxy.observe.live.views import store
from tests.dashboard import fixtures


def test_without_the_switch_there_is_nothing(db):
    assert Client().get("/widget/").status_code == 404


def test_with_it_four_figures_come_without_a_login(db, settings):
    settings.WIDGET = True
    found = Client().get("/widget/").json()
    assert found["type"] == "four-stats"
    assert [item["title"] for item in found["items"]] == ["Hash rate", "Miners", "Split", "Best share"]
    assert found["items"][0]["subtext"].endswith("H/s") and found["items"][2]["text"] == "70 : 30"
    assert all(isinstance(item[name], str) for item in found["items"] for name in ("title", "text", "subtext"))


def test_an_empty_proxy_has_dashes(db, settings):
    settings.WIDGET = True
    store.put(fixtures.empty())
    found = Client().get("/widget/").json()
    assert all(item["text"] for item in found["items"])
