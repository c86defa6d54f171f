"""The workers' table under a hand: rows stay chosen while it is live, and a phone can order it."""

import re

from playwright.sync_api import expect


def test_chosen_rows_stay_chosen_through_frames_and_are_pinned_at_once(visit):
    page = visit("otto", "/workers/")
    page.wait_for_selector('#live-state[data-state="live"]')
    bar = page.locator("#pin-many")
    expect(bar).to_be_hidden()
    page.get_by_label("Choose Nano3S").check()
    page.get_by_label("Choose BitAxe2").focus()
    page.keyboard.press("Space")
    for _frame in range(2):
        with page.expect_response(re.compile(r"/workers/\?")):
            pass
    expect(page.get_by_label("Choose Nano3S")).to_be_checked()
    expect(bar).to_contain_text("2 chosen")
    bar.get_by_label("Pin to").select_option("B")
    bar.get_by_role("button", name="Apply").click()
    expect(page.locator("#flash")).to_contain_text("2 workers are pinned to")
    page.get_by_label("Choose all").check()
    bar.get_by_label("Pin to").select_option("")
    bar.get_by_role("button", name="Apply").click()
    expect(page.locator("#flash")).to_contain_text("4 workers are no longer pinned")
    assert not page.bad, page.bad


def test_phone_orders_the_table_and_chooses_its_columns(visit):
    page = visit("vera", "/workers/", width=360)
    page.get_by_label("Sort by").select_option("name")
    expect(page.locator("tbody tr").first).to_contain_text("AvalonQ")
    expect(page).to_have_url(re.compile("sort=name"))
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="Rejected").uncheck()
    page.locator(".columns").get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr").first).to_contain_text("AvalonQ")
    expect(page.locator('#workers [data-label="Rejected"]')).to_have_count(0)
    assert not page.bad, page.bad
