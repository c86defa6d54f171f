"""Pictures of every page in three states, two themes and three widths: ``make screenshots``, to be looked at.

``python -m tests.browser.screenshots FOLDER [--page / --page /pools/] [--state trouble] [--theme dark] [--width 360]
[--language de]``. Each state has a server of its own: what is fresh has no history. Pages that a state does not have
(those of a device, where there is none) are left out.
"""

import argparse
import base64
import hmac
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.pages import ADMIN, ENTRANCE, PAGES, SECOND_FACTOR, WIDTHS
from tests.browser.serve import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
STATES = {"fresh": "waiting", "busy": "rich", "trouble": "down", "stopped": "stopped", "new": "empty"}
"""State -> snapshot of ``tests.dashboard.fixtures``."""
THREE = ("fresh", "busy", "trouble")


def main() -> None:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--page", action="append", help="default: all")
    parser.add_argument("--state", action="append", choices=STATES)
    parser.add_argument("--theme", action="append", choices=("dark", "light"))
    parser.add_argument("--width", action="append", type=int)
    parser.add_argument("--language", default="en", help="as a browser asks for it, for example de")
    wanted = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is not installed (apt install chromium)")
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for state in wanted.state or THREE:
            with _server(state) as address:
                page = browser.new_context(base_url=address, locale=wanted.language).new_page()
                _take_all(page, state, wanted)
                page.context.close()
        browser.close()


def _take_all(page: Page, state: str, wanted: argparse.Namespace) -> None:
    for path in _of(ENTRANCE, wanted):
        _take(page, path, state, wanted)
    _log_in(page)
    page.wait_for_url("**/", wait_until="commit")
    for path in _of([*PAGES, *ADMIN], wanted):
        _take(page, path, state, wanted)
    if asked := _of(SECOND_FACTOR, wanted):
        _set_up_an_app(page, state, wanted)
        for path in asked:
            _take(page, path, state, wanted)
        page.context.clear_cookies()
        _log_in(page)
        page.wait_for_url("**/login/second-factor/")
        _take(page, "/login/second-factor/", state, wanted)


def _of(paths: list[str], wanted: argparse.Namespace) -> list[str]:
    return [path for path in paths if not wanted.page or path in wanted.page]


def _take(page: Page, path: str, state: str, wanted: argparse.Namespace) -> None:
    name = path.strip("/").replace("/", "-") or "home"
    for theme in wanted.theme or ("dark", "light"):
        page.context.add_cookies([{"name": "dpmp_theme", "value": theme, "domain": "127.0.0.1", "path": "/"}])
        page.emulate_media(color_scheme=theme)
        there = page.goto(path)
        if there is None or (there.status == 404 and path in PAGES):
            return
        for width in wanted.width or WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)
            page.screenshot(path=str(wanted.folder / f"{name}-{state}-{theme}-{width}.png"), full_page=True)


@contextmanager
def _server(state: str) -> Iterator[str]:
    """A dashboard that shows that state, and its address; it ends with its standard input."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    with tempfile.TemporaryDirectory() as data:
        process = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "tests/browser/serve.py"),
                "0",
                *([state] if state in ("new", "fresh") else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"DPMP_DATA_DIR": data},
            cwd=ROOT,
        )
        assert process.stdin is not None
        address = f"http://127.0.0.1:{_said(process, 'ready ')}"
        process.stdin.write(f"{STATES[state]}\n".encode())
        process.stdin.flush()
        _said(process, f"shows {STATES[state]}")
        try:
            yield address
        finally:
            process.stdin.close()
            process.wait()


def _said(server: subprocess.Popen[bytes], beginning: str) -> str:
    """The rest of the server's next line that begins so."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.decode().startswith(beginning):
            return line.decode().removeprefix(beginning).strip()
    raise RuntimeError("the server ended")


def _log_in(page: Page) -> None:
    page.goto("/login/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")


def _set_up_an_app(page: Page, state: str, wanted: argparse.Namespace) -> None:
    """Ada's second factor, and the page where she sets it up."""
    page.goto("/account/second-factor/app/")
    page.fill("[name=password]", PASSWORD)  # once more, as for all that is worth protecting
    page.click("button.primary")
    page.wait_for_selector("#secret")
    _take(page, "/account/second-factor/app/", state, wanted)
    page.goto("/account/second-factor/app/")
    page.fill("[name=code]", _code_of(page.inner_text("#secret")))
    page.click("button.primary")
    page.wait_for_url("**/codes/")


def _code_of(secret: str) -> str:
    """What an app shows now (RFC 6238)."""
    mac = hmac.digest(base64.b32decode(secret), (int(time.time()) // 30).to_bytes(8, "big"), "sha1")
    start = mac[-1] & 15
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


if __name__ == "__main__":
    main()
