"""The pages follow the proxy by WebSocket, or by polling where that is blocked; the slider moves the split."""

import os
import time

import pytest
from playwright.sync_api import expect

from tests.support.patience import ProcessorWait

pytestmark = pytest.mark.browser


def test_killed_pool_changes_its_card_within_two_seconds_without_a_reload(visit, dashboard):
    page = visit("vera")
    page.wait_for_selector('#live-state[data-state="live"]')
    page.evaluate("() => { window.same = true; }")
    for snapshot, state in (("down", "down"), ("rich", "up")):
        began, waited = time.monotonic(), ProcessorWait(os.getpid())
        dashboard.show(snapshot)
        expect(page.locator(f".pool.p0 .state.{state}")).to_be_visible()
        assert time.monotonic() - began - waited.look() < 2
        if state == "down":
            expect(page.locator("#live-alarms .notice.bad")).to_contain_text("Solo CK is down")
    assert page.evaluate("() => window.same")


def test_polling_stands_in_where_websockets_are_blocked(visit, dashboard):
    page = visit("vera", path="", own=True)
    page.add_init_script("""window.WebSocket = class extends EventTarget {
        constructor() { super(); this.readyState = 3; setTimeout(() => {
            const closed = new CloseEvent("close", {code: 1006});
            this.onclose && this.onclose(closed); this.dispatchEvent(closed); }, 10); }
        send() {} close() {} }; window.WebSocket.OPEN = 1;""")
    page.goto("/")
    expect(page.locator('#live-state[data-state="polling"]')).to_be_visible()
    dashboard.show("down")
    expect(page.locator(".pool.p0 .state.down")).to_be_visible()
    assert page.locator("#slider").count() == 0


def test_page_without_scripts_shows_everything(visit):
    page = visit(java_script_enabled=False)
    page.goto("/login/")
    page.fill("[name=username]", "otto")
    page.fill("[name=password]", "a long pass phrase")
    page.click("button.primary")
    expect(page.locator(".pool.p0")).to_contain_text("Solo CK")
    page.evaluate("1")
    page.locator("noscript button, #slider button.primary").first.click()
    expect(page.locator("#flash")).to_contain_text("Set to")


