"""Passkeys in a real browser, with an authenticator that Chromium imitates."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.serve import PASSWORD
from tests.browser.test_every_page import AXE, STICKS_OUT, VIOLATIONS
from tests.site.test_second_factors import code_of
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.browser


@pytest.fixture
def at_localhost(chromium, dashboard):
    """A page of a browser whose device has a finger on its sensor; passkeys need a name, and 127.0.0.1 is none."""
    context = chromium.new_context(base_url=dashboard.url.replace("127.0.0.1", "localhost"))
    context.set_default_timeout(PATIENCE_S * 1000)
    page = context.new_page()
    page.bad = []
    page.on("console", lambda said: page.bad.append(said.text) if said.type in ("error", "warning") else None)
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    page.device = devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": options | {"isUserVerified": True, "automaticPresenceSimulation": True}},
    )["authenticatorId"]
    page.devtools = devtools
    yield page
    context.close()


def log_in(page, who="vera"):
    page.goto("/login/")
    page.fill("[name=username]", who)
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")


def test_passkey_is_added_logs_in_alone_and_after_a_password_and_is_removed(at_localhost):
    page = at_localhost
    log_in(page)
    page.goto("/account/second-factor/passkeys/new/")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.fill("[name=name]", "phone")
    page.check("[name=passwordless]")
    page.click("#passkey-add")
    page.wait_for_url("**/codes/")
    page.goto("/account/second-factor/")
    expect(page.locator("dt")).to_have_text("phone")
    look_at(page, "/account/second-factor/")

    page.context.clear_cookies()
    page.goto("/login/?next=/pools/")
    look_at(page, "/login/")
    page.click("#passkey-login")
    page.wait_for_url(re.compile(r":\d+/pools/$"))  # the page of the login has the name in its query

    page.context.clear_cookies()
    log_in(page)
    page.wait_for_url("**/login/second-factor/")
    look_at(page, None)
    page.click("#passkey")
    page.wait_for_url(re.compile(r":\d+/$"))

    page.goto("/account/second-factor/")
    page.click("dd a")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.click("button.danger")
    page.wait_for_url("**/second-factor/")
    expect(page.locator("dt")).to_have_count(0)
    assert not page.bad, page.bad


def test_pages_of_the_app_and_its_codes_can_be_used_by_everybody(at_localhost):
    page = at_localhost
    log_in(page, "ada")
    page.goto("/account/second-factor/app/")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_selector("img.qr")
    look_at(page, "/account/second-factor/app/")
    page.fill("[name=code]", code_of(page.inner_text("#secret")))
    page.click("button.primary")
    page.wait_for_url("**/codes/")
    look_at(page, "/account/second-factor/codes/new/")
    look_at(page, "/account/second-factor/passkeys/new/")
    look_at(page, "/account/second-factor/app/remove/")
    look_at(page, "/account/confirm/code/")
    look_at(page, "/account/second-factor/app/remove/")
    page.click("button.danger")
    page.wait_for_url("**/second-factor/")


def test_page_says_so_when_the_device_refuses(at_localhost):
    page = at_localhost
    page.devtools.send("WebAuthn.setUserVerified", {"authenticatorId": page.device, "isUserVerified": False})
    log_in(page, "otto")
    page.goto("/account/second-factor/passkeys/new/")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.check("[name=passwordless]")
    page.click("#passkey-add")
    expect(page.locator("[data-passkey-failed]")).to_be_visible()


def look_at(page, path):
    """Nothing sticks out on a phone, and axe finds nothing; ``path`` again, for the policy keeps axe from styling."""
    page.set_viewport_size({"width": 360, "height": 900})
    assert page.evaluate(STICKS_OUT) <= 0
    assert not page.bad, page.bad
    page.evaluate(AXE)
    assert page.evaluate(VIOLATIONS, {}) == []
    page.bad.clear()
    if path and "next" not in page.url:
        page.goto(path)
