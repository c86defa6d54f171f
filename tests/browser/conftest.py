"""A server of its own and Chromium, once for all browser tests."""

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import expect, sync_playwright

from tests.browser.serve import PASSWORD
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
OFF = [
    # In each window Chromium would load two pages of its own, in a process of their own, for the case that somebody
    # types an address, and keep one more process at hand: a fourth of all processor time, for what no test sees.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "SpareRendererForSitePerProcess",
    # As Playwright has it: a second list of features takes the place of the first one.
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(OFF)}",
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
def driver():
    """What drives browsers, and asks a server without one."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(driver, chromium_path):
    """The browser."""
    browser = driver.chromium.launch(executable_path=chromium_path, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def logged_in(driver, dashboard):
    """``logged_in("otto")`` are the cookies of a browser in which Otto has logged in, once for all tests."""
    cookies = {}

    def cookies_of(who):
        if who not in cookies:
            asking = driver.request.new_context(base_url=dashboard.url)
            cookies[who] = log_in(asking, who, PASSWORD)
            asking.dispose()
        return cookies[who]

    return cookies_of


def log_in(asking, who, password):
    """The cookies of a login that no page is opened for; a browser whose requests ``asking`` sends has them then."""
    waits = {"timeout": PATIENCE_S * 1000}
    form = {"username": who, "password": password}
    assert asking.get("/login/", **waits).ok
    token = next(one["value"] for one in asking.storage_state()["cookies"] if one["name"] == settings.CSRF_COOKIE_NAME)
    assert asking.post("/login/", form=form | {"csrfmiddlewaretoken": token}, max_redirects=0, **waits).status == 302
    return asking.storage_state()["cookies"]


@pytest.fixture(scope="session")
def pages(chromium, dashboard):
    """The pages that tests hand on to one another."""
    return Pages(chromium, dashboard.url)


class Pages:
    """Pages of browsers of their own, used again and again: a new one costs more than most tests do with it."""

    def __init__(self, chromium, url):
        self._chromium, self._url, self._free = chromium, url, {}

    def take(self, options):
        """A page of a browser that knows nothing; ``options`` are those of the browser's context."""
        kind = tuple(sorted(options.items()))
        page = self._free[kind].pop() if self._free.get(kind) else self._made(options, kind)
        page.bad = []
        return page

    def give_back(self, page):
        """Let it forget what the test did, for the next one."""
        context = page.context
        for other in context.pages:
            if other is not page:
                other.close()
        page.unroute_all(behavior="ignoreErrors")
        context.clear_cookies()
        page.mouse.move(-1, -1)
        page.goto(f"{self._url}/static/dashboard/icon.svg")
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        self._free.setdefault(page.kind, []).append(page)

    def _made(self, options, kind):
        page = open_page(self._chromium, self._url, options)
        page.kind = kind
        page.add_init_script = page.context.add_init_script = page.clock.install = _stays
        page.route_web_socket = page.context.route = page.context.grant_permissions = _stays
        return page


def _stays(*_given, **_named):
    raise AssertionError("the next test would have it as well: visit(..., own=True)")


def open_page(chromium, url, options, *, installs=False):
    """A page of a new browser; what it complains of is in ``page.bad``."""
    context = chromium.new_context(base_url=url, **options)
    context.set_default_timeout(PATIENCE_S * 1000)  # of further tabs, too
    if not installs:
        context.add_init_script("delete Navigator.prototype.serviceWorker")
    page = context.new_page()
    page.bad = []
    page.on("console", lambda said: page.bad.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.bad.append(str(error)))
    return page


@pytest.fixture
def visit(chromium, dashboard, logged_in, pages):
    """``visit("otto", "/pools/")`` is that page of a browser in which Otto is logged in, and that knows nothing else.

    ``page.bad`` is what went wrong. ``alone`` is for a test that ends the login, ``own`` for one that does to the
    browser what cannot be undone. Only with ``installs`` the browser has service workers; without one it is like those
    that reach the dashboard by plain http.
    """
    lent, own_ones = [], []
    dashboard.show("anew")

    def make(who=None, path="/", *, width=1440, theme="dark", alone=False, own=False, installs=False, **options):
        if own or installs:
            page = open_page(chromium, dashboard.url, options, installs=installs)
            own_ones.append(page)
        else:
            page = pages.take(options)
            lent.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.context.add_cookies([{"name": "dpmp_theme", "value": theme, "url": dashboard.url}])
        if who and alone:
            log_in(page.context.request, who, PASSWORD)
        elif who:
            page.context.add_cookies(logged_in(who))
        if who and path:
            page.goto(path)
        return page

    yield make
    for page in own_ones:
        page.context.close()
    for page in lent:
        pages.give_back(page)
