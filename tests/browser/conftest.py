"""A server of its own and Chromium, once for all browser tests."""

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.serve import PASSWORD
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=PATIENCE_S * 1000)


class Dashboard:
    """The server process: its address, and which snapshot it shows."""

    def __init__(self, process, port):
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def show(self, snapshot):
        """Switch to a snapshot of ``tests.dashboard.fixtures``; it is there when this returns."""
        self.process.stdin.write(f"{snapshot}\n".encode())
        self.process.stdin.flush()
        _said(self.process, f"shows {snapshot}")


@pytest.fixture(scope="session")
def dashboard(migrated, tmp_path_factory):
    """A dashboard with made-up snapshots; it ends with its standard input."""
    data = shutil.copytree(migrated, tmp_path_factory.mktemp("dashboard"), dirs_exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    environment["DPMP_DATA_DIR"] = str(data)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/browser/serve.py"), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
        bufsize=0,
    )
    yield Dashboard(process, int(_said(process, "ready ").removeprefix("ready ")))
    process.stdin.close()
    process.wait(timeout=PATIENCE_S)


def _said(process, beginning):
    """The server's next line that begins so; nothing is buffered, so that ``select`` sees all of it."""
    until, line = time.monotonic() + PATIENCE_S, b""
    while time.monotonic() < until:
        if select.select([process.stdout], [], [], 0.5)[0]:
            byte = process.stdout.read(1)
            assert byte, f"the server ended with {process.wait()}"
            if byte == b"\n" and line.startswith(beginning.encode()):
                return line.decode()
            line = b"" if byte == b"\n" else line + byte
    raise AssertionError(f"the server said nothing, or only {line!r}")


@pytest.fixture(scope="session")
def chromium(chromium_path):
    """The browser."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def logged_in(chromium, dashboard):
    """``logged_in("otto")`` is the state of a browser in which Otto has logged in, once for all tests."""
    states = {}

    def state_of(who):
        if who not in states:
            context = chromium.new_context(base_url=dashboard.url)
            _log_in(context.new_page(), who)
            states[who] = context.storage_state()
            context.close()
        return states[who]

    return state_of


def _log_in(page, who):
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto("/login/")
    page.fill("[name=username]", who)
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/", wait_until="commit")


@pytest.fixture
def visit(chromium, dashboard, logged_in):
    """``visit("otto", "/pools/")`` is that page of an own browser in which Otto is logged in.

    ``page.bad`` is what went wrong. ``alone`` is for a test that ends the login. Only with ``installs`` the browser has
    service workers; without one it is like those that reach the dashboard by plain http.
    """
    contexts = []
    dashboard.show("anew")

    def make(who=None, path="/", *, width=1440, theme="dark", alone=False, installs=False, **options):
        state = logged_in(who) if who and not alone else None
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, base_url=dashboard.url, storage_state=state, **options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_S * 1000)  # of further tabs, too
        if not installs:
            context.add_init_script("delete Navigator.prototype.serviceWorker")
        context.add_cookies([{"name": "dpmp_theme", "value": theme, "url": dashboard.url}])
        page = context.new_page()
        page.bad = []
        page.on("console", lambda said: page.bad.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.bad.append(str(error)))
        if who and alone:
            _log_in(page, who)
        elif who and path:
            page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
