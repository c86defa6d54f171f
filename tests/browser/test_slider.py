"""The slider under a thumb, and the way back from what it did."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_swipe_up_over_the_slider_scrolls_the_page_and_moves_nothing(visit):
    page = visit("otto", width=360, has_touch=True, is_mobile=True)
    page.wait_for_selector('#live-state[data-state="live"]')
    slider = page.get_by_role("slider")
    slider.scroll_into_view_if_needed()
    before, top = slider.input_value(), page.evaluate("scrollY")
    box = slider.bounding_box()
    session = page.context.new_cdp_session(page)
    x, y = box["x"] + 15, box["y"] + box["height"] / 2
    points = [(x + step, y - 20 * step) for step in range(8)]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for one, two in points[1:]:
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": one, "y": two}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"() => scrollY > {top}")
    page.wait_for_timeout(600)  # longer than the slider waits before it sends
    assert slider.input_value() == before
    expect(page.locator("#slider-state")).to_have_text("")


def test_change_can_be_undone_and_keeping_it_acts_at_once(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    slider = page.get_by_role("slider")
    before = slider.input_value()
    slider.press("ArrowLeft")
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(slider).to_have_value(before)
    page.select_option("#until", "4")
    expect(page.locator("#live-split")).to_contain_text("until")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#live-split .chip", has_text="until")).to_have_count(0)
    page.get_by_role("button", name="Reset to schedule").click()
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    assert not page.bad, page.bad


def test_what_the_proxy_has_not_taken_over_yet_is_not_called_applied(visit, dashboard):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    said = page.locator("#slider-state")
    page.get_by_role("switch", name="Auto-balance").click()
    expect(said).to_contain_text("Applied.")
    dashboard.show("hold")
    page.get_by_role("button", name="Reset to schedule").click()
    expect(said).to_contain_text("Back to the schedule.")
    for _ in range(2):
        page.evaluate("() => new Promise((heard) => document.addEventListener('dpmp:live', heard, {once: true}))")
    expect(said).to_contain_text("Waiting for the proxy")
    dashboard.show("go on")
    expect(said).to_contain_text("Applied.")
