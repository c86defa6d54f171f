"""An installed page: the browser keeps a notice for while the server is away, and nothing else."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_every_page import AXE, STICKS_OUT, VIOLATIONS

pytestmark = pytest.mark.browser
KEPT = """async () => {
    const kept = [];
    for (const name of await caches.keys())
        for (const { url } of await (await caches.open(name)).keys()) kept.push(new URL(url).pathname);
    return kept.sort();
}"""
CONTROLLED = "() => navigator.serviceWorker.controller && navigator.serviceWorker.controller.state === 'activated'"


def faults(page):
    """What went wrong but for requests that found no network."""
    return [line for line in page.bad if "net::ERR_" not in line and "htmx:" not in line]


def test_notice_stands_where_a_page_cannot_be_loaded_and_goes_when_the_server_is_back(visit):
    page = visit("ada", "/", width=390, installs=True, locale="es")
    page.wait_for_function(CONTROLLED)
    page.goto("/records/")  # through the worker
    page.wait_for_selector('#live-state[data-state="live"]')
    assert not page.bad, page.bad
    needed = ("dashboard.css", "here.js", "offline.js")
    notice_alone = ["/offline/", *(f"/static/dashboard/{name}" for name in needed)]
    assert page.evaluate(KEPT) == notice_alone

    page.context.set_offline(True)
    page.goto("/pools/")
    heading = page.get_by_role("heading")
    expect(heading).to_have_text("No se puede llegar al servidor")
    assert page.title() == "No se puede llegar al servidor · DPMP"
    expect(page.get_by_role("link", name="Reintentar")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 24)"
    page.evaluate(AXE)
    assert page.evaluate(VIOLATIONS, {}) == []
    assert page.evaluate(STICKS_OUT) <= 0
    assert not faults(page), page.bad

    page.context.set_offline(False)
    page.wait_for_selector('#live-state[data-state="live"]')  # by itself
    assert page.url.endswith("/pools/")
    assert page.evaluate(KEPT) == notice_alone
    assert not faults(page), page.bad


def test_data_of_a_page_is_never_answered_by_the_notice(visit):
    page = visit("vera", "/", installs=True)
    page.wait_for_function(CONTROLLED)
    page.context.set_offline(True)
    for path in ("/live/poll/", "/api/v1/", "/workers.csv"):
        assert page.evaluate("(path) => fetch(path).then(() => 'answered', () => 'failed')", path) == "failed"
    page.context.set_offline(False)
    assert page.evaluate("fetch('/live/poll/').then((answer) => answer.status)") == 200


def test_frame_of_an_installed_page_has_the_colour_of_the_page(visit):
    page = visit("vera", "/", theme="light")
    colours = "[...document.querySelectorAll('meta[name=theme-color]')].map((one) => one.content)"
    assert page.evaluate(colours) == ["#f4f6f8", "#f4f6f8"]
    page.locator(".menu > summary").click()
    page.locator("[data-theme-switch] button[value=dark]").click()
    assert page.evaluate(colours) == ["#101418", "#101418"]
