"""The configuration pages in a browser: tests from the form, the admin in the dashboard's dress, the guided setup."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_pool_and_alert_are_tested_from_the_form_before_they_are_saved(visit):
    page = visit("ada", "/pools/A/edit/")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#report .report, #report .bad").first).to_be_visible()
    page.goto("/alerts/new/?kind=ntfy")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#report")).to_contain_text("This is needed.")
    page.get_by_label("Topic").fill("rig")
    page.get_by_label("Server").fill("http://127.0.0.1:9")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#report .bad")).not_to_contain_text("This is needed.")
    assert not page.bad, page.bad


def test_admin_wears_the_same_colours_and_pages_and_begins_in_the_first_field(visit):
    page = visit("ada", "/admin/proxy/wallet/1/change/", theme="dark", color_scheme="light")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(page.locator("[name=label]")).to_be_focused()
    page.get_by_role("button", name="Light", exact=True).click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.locator("#header").get_by_role("link", name="Pools").click()
    page.wait_for_url("**/pools/")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert not page.bad, page.bad


def test_viewer_in_the_admin_is_sent_home_with_a_word(visit):
    page = visit("vera", "/admin/proxy/pool/")
    expect(page.locator("#flash")).to_contain_text("for administrators")
    assert page.url.rstrip("/").count("/") == 2
