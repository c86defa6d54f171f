"""A block found is told by the browser itself once, and in the configuration as on every page."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
NOTIFIED = """window.Notification = class {
    static permission = "granted";
    constructor(title, options) {
        const told = JSON.parse(localStorage.getItem("test_told") || "[]");
        localStorage.setItem("test_told", JSON.stringify([...told, { title, ...options }]));
    }
};"""
TOLD = """() => JSON.parse(localStorage.getItem("test_told") || "[]")"""


def test_browser_notifies_once_of_each_block_whatever_pages_are_open(visit, dashboard):
    page = visit("vera", path="", own=True)
    page.context.add_init_script(NOTIFIED)
    page.goto("/help/")
    page.wait_for_selector('#live-state[data-state="live"]')
    before = len(page.evaluate(TOLD))
    dashboard.show("block")
    expect(page.locator(".found").first).to_contain_text("You found a block!")
    page.wait_for_function(f"() => ({TOLD})().length > {before}")
    other = page.context.new_page()
    for path in ("/records/", "/"):
        other.goto(path)
        expect(other.locator(".found").first).to_be_visible()
        other.wait_for_selector('#live-state[data-state="live"]')
    told = page.evaluate(TOLD)
    assert len({one["tag"] for one in told}) == len(told), "none twice"
    assert told[-1]["title"] == "Block found!" and "by AvalonQ, accepted by Solo CK" in told[-1]["body"]
    dashboard.show("block")
    page.wait_for_function(f"() => ({TOLD})().length === {len(told) + 1}")
    assert not page.bad, page.bad


OF_A_PHONE = """window.Notification = class {
    static permission = "granted";
    constructor() { throw new TypeError("Illegal constructor. Use ServiceWorkerRegistration.showNotification()"); }
};
ServiceWorkerRegistration.prototype.showNotification = async (title, more) => { window.told = { title, ...more }; };"""


def test_phone_notifies_by_the_service_worker(visit, dashboard):
    page = visit("vera", path="", installs=True)
    page.context.add_init_script(OF_A_PHONE)
    page.goto("/help/")
    page.wait_for_function("() => navigator.serviceWorker.controller")
    page.wait_for_selector('#live-state[data-state="live"]')
    dashboard.show("block")
    page.wait_for_function("() => window.told")
    told = page.evaluate("window.told")
    assert told["title"] == "Block found!" and "by AvalonQ" in told["body"] and told["tag"]
    assert not page.bad, page.bad


def test_page_does_not_tell_what_was_pushed_to_this_browser(visit, dashboard):
    page = visit("vera", path="", installs=True)
    page.context.add_init_script(OF_A_PHONE)
    page.context.add_init_script(
        """ServiceWorkerRegistration.prototype.getNotifications = async () => {
            window.asked = true;
            return [{ tag: "block-f00", data: { page: "records/", at: Date.now() - 60_000 } }];
        };"""
    )
    page.goto("/help/")
    page.wait_for_function("() => navigator.serviceWorker.controller")
    page.wait_for_selector('#live-state[data-state="live"]')
    dashboard.show("block")
    page.wait_for_function("() => window.asked && document.querySelector('.found')")
    assert page.evaluate("async () => { await Promise.resolve(); return window.told }") is None
    assert not page.bad, page.bad


def test_banner_of_a_block_is_in_the_configuration_until_it_is_closed_there(visit, dashboard):
    page = visit("ada", "/admin/")
    dashboard.show("block")
    page.reload()
    expect(page.locator(".found").first).to_contain_text("You found a block!")
    expect(page.locator(".found time").first).to_contain_text("ago")
    expect(page).to_have_title("★ Block found! · Configuration | DPMP")
    page.get_by_role("button", name="Close the message about blocks").click()
    expect(page.locator(".found")).to_have_count(0)
    assert page.url.endswith("/admin/") and not page.bad, page.bad
