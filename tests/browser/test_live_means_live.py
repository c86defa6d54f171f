"""Live parts are updated, not replaced: what somebody does on a page outlasts its frames."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAGES = ["/", "/workers/AvalonQ/", "/pools/", "/pools/A/", "/schedule/", "/balance/", "/records/"]
FRAMES = 10
HOLD = """() => {
    const size = (one) => one.textContent.length;
    const all = [...document.querySelectorAll('main .region')];
    const region = all.reduce((one, two) => size(two) > size(one) ? two : one);
    const texts = document.createTreeWalker(region, NodeFilter.SHOW_TEXT);
    const skipped = (one) => one.data.trim().length < 4 || one.parentElement.closest('time, svg, a, .sr, thead');
    let text = texts.nextNode();
    while (skipped(text)) text = texts.nextNode();
    const link = region.querySelector('a, summary');
    window.held = { link, text, node: text.parentElement, frames: 0 };
    if (link) link.focus();
    const at = text.data.search(/\\S/);
    getSelection().setBaseAndExtent(text, at, text, at + 3);
    document.addEventListener('dpmp:live', () => { window.held.frames += 1; });
}"""
HELD = """() => [
    !held.link || document.activeElement === held.link && held.link.isConnected,
    getSelection().toString().length === 3 && getSelection().anchorNode === held.text,
    held.node.isConnected,
]"""


def test_focus_selection_and_what_a_tooltip_hangs_on_outlast_ten_frames_of_each_page(visit, dashboard):
    page = visit("vera", PAGES[0])
    dashboard.show("quick")
    tabs = [page, *(page.context.new_page() for _ in PAGES[1:])]
    for tab, path in zip(tabs, PAGES, strict=True):
        tab.goto(path)
        tab.wait_for_selector('#live-state[data-state="live"]')
        tab.evaluate(HOLD)
    for tab, path in zip(tabs, PAGES, strict=True):
        tab.wait_for_function(f"() => window.held.frames >= {FRAMES}")
        assert tab.evaluate(HELD) == [True, True, True], path
    assert not page.bad, page.bad


def test_open_details_of_a_pool_stay_open_while_its_numbers_change(visit, dashboard):
    page = visit("vera")
    page.wait_for_selector('#live-state[data-state="live"]')
    details = page.locator(".pool.p0 details")
    details.locator("summary").click()
    dashboard.show("down")
    expect(page.locator(".pool.p0 .state.down")).to_be_visible()
    assert details.get_attribute("open") is not None


def test_tab_says_the_hash_rate_and_then_the_alarm(visit, dashboard):
    page = visit("vera", "/schedule/")
    expect(page).to_have_title("88.4 TH/s · Schedule · DPMP")
    dashboard.show("stopped")
    expect(page).to_have_title("⚠ Mining is stopped · Schedule · DPMP")


def test_alarm_of_a_dead_pool_offers_the_test_in_the_page(visit, dashboard):
    page = visit("otto", "/records/")
    dashboard.show("down")
    page.locator("#alarm-A").get_by_role("link", name="Test").click()
    expect(page.locator("#trouble-report .report li").first).to_be_visible()
    assert page.url.endswith("/records/") and not page.bad, page.bad


def test_block_found_is_on_every_open_page_in_its_tab_and_stays_until_it_is_closed(visit, dashboard):
    page = visit("vera", "/help/")
    other = page.context.new_page()
    other.goto("/records/")
    other.wait_for_selector('#live-state[data-state="live"]')
    dashboard.show("block")
    expect(page.locator(".found")).to_contain_text("You found a block! BTC 968,413 by AvalonQ, accepted by Solo CK")
    expect(page).to_have_title("★ Block found! · Help · DPMP")
    assert page.get_attribute("link[rel=icon]", "href").endswith("icon-block.svg")
    expect(other.locator("#blocks-h")).to_be_visible()
    page.get_by_role("button", name="Close the message about blocks").click()
    expect(page.locator(".found")).to_have_count(0)
    assert page.url.endswith("/help/") and not page.bad, page.bad
    other.reload()
    expect(other.locator(".found")).to_have_count(0)


GONE = """() => {
    window.WebSocket = class extends EventTarget {
        constructor() { super(); this.readyState = 3; }
        send() {}
        close() {}
    };
    window.sockets.forEach((one) => one.close());
}"""
KEEP_SOCKETS = """window.sockets = []; window.WebSocket = new Proxy(WebSocket, { construct(kind, given) {
    const made = new kind(...given); window.sockets.push(made); return made; } });"""


def test_page_is_dim_and_says_since_when_while_the_server_is_away_and_comes_back_by_itself(visit):
    page = visit("otto", path="", own=True)
    page.add_init_script(KEEP_SOCKETS)
    page.goto("/")
    page.wait_for_selector('#live-state[data-state="live"]')
    page.route("**/live/poll/**", lambda route: route.abort())
    page.route("**/split/set/", lambda route: route.abort())
    page.evaluate(GONE)
    expect(page.locator("#lost")).to_be_visible()
    assert page.locator("#lost time").inner_text().count(":") == 2
    expect(page.locator("main > :has(.headline)").first).not_to_have_css("opacity", "1")
    page.get_by_role("slider").press("ArrowLeft")
    expect(page.locator("#flash .notice.bad")).to_be_visible()
    page.unroute("**/live/poll/**")
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#flash .notice.bad")).to_have_count(0)
    assert page.evaluate("document.documentElement.hasAttribute('data-lost')") is False
    failed = [line for line in page.bad if line.startswith("htmx:sendError")]
    assert len(failed) == 1, "of the press on the slider, and none of what the page asks by itself"


def test_chart_of_home_tells_the_values_under_the_pointer_and_remembers_its_span(visit):
    page = visit("vera")
    chart = page.locator("[data-chart] canvas")
    expect(chart).to_be_visible()
    day = page.get_by_role("group", name="Span").get_by_role("button", name="24 h")
    day.click()
    page.reload()
    expect(day).to_have_attribute("aria-pressed", "true")
    box = page.locator("[data-chart] .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 40)
    expect(page.locator(".tip")).to_contain_text("Total")
    expect(page.locator(".tip")).to_contain_text("A Solo CK")
    assert not page.bad, page.bad


def test_what_a_pool_was_delivered_is_seen_at_every_width(visit):
    page = visit("vera")
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.locator(".pool.p0 .delivered strong")).to_be_visible()
