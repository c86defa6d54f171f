"""Pictures of every page in three states, two themes and three widths: ``make screenshots``, to be looked at.

``python -m tests.browser.screenshots FOLDER [--page / --page /pools/] [--state trouble] [--theme dark] [--width 360]
[--language de]``
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.pages import ADMIN, PAGES, WIDTHS
from tests.browser.serve import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
STATES = {"fresh": "waiting", "busy": "rich", "trouble": "down", "stopped": "stopped"}
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
    with tempfile.TemporaryDirectory() as data, _server(data) as server, sync_playwright() as driver:
        address = f"http://127.0.0.1:{_said(server, 'ready ')}"
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(base_url=address, locale=wanted.language).new_page()
        _log_in(page)
        for state in wanted.state or THREE:
            _show(server, STATES[state])
            for path in wanted.page or [*PAGES, *ADMIN]:
                _take(page, path, state, wanted)
        browser.close()
        assert server.stdin is not None
        server.stdin.close()


def _take(page: Page, path: str, state: str, wanted: argparse.Namespace) -> None:
    name = path.strip("/").replace("/", "-") or "home"
    for theme in wanted.theme or ("dark", "light"):
        page.context.add_cookies([{"name": "dpmp_theme", "value": theme, "domain": "127.0.0.1", "path": "/"}])
        page.emulate_media(color_scheme=theme)
        for width in wanted.width or WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path)
            page.wait_for_timeout(700)
            page.screenshot(path=str(wanted.folder / f"{name}-{state}-{theme}-{width}.png"), full_page=True)


def _server(data: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/browser/serve.py"), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | {"DPMP_DATA_DIR": data},
        cwd=ROOT,
    )


def _said(server: subprocess.Popen[bytes], beginning: str) -> str:
    """The rest of the server's next line that begins so."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.decode().startswith(beginning):
            return line.decode().removeprefix(beginning).strip()
    raise RuntimeError("the server ended")


def _show(server: subprocess.Popen[bytes], snapshot: str) -> None:
    assert server.stdin is not None
    server.stdin.write(f"{snapshot}\n".encode())
    server.stdin.flush()
    _said(server, f"shows {snapshot}")


def _log_in(page: Page) -> None:
    page.goto("/login/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/", wait_until="commit")


if __name__ == "__main__":
    main()
