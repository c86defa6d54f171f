"""Live frames move nothing: what somebody looks at, or is about to press, stays where it is."""

from itertools import pairwise

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAGES = ["/", "/workers/", "/workers/AvalonQ/", "/pools/", "/pools/A/", "/balance/", "/records/"]
FRAMES = 5
"""How many a page is watched for at each width."""
STILL = 0.02
"""Sum of a page's layout shifts; 0.1 is called good of a whole visit (web.dev, Cumulative Layout Shift)."""
WATCH = """() => {
    window.frames_seen = 0; window.seconds_seen = 0; window.shifts = [];
    setInterval(() => { window.seconds_seen += 1; }, 1000);  // as often as the page's times change
    document.addEventListener('dpmp:live', () => { window.frames_seen += 1; });
    const name = (one) => one && (one.id || one.className || one.nodeName);
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts.push([entry.value,
        entry.sources.slice(0, 3).map((one) => `${name(one.node)} in ${name(one.node && one.node.parentElement)}`
            + ` ${Math.round(one.previousRect.y)} to ${Math.round(one.currentRect.y)},`
            + ` ${Math.round(one.previousRect.x)} to ${Math.round(one.currentRect.x)}`).join('; ')])))
        .observe({ type: 'layout-shift' });
}"""

DRAWN = """() => [...document.querySelectorAll('[data-chart]')].every((one) => one.querySelector('canvas'))"""


def test_no_page_moves_under_the_reader_while_its_numbers_change(visit, dashboard):
    page = visit("otto", path="")
    dashboard.show("quick")
    dashboard.show("lively")
    wrong = []
    for path in PAGES:
        page.goto(path)
        page.wait_for_selector('#live-state[data-state="live"]')
        page.wait_for_function(DRAWN)  # a chart's legend takes its place when its data has come
        page.evaluate(WATCH)
        for width in (1440, 360):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("() => { frames_seen = 0; }")
            page.wait_for_function("() => window.frames_seen >= 2")  # the other width is another layout, on purpose
            page.evaluate("() => { frames_seen = 0; seconds_seen = 0; shifts = []; }")
            page.wait_for_function(f"() => window.frames_seen >= {FRAMES} && window.seconds_seen >= 1")
            moved = page.evaluate("() => window.shifts")
            if sum(value for value, _ in moved) >= STILL:
                wrong.append(f"{path} at {width}: {sum(value for value, _ in moved):.3f}, {max(moved)}")
    assert not wrong, "\n".join(wrong)
    assert not page.bad, page.bad


SHIFTED = """() => window.shifts.reduce((sum, [value]) => sum + value, 0)"""


@pytest.mark.parametrize(("path", "width"), [("/workers/", 1440), ("/schedule/", 360)])
def test_notices_that_come_and_go_push_nothing(visit, dashboard, path, width):
    page = visit("otto", path, width=width)
    page.wait_for_selector('#live-state[data-state="live"]')
    page.evaluate(WATCH)
    dashboard.show("down")
    alarm = page.locator("#alarm-A")
    expect(alarm).to_be_in_viewport(ratio=1)
    dashboard.show("block")
    expect(page.locator(".found").first).to_be_in_viewport(ratio=1)
    page.evaluate("document.dispatchEvent(new CustomEvent('dpmp:state', { detail: 'lost' }))")
    expect(page.locator("#lost")).to_be_in_viewport(ratio=1)
    boxes = [page.locator(one).first.bounding_box() for one in ("#alarm-A", ".found", "#lost")]
    boxes.sort(key=lambda box: box["y"])
    for upper, lower in pairwise(boxes):
        assert upper["y"] + upper["height"] < lower["y"], "one above the other"
    page.evaluate("document.dispatchEvent(new CustomEvent('dpmp:state', { detail: 'live' }))")
    dashboard.show("rich")
    expect(alarm).to_have_count(0)
    assert page.evaluate(SHIFTED) < STILL, page.evaluate("() => window.shifts")
    page.get_by_role("button", name="Close the message about blocks").click()
    expect(page.locator(".found")).to_have_count(0)
    assert not page.bad, page.bad


def test_alarm_that_the_page_came_with_stays_struck_through_when_it_is_over(visit, dashboard):
    page = visit("otto", "/workers/")
    dashboard.show("down")
    page.reload()
    page.wait_for_selector('#live-state[data-state="live"]')
    alarm = page.locator("#alarm-A")
    assert alarm.get_attribute("data-late") is None
    page.evaluate(WATCH)
    dashboard.show("rich")
    expect(alarm).to_have_attribute("data-over", "")
    page.wait_for_function("() => window.frames_seen >= 4")
    assert page.evaluate(SHIFTED) < STILL, page.evaluate("() => window.shifts")
    dashboard.show("down")
    expect(alarm).not_to_have_attribute("data-over", "")
    dashboard.show("rich")
    page.reload()
    expect(alarm).to_have_count(0)


def test_report_of_a_test_lies_over_the_page_and_can_be_closed(visit, dashboard):
    page = visit("otto", "/schedule/")
    page.wait_for_selector('#live-state[data-state="live"]')
    dashboard.show("down")
    page.locator("#alarm-A").get_by_role("link", name="Test").click()
    report = page.locator("#trouble-report .card")
    expect(report).to_be_in_viewport(ratio=1)
    report.get_by_role("button", name="Close").click()
    expect(report).to_have_count(0)
    assert page.url.endswith("/schedule/") and not page.bad, page.bad
