"""The page that says which setting holds and where it comes from; for administrators, without secrets."""

import re
from dataclasses import replace

import pytest

from dpmp_site.env import VARIABLES
from proxy.models import ProxySettings
from proxy.observe.live.views import store
from proxy.updates.releases import Release
from tests.dashboard import fixtures

pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize(("group", "status"), [("viewer", 403), ("operator", 403), ("administrator", 200), ("", 403)])
def test_only_administrators_see_it(browser_of, group, status):
    assert browser_of(group).get("/settings/").status_code == status


def test_stranger_and_read_only_link_do_not_see_it(client, link_browser):
    assert client.get("/settings/").status_code == 302
    assert link_browser[0].get("/settings/").status_code == 403


def test_each_value_says_where_it_comes_from(browser_of, monkeypatch):
    monkeypatch.setenv("DPMP_LOG_LEVEL", "WARNING")
    monkeypatch.delenv("DPMP_LANGUAGE", raising=False)
    ProxySettings(stratum_port=4444).save()
    html = re.sub(r"\s*(<[^>]+>)\s*", r"\1", browser_of("administrator").get("/settings/").content.decode())
    assert '<th scope="row">Miners: port</th><td>4444</td><td><span class="chip ok">admin</span>' in html
    assert '<th scope="row">Log level</th><td>WARNING</td><td><span class="chip warn">environment</span>' in html
    assert '<th scope="row">Pages: port</th><td>8855</td><td><span class="muted">default</span>' in html
    assert all(f"<code>{name}</code>" in html for name in VARIABLES)
    table, fold = html.split("Environment variables that are not set")
    assert "<code>DPMP_LOG_LEVEL</code>" in table and "<code>DPMP_LANGUAGE</code>" in fold


def test_option_of_the_command_line_is_named_with_what_is_saved(browser_of):
    ProxySettings(stratum_port=4444).save()
    store.put(replace(fixtures.rich(), command_line={"stratum_host": "127.0.0.1", "stratum_port": 5555}))
    html = re.sub(r"\s*(<[^>]+>)\s*", r"\1", browser_of("administrator").get("/settings/").content.decode())
    assert '<th scope="row">Miners: port</th><td>5555</td><td><span class="chip warn">command line</span>' in html
    assert "saved for a start without it: 4444" in html


@pytest.mark.parametrize("name", ["DPMP_ADMIN_PASSWORD", "DPMP_DATABASE_URL", "DPMP_REDIS_URL"])
def test_secret_is_not_told(browser_of, monkeypatch, name):
    monkeypatch.setenv(name, "redis://:hunter2@host")
    html = browser_of("administrator").get("/settings/").content.decode()
    assert "hunter2" not in html and "(set)" in html


def test_menu_leads_there_for_administrators_alone(browser_of):
    assert 'href="/settings/"' in browser_of("administrator").get("/records/").content.decode()
    assert 'href="/settings/"' not in browser_of("operator").get("/records/").content.decode()


def test_admin_page_of_the_proxy_leads_there(admin_client):
    assert 'href="/settings/"' in admin_client.get("/admin/proxy/proxysettings/1/change/").content.decode()


@pytest.mark.parametrize("group, told", [("administrator", True), ("operator", False), ("viewer", False)])
def test_a_newer_release_is_told_to_administrators_only(browser_of, pools, group, told):
    snap = fixtures.rich()
    release = Release("4.1.0", "https://x.example/new")
    store.put(replace(snap, extra={**snap.extra, "update": release}))
    browser = browser_of(group)
    pages = ["/", "/settings/"] if told else ["/"]
    for page in pages:
        text = browser.get(page).content.decode()
        assert ("DPMP 4.1.0 is available." in text) is told
        assert ('href="https://x.example/new"' in text) is told
