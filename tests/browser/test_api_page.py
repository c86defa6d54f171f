"""The page about the API: shown from our own files, under our content security policy, and usable with a token."""

import pytest

pytestmark = pytest.mark.browser


def test_the_operations_are_shown_and_tried_with_a_token(visit):
    page = visit("otto", "/account/")
    page.fill("[name=token-label]", "trial")
    page.get_by_role("button", name="Create a token").click()
    secret = page.locator("#new-token").inner_text()
    page.goto("/api/v1/")
    page.locator("#operations-now-fleet").wait_for()
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("input[type=text], input[type=password]").first.fill(secret)
    page.locator(".auth-btn-wrapper button.authorize").click()
    page.locator(".auth-btn-wrapper button.btn-done").click()
    fleet = page.locator("#operations-now-fleet")
    fleet.locator("button").first.click()
    fleet.get_by_role("button", name="Try it out").click()
    fleet.get_by_role("button", name="Execute").click()
    fleet.locator(".live-responses-table .response-col_description .highlight-code").wait_for()
    assert "hashrate_5m" in fleet.locator(".live-responses-table").inner_text()
    assert not page.bad, page.bad
