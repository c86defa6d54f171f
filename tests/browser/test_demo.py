"""A running ``runproxy --demo`` from outside: real snapshots on the pages, and a slider that moves real work."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import open_page
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
pytestmark = [pytest.mark.browser, pytest.mark.e2e]
ROOT = Path(__file__).resolve().parents[2]
START_S = 240
SHOTS = os.environ.get("DPMP_TEST_SCREENSHOTS")
"""A directory for the pictures of the README; without it they are made to be looked at by this test alone."""
PICTURES_AFTER_S = 360
"""How long the demonstration works before its pictures are taken."""
PICTURES = {
    "home-dark": ("/", "dark", 1280, 1040),
    "home-light-phone": ("/", "light", 390, 1300),
    "schedule-dark": ("/schedule/", "dark", 1280, 960),
    "pools-dark": ("/pools/A/", "dark", 1280, 860),
    "week-editor-dark": ("/schedule/edit/", "dark", 1280, 900),
    "workers-dark": ("/workers/", "dark", 1280, 480),
    "fleet-dark": ("/fleet/", "dark", 1280, 480),
    "admin-pool": ("/admin/proxy/pool/1/change/", "dark", 1280, 900),
}
"""Name -> address, theme, width and height."""


@pytest.fixture(scope="module")
def demo():
    """The address of a demonstration, and its administrator's password."""
    ports = [steady_port() for _ in range(3)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    process = subprocess.Popen(
        [
            sys.executable,
            "manage.py",
            "runproxy",
            "--demo",
            *(
                part
                for name, port in zip(("--listen", "--web", "--metrics"), ports, strict=True)
                for part in (name, f"127.0.0.1:{port}")
            ),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    timer = threading.Timer(START_S, process.kill)
    timer.start()
    password = ""
    for line in process.stdout:
        found = re.search(rb"Password: (\S+)", line)
        password = found.group(1).decode() if found else password
        if b"miner_ready_for_jobs" in line:
            break
    timer.cancel()
    assert process.poll() is None, "the demonstration did not start"
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    drain.start()
    yield f"http://127.0.0.1:{ports[1]}", password, time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENCE_S)
    drain.join(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def opened(chromium, demo):
    """The administrator's page."""
    address, password, _began = demo
    page = open_page(chromium, address, {})
    page.goto("/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.click("button.primary")
    page.wait_for_url("**/", wait_until="commit")
    yield page
    page.context.close()


@pytest.fixture
def page(opened):
    """That page at Home; the test fails when anything complains."""
    opened.set_viewport_size({"width": 1440, "height": 900})
    opened.goto("/")
    opened.wait_for_selector('#live-state[data-state="live"]')
    yield opened
    assert not opened.bad, opened.bad


def test_slider_moves_the_split_of_a_running_proxy(page):
    expect(page.locator("#live-fleet tbody tr").first).to_be_visible()
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    expect(page.locator("#live-split")).to_contain_text("slider")
    expect(page.locator(".pool.p0 dl").first).to_contain_text("0 miners")
    page.get_by_role("button", name="Reset to schedule").click()
    expect(page.locator("#slider-state")).to_contain_text("Applied.")
    expect(page.locator("#live-split")).to_contain_text("Demo 70:30")


def test_connection_test_of_a_running_pool_passes(page):
    page.goto("/pools/A/")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#report .report li").first).to_be_visible()
    assert page.locator("#report .report .no").count() == 0, page.locator("#report").inner_text()


def test_log_is_live_and_freezes(page):
    page.goto("/logs/?event=control_changed")
    expect(page.locator(".log li").first).to_be_visible()
    page.goto("/logs/")
    newest = page.locator(".log li").first
    expect(newest).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")


def test_every_page_of_the_demonstration(page):
    for path in (
        "/",
        "/workers/",
        "/workers/garage/",
        "/pools/",
        "/pools/A/",
        "/schedule/",
        "/balance/",
        "/records/",
        "/logs/",
        "/help/",
        "/people/",
        "/audit/",
    ):
        assert page.goto(path).status == 200, path
        page.wait_for_selector('#live-state[data-state="live"]')
        for width in (390, 820, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(STICKS_OUT) <= 0, path


def test_pictures_of_the_readme_are_made_and_small(page, demo, tmp_path):
    folder = Path(SHOTS or tmp_path)
    if SHOTS:  # charts with something in them
        page.wait_for_timeout(max(0.0, demo[2] + PICTURES_AFTER_S - time.monotonic()) * 1000)
    for name, (path, theme, width, height) in PICTURES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme)
        page.context.add_cookies([{"name": "dpmp_theme", "value": theme, "url": page.url}])
        page.goto(path)
        if SHOTS:
            page.wait_for_timeout(2000)
        picture = folder / f"{name}.png"
        page.screenshot(path=str(picture))
        assert picture.stat().st_size < 200_000, picture
