"""Texts go out compressed to whoever takes that; parts of files and archives as they are."""

import gzip

from django.test import Client

GZIP = {"Accept-Encoding": "gzip"}


def test_page_and_its_scripts_are_compressed_for_a_browser(db):
    client = Client()
    for path in ("/login/", "/static/dashboard/page.js", "/static/dashboard/dashboard.css"):
        whole, packed = client.get(path), client.get(path, headers=GZIP)
        assert packed["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed["Vary"]
        assert len(packed.content) < len(whole.content) / 2
        if path != "/login/":
            assert gzip.decompress(packed.content) == whole.content


def test_part_of_a_file_and_nothing_new_are_left_as_they_are(db):
    client = Client()
    part = client.get("/static/dashboard/page.js", headers={**GZIP, "Range": "bytes=0-499"})
    assert part.status_code == 206 and "Content-Encoding" not in part and len(part.content) == 500
    known = client.get("/static/dashboard/page.js")["Last-Modified"]
    assert client.get("/static/dashboard/page.js", headers={**GZIP, "If-Modified-Since": known}).status_code == 304
