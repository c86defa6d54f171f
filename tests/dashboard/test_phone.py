"""What a phone needs to install the dashboard: manifest, icons, colours, and the notice for when the server is away."""

import json
import re
import struct

import pytest
from django.conf import settings
from django.test import Client

from dashboard.views import phone

pytestmark = pytest.mark.no_cover
DARK, LIGHT = "#101418", "#f4f6f8"


@pytest.fixture
def stranger(db):
    """A browser in which nobody has logged in."""
    return Client()


def theme_colours(page: str) -> dict[str, str]:
    tags = re.findall(r'<meta name="theme-color" media="\(prefers-color-scheme: (\w+)\)"\s+content="(#\w+)">', page)
    return dict(tags)


def test_manifest_says_all_that_an_installation_needs(stranger):
    answer = stranger.get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    manifest = json.loads(answer.content)
    assert manifest["short_name"] == "DPMP" and manifest["name"]
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/", "/", "standalone")
    assert (manifest["theme_color"], manifest["background_color"]) == (DARK, DARK)
    kinds = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
    assert kinds >= {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")}


def test_each_icon_is_a_picture_of_the_size_that_is_said_of_it(stranger):
    icons = json.loads(stranger.get("/manifest.webmanifest").content)["icons"]
    for icon in [*icons, {"src": "/static/dashboard/icon-touch-180.png", "sizes": "180x180"}]:
        picture = stranger.get(icon["src"])
        assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")
        width, height = struct.unpack(">II", picture.content[16:24])
        assert f"{width}x{height}" == icon["sizes"]


@pytest.mark.parametrize("path", ["/", "/login/"])
def test_each_page_and_the_login_link_manifest_icon_and_worker(browser_of, stranger, path):
    page = (stranger if path == "/login/" else browser_of("viewer")).get(path).content.decode()
    assert re.search(r'<link rel="manifest" href="/manifest.webmanifest"[^>]* data-worker="/offline-worker.js">', page)
    assert '<link rel="apple-touch-icon" href="/static/dashboard/icon-touch-180.png">' in page


@pytest.mark.parametrize(
    "chosen, colours",
    [
        ("", {"dark": DARK, "light": LIGHT}),
        ("dark", {"dark": DARK, "light": DARK}),
        ("light", {"dark": LIGHT, "light": LIGHT}),
    ],
)
def test_theme_colour_is_that_of_the_theme_that_is_shown(stranger, chosen, colours):
    stranger.cookies["dpmp_theme"] = chosen
    assert theme_colours(stranger.get("/login/").content.decode()) == colours


def test_theme_colours_are_the_backgrounds_of_the_style_sheet(stranger):
    styles = stranger.get("/static/dashboard/dashboard.css").content.decode()
    assert set(re.findall(r"--bg: (#\w+);", styles)) == {DARK, LIGHT}
    assert phone.DARK == DARK


def test_worker_is_a_script_for_the_whole_site_that_is_asked_for_anew_and_may_be_run(stranger):
    answer = stranger.get("/offline-worker.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "no-cache"
    policy = answer["Content-Security-Policy"]
    assert "worker-src 'self'" in policy and "manifest-src 'self'" in policy


def test_worker_names_the_notice_and_what_it_needs_and_nothing_behind_a_login(stranger):
    text = stranger.get("/offline-worker.js").content.decode()
    _cache, *files = json.loads(re.search(r"self.KEPT=(\[.*?\]);", text)[1])
    assert files[0] == "/offline/"
    for file in files:
        assert stranger.get(file).status_code == 200
    notice = stranger.get("/offline/").content.decode()
    needed = re.findall(r'<(?:script src|link rel="stylesheet" href)="([^"]+)"', notice)
    assert set(files[1:]) == set(needed)


def test_worker_changes_when_the_notice_does(stranger, monkeypatch):
    before = stranger.get("/offline-worker.js").content
    monkeypatch.setattr(phone, "_notice", lambda: "another notice")
    assert stranger.get("/offline-worker.js").content != before


def test_notice_is_in_every_language_whoever_asks_for_it(stranger):
    pages = [stranger.get("/offline/", HTTP_ACCEPT_LANGUAGE=code).content.decode() for code in ("en", "de")]
    assert pages[0] == pages[1]
    assert re.findall(r'<section[^>]* lang="([^"]+)"', pages[0]) == [code for code, _name in settings.LANGUAGES]
    assert "The server cannot be reached" in pages[0] and "No se puede llegar al servidor" in pages[0]
    assert "csrf" not in pages[0] and not stranger.cookies


def test_only_the_page_that_tells_that_the_server_answers_may_stand_in_a_frame_and_only_in_ours(stranger):
    here = stranger.get("/here/")
    assert "data-dpmp-here" in here.content.decode() and not stranger.cookies
    assert here["X-Frame-Options"] == "SAMEORIGIN" and "no-store" in here["Cache-Control"]
    assert here["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'self'"
    assert stranger.get("/login/")["X-Frame-Options"] == "DENY"
