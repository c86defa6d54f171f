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


def test_term_explains_itself_with_keys_and_at_a_touch(visit):
    page = visit("vera", "/pools/A/")
    term, tip = page.get_by_role("button", name="p99"), page.locator("#term-tip")
    page.wait_for_selector('#live-state[data-state="live"]')
    term.focus()
    expect(tip).to_have_text("99 of 100 answers came faster.")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    phone = visit("vera", "/pools/A/", width=360, has_touch=True)
    phone.get_by_role("button", name="p99").tap()
    expect(phone.locator("#term-tip")).to_be_visible()
    assert phone.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert not page.bad and not phone.bad, (page.bad, phone.bad)


def test_cell_of_a_table_explains_itself_at_a_touch_where_its_head_is_left_out(visit):
    phone = visit("vera", "/pools/", width=360, has_touch=True)
    phone.locator('tbody [data-label="Latency"]').first.tap()
    expect(phone.locator("#term-tip")).to_contain_text("Time from sending a share to the pool's answer.")
    phone.locator("h1").tap()
    expect(phone.locator("#term-tip")).to_be_hidden()
    assert not phone.bad, phone.bad


def test_worker_s_page_draws_its_day_and_turns_to_latency(visit):
    page = visit("vera", "/workers/AvalonQ/")
    expect(page.locator(".strip rect.mixed, .strip rect.pool").first).to_be_visible()
    with page.expect_response("**/charts/worker/AvalonQ/?span=1h&what=difficulty"):
        page.get_by_role("group", name="What is drawn").get_by_role("button", name="Difficulty").click()
    expect(page.locator("canvas")).to_be_visible()
    assert not page.bad, page.bad
