"""A browser is notified: the account page subscribes it, and the service worker shows what is pushed.

Chromium reaches no push service here, so its subscription is made up; the pushes come through its own DevTools.
"""

import json

import pytest
from playwright.sync_api import expect

from tests.alerts.push_service import Browser
from tests.browser.test_every_page import AXE, STICKS_OUT, VIOLATIONS

pytestmark = pytest.mark.browser
ACTIVE = "() => navigator.serviceWorker.controller && navigator.serviceWorker.controller.state === 'activated'"
STUB = """(keys) => {
    const kept = () => JSON.parse(localStorage.getItem("test_subscription") || "null");
    const made = () => kept() && {
        endpoint: kept().endpoint, toJSON: kept,
        unsubscribe: async () => { localStorage.removeItem("test_subscription"); return true; },
    };
    PushManager.prototype.getSubscription = async () => made();
    PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
        if (!userVisibleOnly || applicationServerKey.length !== 87) throw new Error("not as a browser wants it");
        const endpoint = "https://fcm.googleapis.com/fcm/send/test";
        localStorage.setItem("test_subscription", JSON.stringify({ endpoint, keys }));
        return made();
    };
    Notification.requestPermission = async () => "granted";
    const told = async (title, { body }) => localStorage.setItem("test_told", body);
    ServiceWorkerRegistration.prototype.showNotification = told;
}"""


def test_browser_is_switched_on_and_off_on_the_account_page(visit):
    page, keys = visit("vera", "/help/", installs=True), Browser()
    page.context.add_init_script(f"({STUB})({json.dumps({'p256dh': keys.p256dh, 'auth': keys.auth})})")
    page.goto("/account/")
    card = page.locator("#browsers")
    card.get_by_role("button", name="Notify this browser").click()
    expect(card.get_by_text("this browser", exact=True)).to_be_visible()
    expect(card.get_by_role("button", name="Notify this browser")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('test_told')") == "This browser is notified from now on."
    page.evaluate(AXE)
    assert page.evaluate(VIOLATIONS, {}) == [] and page.evaluate(STICKS_OUT) <= 0
    card.get_by_role("button", name="Remove").click()
    expect(card.get_by_role("button", name="Notify this browser")).to_be_visible()
    assert page.evaluate("localStorage.getItem('test_subscription')") is None
    assert not page.bad, page.bad


def test_browser_that_cannot_says_why(visit):
    page = visit("vera", "/help/", installs=True)
    says = {
        "Object.defineProperty(window, 'isSecureContext', { value: false })": "begins with https",
        "delete window.PushManager": "home screen",
        "Object.defineProperty(Notification, 'permission', { value: 'denied' })": "blocked",
    }
    for script, text in says.items():
        other = page.context.new_page()
        other.add_init_script(script)
        other.goto("/account/")
        expect(other.locator("#browsers [role=status] p:visible")).to_contain_text(text)
        expect(other.get_by_role("button", name="Notify this browser")).to_be_hidden()
        other.close()


def test_push_service_that_cannot_be_reached_is_told_and_the_button_stays(visit):
    page = visit("vera", "/help/", installs=True)
    page.context.add_init_script(f"({STUB})({{}})")
    page.context.add_init_script(
        "PushManager.prototype.subscribe = async () => { throw new Error('push service not available'); }"
    )
    page.goto("/account/")
    button = page.get_by_role("button", name="Notify this browser")
    button.click()
    expect(page.locator("#browsers [data-push=failed]")).to_contain_text("push service not available")
    expect(button).to_be_enabled()


SHOWN = """async (number) => {
    const worker = await navigator.serviceWorker.ready, until = Date.now() + 90_000;
    for (;;) {
        const shown = await worker.getNotifications();
        if (shown.length === number || Date.now() > until)
            return shown.map(({ title, body, tag, data }) => ({ title, body, tag, page: data.page }));
        await new Promise((soon) => setTimeout(soon, 50));
    }
}"""


TAGS_WITH = """async (tag) => {
    const worker = await navigator.serviceWorker.ready, until = Date.now() + 90_000;
    for (;;) {
        const shown = (await worker.getNotifications()).map((one) => one.tag);
        if (shown.includes(tag) || Date.now() > until) return shown;
        await new Promise((soon) => setTimeout(soon, 50));
    }
}"""


def test_worker_shows_what_is_pushed_and_a_press_opens_its_page_here_and_nowhere_else(visit):
    page = visit("vera", "/help/", installs=True)
    page.wait_for_function(ACTIVE)
    origin = page.evaluate("location.origin")
    page.context.grant_permissions(["notifications"], origin=origin)
    devtools = page.context.new_cdp_session(page)
    workers = []
    devtools.on("ServiceWorker.workerRegistrationUpdated", lambda said: workers.extend(said["registrations"]))
    devtools.send("ServiceWorker.enable")
    page.wait_for_function(ACTIVE)
    registration = next(one["registrationId"] for one in workers if one["scopeURL"] == f"{origin}/")

    def push(**said):
        data = said.pop("text", None) or json.dumps(said)
        devtools.send(
            "ServiceWorker.deliverPushMessage", {"origin": origin, "registrationId": registration, "data": data}
        )

    block = {"title": "DPMP: You found a block!", "body": "rig found it", "tag": "t1", "page": "records/"}
    push(**block, level="good")
    assert page.evaluate(SHOWN, 1) == [block]
    push(**block, level="good")  # the same once more replaces itself
    push(text="no JSON at all")
    assert {one["title"] for one in page.evaluate(SHOWN, 2)} == {"DPMP: You found a block!", "DPMP"}

    page.evaluate(
        """async () => {
            const worker = await navigator.serviceWorker.ready;
            (await worker.getNotifications()).forEach((one) => one.close());
            await worker.showNotification("of the page", { tag: "block-00ab", data: { page: "records/", own: true } });
        }"""
    )
    push(**block | {"tag": "block-t2"}, level="good")
    assert page.evaluate(TAGS_WITH, "block-t2") == ["block-t2"], "one message of a block, though the page told it too"

    [worker] = page.context.service_workers
    pressed = """([tag, page]) => new Promise((opened) => {
        const self_ = self, event = new Event("notificationclick");
        event.notification = { close() {}, data: { page } };
        event.waitUntil = (work) => work;
        const before = self_.clients.openWindow;
        self_.clients.openWindow = async (url) => { self_.clients.openWindow = before; opened(url); };
        self_.dispatchEvent(event);
    })"""
    assert worker.evaluate(pressed, ["t1", "records/"]) == f"{origin}/records/"
    for elsewhere in ("https://evil.example.org/", "//evil.example.org/", "javascript:alert(1)", "data:text/html,x"):
        assert worker.evaluate(pressed, ["t1", elsewhere]) == f"{origin}/"
    assert not page.bad, page.bad
