"""The week is drawn with the mouse, a finger and the keyboard, and shown before it is saved."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def editor(visit):
    """The editor in Berlin's time, and a clean week after the test."""
    pages = []

    def make(**options):
        page = visit("otto", "/schedule/edit/", timezone_id="Europe/Berlin", **options)
        page.wait_for_selector('#live-state[data-state="live"]')
        pages.append(page)
        return page

    yield make
    for page in pages:
        assert not page.bad, page.bad


def spot(page, hour, day):
    """Where an hour of a day is in the picture, in sight; the first day shown is 0."""
    page.locator("#grid").scroll_into_view_if_needed()
    box = page.locator("#grid").bounding_box()
    return box["x"] + box["width"] * hour / 24, box["y"] + 34 * day + 17


def drag(page, begin, end):
    page.mouse.move(*begin)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_window_is_drawn_shown_saved_moved_and_deleted(editor):
    page = editor()
    expect(page.locator("[name=zone]").first).to_have_value("Europe/Berlin")
    where = page.evaluate("document.getElementById('grid').getBoundingClientRect().top + scrollY")
    drag(page, spot(page, 9.1, 1), spot(page, 11.9, 2))
    form = page.locator("#window")
    expect(form.locator("[name=start]")).to_have_value("09:00")
    expect(form.locator("[name=end]")).to_have_value("12:00")
    expect(form.locator("[name=weekdays]:checked")).to_have_count(2)
    expect(page.locator("#preview")).to_contain_text("not saved yet")
    assert page.evaluate("document.getElementById('grid').getBoundingClientRect().top + scrollY") == where
    form.locator("[name=start]").fill("9pm")
    form.locator("[name=end]").fill("24:00")
    form.locator("[name='part-A']").fill("100")
    form.locator("[name='part-B']").fill("0")
    page.locator("#panel summary").click()
    form.locator("[name=name]").fill("Evening")
    expect(page.locator("#preview")).to_contain_text("Evening")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#flash")).to_contain_text("Saved: Evening")
    blocks = page.locator(".block[aria-label*='Evening']")
    expect(blocks).to_have_count(2)
    drag(page, spot(page, 22.5, 1), spot(page, 20.5, 1))
    expect(form.locator("[name=start]")).to_have_value("19:00")
    expect(form.locator("[name=end]")).to_have_value("22:00")
    expect(page.locator("#steps")).to_contain_text(re.compile(r"\w{3} 19:00"))
    drag(page, spot(page, 21.95, 1), spot(page, 23, 1))
    expect(form.locator("[name=end]")).to_have_value("23:00")
    expect(form.locator("[name=start]")).to_have_value("19:00")
    expect(page.locator("#steps")).to_contain_text(re.compile(r"\w{3} 23:00"))
    blocks.first.focus()
    page.keyboard.press("ArrowRight")
    expect(form.locator("[name=start]")).to_have_value("19:30")
    expect(blocks.first).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#flash")).to_contain_text("Deleted: Evening")
    expect(blocks).to_have_count(0)


def test_keyboard_alone_makes_a_window_and_overlaps_are_named(editor):
    page = editor()
    page.locator("#grid").focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#week-said")).to_contain_text("22:00–23:30")
    page.keyboard.press("Enter")
    expect(page.locator("#window [name=start]")).to_have_value("22:00")
    expect(page.locator("#window [name=end]")).to_have_value("23:30")
    expect(page.locator("#window [name=weekdays]").first).to_be_focused()
    day = page.locator("#window [name=weekdays]:checked")
    for box in day.all():
        box.uncheck()
    page.locator("#window [name=weekdays][value='0']").check()
    expect(page.locator("#preview")).to_contain_text("wins over Night")
    page.keyboard.press("Escape")
    expect(page.locator("#window")).to_have_count(0)
    expect(page.locator("#preview")).not_to_contain_text("not saved yet")


def test_finger_draws_sideways_and_scrolls_up_and_down(editor):
    page = editor(width=360, has_touch=True, is_mobile=True)
    page.locator("#grid").scroll_into_view_if_needed()
    session = page.context.new_cdp_session(page)

    def swipe(begin, end):
        at = {"x": begin[0], "y": begin[1]}
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        for part in range(1, 9):
            at = {"x": begin[0] + (end[0] - begin[0]) * part / 8, "y": begin[1] + (end[1] - begin[1]) * part / 8}
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    top = page.evaluate("scrollY")
    x, y = spot(page, 12, 5)
    swipe((x, y), (x, y - 120))
    page.wait_for_function(f"() => scrollY > {top}")
    expect(page.locator("#window")).to_have_count(0)
    swipe(spot(page, 10, 4), spot(page, 15, 4))
    expect(page.locator("#window [name=weekdays]:checked")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_week_is_edited_without_scripts(visit):
    page = visit("otto", "/schedule/edit/", java_script_enabled=False)
    page.get_by_role("link", name="Night", exact=True).click()
    assert page.locator("#window [name=start]").input_value() == "22:00"
    page.locator("#window [name='part-A']").fill("0")
    page.locator("#window [name='part-B']").fill("0")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#panel")).to_contain_text("At least one pool must get work.")


def test_answer_to_a_form_that_has_gone_is_not_shown(editor):
    page = editor()
    held = []
    page.route("**/schedule/edit/preview/", lambda route: held.append(route))
    page.evaluate("document.addEventListener('htmx:beforeSwap', (event) => { window.came = event; })")
    with page.expect_request("**/schedule/edit/preview/"):
        page.locator(".presets").get_by_role("link", name="Night").click()
    page.locator("#window [name=start]").press("Escape")
    expect(page.locator("#window")).to_have_count(0)
    held[0].continue_()
    page.wait_for_function("() => window.came && window.came.detail.xhr.responseURL.endsWith('/preview/')")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(page.locator("#preview")).not_to_contain_text("not saved yet")
