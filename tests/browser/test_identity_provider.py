"""A login by an identity provider in a real browser: set up, linked, logged in with, under our pages' policy."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import log_in, open_page
from tests.browser.serve import PASSWORD
from tests.browser.test_passkeys import look_at
from tests.support.identity_provider import IdentityProviderServer

pytestmark = pytest.mark.browser

SETTINGS = "/admin/dashboard/identityprovider/1/change/"


@pytest.fixture
def page(chromium, dashboard):
    opened = open_page(chromium, dashboard.url.replace("127.0.0.1", "localhost"), {}, installs=True)
    yield opened
    opened.context.close()


def become(page, who):
    page.context.clear_cookies()
    log_in(page.context.request, who, PASSWORD)


def agree(page, server):
    page.wait_for_url(f"{server.issuer}/**")
    page.fill("[name=sub]", "v-17")
    page.click("button:text-is('Authorize')")


def test_person_links_the_account_and_logs_in_with_it(page):
    with IdentityProviderServer().running() as server:
        become(page, "ada")
        page.goto(SETTINGS)
        page.check("[name=enabled]")
        for name, text in (
            ("name", "Keykeeper"),
            ("issuer", server.issuer),
            ("client_id", "dpmp"),
            ("client_secret", "hush"),
        ):
            page.fill(f"[name={name}]", text)
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.click("[name=_save]")
        try:
            become(page, "vera")
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
            become(page, "ada")
            page.goto(SETTINGS)
            page.uncheck("[name=enabled]")
            page.click("[name=_save]")
            page.wait_for_url("**/identityprovider/1/change/")