def test_slider_moves_by_one_with_keys_and_says_when_the_proxy_applied_it(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    slider = page.get_by_role("slider")
    slider.focus()
    before = int(slider.input_value())
    page.keyboard.press("ArrowLeft")
    assert int(slider.input_value()) == before - 1
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    expect(page.locator("#live-split")).to_contain_text(f"{before - 1} : {100 - before + 1}")
    expect(page.locator("#applied")).to_contain_text("in about")


def test_slider_moves_by_five_when_it_is_dragged_and_other_viewers_see_it(visit):
    page, other = visit("otto"), visit("vera")
    other.wait_for_selector('#live-state[data-state="live"]')
    page.wait_for_selector('#live-state[data-state="live"]')
    box = page.get_by_role("slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.333, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert int(page.get_by_role("slider").input_value()) % 5 == 0
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    value = int(page.get_by_role("slider").input_value())
    expect(other.locator("#live-split")).to_contain_text(f"{value} : {100 - value}")


def test_auto_balance_and_reset_switch_and_say_so(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    page.get_by_role("switch", name="Auto-balance").click()
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    expect(page.locator("#auto-balance")).to_have_attribute("aria-checked", "true")
    expect(page.locator("#live-split")).to_contain_text("Auto-balance, switched on by otto")
    page.get_by_role("switch", name="Auto-balance").click()
    expect(page.locator("#auto-balance")).to_have_attribute("aria-checked", "false")


def test_refusal_is_told_in_the_page(visit):
    page = visit("otto")
    page.route("**/split/set/", lambda route: route.abort())
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#flash .notice.bad")).to_be_visible()
    expect(page.locator("#slider-state")).to_have_text("")
    expect(page.get_by_role("slider")).to_have_value("70")
    page.unroute("**/split/set/")
    page.get_by_role("slider").press("ArrowRight")
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    expect(page.locator("#flash .notice.bad")).to_have_count(0)
    reset(page)


def test_keys_move_the_slider_to_its_ends_and_say_where_it_is(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    slider = page.get_by_role("slider")
    slider.focus()
    for key, value in (("End", 100), ("ArrowLeft", 99), ("Home", 0), ("ArrowUp", 1)):
        page.keyboard.press(key)
        expect(slider).to_have_value(str(value))
        expect(slider).to_have_attribute("aria-valuetext", f"A {value} %, B {100 - value} %")
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    reset(page)


def reset(page):
    """Press it; the line says "Applied." of what went before until the answer is there."""
    with page.expect_response("**/split/reset/"):
        page.get_by_role("button", name="Reset to schedule").click()
    expect(page.locator("#applied")).to_have_attribute("data-source", "schedule")
    expect(page.locator("#slider-state")).to_contain_text("Applied.")


def test_button_is_the_last_word_after_a_move_that_was_not_sent_yet(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/split/" in request.url else None)
    with page.expect_response("**/split/reset/"):
        page.evaluate(f"() => {{ {MOVE} document.querySelector('#slider [formaction]').click(); }}")
    page.wait_for_timeout(300)  # a move is sent 250 ms after the last change
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    assert len(sent) == 1


def test_move_after_a_button_is_a_move_also_where_the_button_keeps_the_focus(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    reset(page)
    with page.expect_request("**/split/*/") as asked:
        page.evaluate(f"() => {{ {MOVE} }}")
    assert asked.value.url.endswith("/split/set/")
    expect(page.locator("#live-split")).to_contain_text("12 : 88")


def test_frame_that_comes_before_a_move_is_sent_does_not_take_the_handle_back(visit):
    page = visit("otto")
    page.wait_for_selector('#live-state[data-state="live"]')
    with page.expect_request("**/split/set/") as asked:
        page.evaluate(f"() => {{ {MOVE} document.dispatchEvent(new CustomEvent('dpmp:live')); }}")
    assert "=12" in asked.value.post_data, asked.value.post_data
    reset(page)


MOVE = """
    const range = document.querySelector("#slider input[type=range]");
    range.value = "12";
    range.dispatchEvent(new Event("change"));
"""


def test_wait_for_a_proxy_that_does_not_answer_is_told(visit):
    page = visit("otto", path="", own=True)
    page.clock.install()
    page.route_web_socket("**/live/**", lambda socket: None)
    page.route("**/live/poll/**", lambda route: route.fulfill(body=""))
    page.goto("/")
    page.get_by_role("slider").press("ArrowRight")
    with page.expect_response("**/split/set/"):
        page.clock.run_for(1000)
    with page.expect_request("**/live/poll/**"):
        page.clock.run_for(5000)
    page.clock.run_for(5000)
    expect(page.locator("#slider-state")).to_contain_text("the proxy has not confirmed it yet")


def test_socket_that_says_nothing_any_more_is_replaced(visit):
    page, sockets, muted = visit("vera", path="", own=True), [], []

    def pass_on(socket):
        server = socket.connect_to_server()
        sockets.append(socket)
        server.on_message(lambda message: None if socket in muted else socket.send(message))

    page.route_web_socket("**/live/**", pass_on)
    page.goto("/")
    page.wait_for_selector('#live-state[data-state="live"]')
    muted += sockets
    page.evaluate("() => { const now = Date.now; Date.now = () => now() + 20000; }")
    page.wait_for_function("before => document.getElementById('live-beat').value > before + 3", arg=beat(page))
    assert len(sockets) == 2
    expect(page.locator('#live-state[data-state="live"]')).to_be_visible()


def test_late_answer_to_a_poll_does_not_bring_back_what_was(visit):
    page, asked = visit("vera", path=""), []
    page.route("**/live/poll/**", lambda route: asked.append(route))
    page.goto("/")
    page.wait_for_selector('#live-state[data-state="live"]')
    asked.clear()
    with page.expect_request("**/live/poll/**"):
        page.evaluate("() => document.dispatchEvent(new CustomEvent('dpmp:ask'))")
    page.wait_for_function("before => document.getElementById('live-beat').value > before + 1", arg=beat(page))
    with page.expect_response("**/live/poll/**"):
        asked[0].fulfill(body='<div id="flash" hx-swap-oob="innerHTML"><p>old</p></div>')
    page.wait_for_function("before => document.getElementById('live-beat').value > before + 1", arg=beat(page))
    expect(page.locator("#flash")).not_to_contain_text("old")
    expect(page.locator('#live-state[data-state="live"]')).to_be_visible()


def beat(page):
    """The revision that the page shows."""
    return page.evaluate("() => Number(document.getElementById('live-beat').value)")


def test_schedule_follows_an_edit_without_a_reload(visit):
    page, ada = visit("vera", "/schedule/"), visit("ada", "/admin/proxy/schedule/2/change/")
    page.wait_for_selector('#live-state[data-state="live"]')
    page.evaluate("() => { window.same = true; }")
    for name in ("Small hours", "Night"):
        ada.fill("[name=name]", name)
        ada.locator("[name=_continue]").first.click()
        expect(page.get_by_role("table")).to_contain_text(name)
    assert page.evaluate("() => window.same") and not page.bad, page.bad


def test_relative_times_do_not_round_up_to_yesterday(visit):
    page = visit("vera", "/workers/AvalonQ/")
    page.wait_for_selector('#live-state[data-state="live"]')
    connected = page.locator('section[aria-labelledby="conn-h"] time').first
    expect(connected).to_have_text("1 day ago")
    assert connected.get_attribute("title")


def test_table_sorts_filters_and_stays_so_while_it_is_live(visit):
    page = visit("vera", "/workers/")
    page.wait_for_selector('#live-state[data-state="live"]')
    page.get_by_role("link", name="Worker", exact=True).click()
    expect(page.locator("tbody tr").nth(1)).to_contain_text("BitAxe1")
    page.fill("#q", "nano")
    expect(page.locator("tbody tr")).to_have_count(1)
    for _frame in range(3):
        page.evaluate("() => new Promise((heard) => document.addEventListener('dpmp:live', heard, {once: true}))")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Worker")
    assert not page.bad, page.bad


def test_chart_draws_and_another_span_is_fetched(visit):
    page = visit("vera", "/workers/AvalonQ/")
    expect(page.locator("canvas")).to_be_visible()
    with page.expect_response("**/charts/worker/AvalonQ/?span=7d"):
        page.get_by_role("button", name="7 d").click()
    expect(page.locator("canvas")).to_be_visible()
    assert not page.bad, page.bad


def test_theme_switches_without_a_reload_and_stays(visit):
    page = visit("vera", theme="dark")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Light").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_read_only_link_is_live_and_ends_when_it_is_revoked(visit, chromium, dashboard):
    ada = visit("ada", "/people/")
    ada.fill("[name=link-label]", "wall screen")
    ada.get_by_role("button", name="Create a link").click()
    address = ada.locator("#new-link").inner_text()
    wall = visit()
    wall.goto(address)
    wall.wait_for_selector('#live-state[data-state="live"]')
    assert wall.locator("#slider").count() == 0 and wall.get_by_role("link", name="Logs").count() == 0
    ada.goto("/people/")
    ada.get_by_role("button", name="Revoke").first.click()
    wall.wait_for_url("**/login/**")


def test_logging_out_elsewhere_darkens_the_open_page(visit):
    page = visit("vera", alone=True)
    page.wait_for_selector('#live-state[data-state="live"]')
    other = page.context.new_page()
    other.goto("/help/")
    other.locator(".menu summary").click()
    other.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/**")
