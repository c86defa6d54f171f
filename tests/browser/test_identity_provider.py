"""A login by an identity provider in a real browser: set up, linked, logged in with, under our pages' policy."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.serve import PASSWORD
from tests.browser.test_passkeys import look_at
from tests.support.identity_provider import IdentityProviderServer
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.browser

SETTINGS = "/admin/dashboard/identityprovider/1/change/"


@pytest.fixture
def page(chromium, dashboard):
    context = chromium.new_context(base_url=dashboard.url.replace("127.0.0.1", "localhost"))
    context.set_default_timeout(PATIENCE_S * 1000)
    opened = context.new_page()
    opened.bad = []
    opened.on("console", lambda said: opened.bad.append(said.text) if said.type in ("error", "warning") else None)
    yield opened
    context.close()


def log_in(page, who):
    page.context.clear_cookies()
    page.goto("/login/")
    page.fill("[name=username]", who)
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(re.compile(r":\d+/$"))


def agree(page, server):
    page.wait_for_url(f"{server.issuer}/**")
    page.fill("[name=sub]", "v-17")
    page.click("button:text-is('Authorize')")


def test_person_links_the_account_and_logs_in_with_it(page):
    with IdentityProviderServer().running() as server:
        log_in(page, "ada")
        page.goto(SETTINGS)
        page.check("[name=enabled]")
        for name, text in (
            ("name", "Keykeeper"),
            ("issuer", server.issuer),
            ("client_id", "dpmp"),
            ("client_secret", "hush"),
        ):
            page.fill(f"[name={name}]", text)
        page.click("[name=_save]")
        try:
            log_in(page, "vera")
            page.goto("/account/")
            page.click("[action$='/provider/link/'] button")
            page.fill("[name=password]", PASSWORD)
            page.click("button.primary")
            agree(page, server)
            page.wait_for_url("**/account/")
            expect(page.locator("[aria-labelledby=provider-h] dt")).to_have_text("v-17")
            page.bad.clear()  # what the provider's page said
            page.goto("/account/")
            look_at(page, "/account/")

            page.context.clear_cookies()
            page.goto("/login/?next=/pools/")
            look_at(page, "/login/?next=/pools/")
            page.click("[action='/login/provider/'] button")
            agree(page, server)
            page.wait_for_url(re.compile(r":\d+/pools/$"))
        finally:
            log_in(page, "ada")
            page.goto(SETTINGS)
            page.uncheck("[name=enabled]")
            page.click("[name=_save]")
            page.wait_for_url("**/identityprovider/1/change/")
