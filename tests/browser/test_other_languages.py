"""A page in German: it stays German while the proxy goes on, and its longer words have room on a phone."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAGES = ("/", "/workers/", "/fleet/", "/pools/A/", "/schedule/edit/", "/balance/", "/records/", "/people/", "/mqtt/")
CUT = """() => {
    const wide = (one) => one.scrollWidth > one.clientWidth + 1;
    const found = [...document.querySelectorAll("button, a.button, .menu > summary, main .scroll")]
        .filter((one) => one.offsetParent && !one.closest(".chart") && wide(one));
    if (wide(document.documentElement)) found.push(document.documentElement);
    return found.map((one) => one.outerHTML.slice(0, 120));
}"""
"""What is wider than its place: a button's word, a table, the page itself."""


def test_german_page_stays_german_while_the_proxy_goes_on(visit, dashboard):
    page = visit("vera", locale="de-DE")
    page.wait_for_selector('#live-state[data-state="live"]')
    page.evaluate("() => { window.same = true; }")
    dashboard.show("down")
    expect(page.locator("#live-alarms .notice.bad")).to_contain_text("Solo CK ist ausgefallen")
    expect(page.locator(".pool.p0 .state.down")).to_have_text("ausgefallen")
    dashboard.show("rich")
    expect(page.locator(".pool.p0 .state.up")).to_have_text("läuft")
    expect(page.locator("#live-headline")).to_contain_text("88,4")
    assert page.evaluate("() => window.same")
    assert not page.bad, page.bad


def test_no_german_word_is_cut_on_a_phone(visit):
    page = visit("ada", path="", width=360, locale="de")
    wrong = []
    for path in PAGES:
        page.goto(path)
        page.wait_for_selector('#live-state[data-state="live"]')
        wrong += [f"{path} {found}" for found in page.evaluate(CUT)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", ["de", "es"])
def test_no_column_of_the_workers_is_out_of_sight_in_another_language(visit, language):
    page = visit("vera", "/workers/", width=1440, locale=language)
    table = "document.querySelector('#workers .scroll')"
    assert page.evaluate(f"{table}.scrollWidth - {table}.clientWidth") <= 0
