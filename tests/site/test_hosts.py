"""The host check lets a LAN box work at once and DNS rebinding not."""

import pytest
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from dpmp_site.hosts import client_address, is_allowed, is_same_origin, split_host

pytestmark = pytest.mark.no_cover

ALLOWED = [
    "192.168.1.20",
    "192.168.1.20:8855",
    "8.8.8.8",
    "[::1]",
    "[::1]:8855",
    "[FE80::1]:80",
    "[2001:db8::1]",
    "localhost",
    "LOCALHOST:8855",
    "localhost.",
    "umbrel",
    "umbrel:8855",
    "Umbrel.Local",
    "umbrel.local.:8855",
    "my-node.lan",
    "a.b.lan",
    "under_score.local",
    "::1".join("[]"),
]
REFUSED = [
    "",
    " ",
    "evil.com",
    "evil.com:8855",
    "192.168.1.20.evil.com",
    "192.168.1.20.nip.io",
    "localhost.evil.com",
    "umbrel.local.evil.com",
    "evil.com.",
    "evillan.com",
    "evil.xlocal",
    "2130706433",
    "0x7f000001",
    "127.1",
    "::1",
    "[::1",
    "::1]",
    "[::1].evil.com",
    "[evil.com]",
    "[127.0.0.1]",
    "[fe80::1%eth0]",
    "localhost:99999",
    "localhost:abc",
    "localhost:-1",
    "user@localhost",
    "localhost/evil.com",
    "localhost\\evil",
    "local host",
    "localhost,evil.com",
    "localhost:80:80",
    ".local",
    "a..local",
    "-a.local",
    "ümbrel.local",
    "a" * 64,
    "a." * 140 + "lan",
    "localhost\n",
    "localhost..",
    "localhost:",
    "evil.com#.local",
    "evil.com?.lan",
]


@pytest.mark.parametrize("host", ALLOWED)
def test_address_or_name_of_the_lan_is_allowed(host):
    assert is_allowed(host, [])


@pytest.mark.parametrize("host", REFUSED)
def test_other_name_is_refused(host):
    assert not is_allowed(host, [])


def test_single_label_name_is_allowed_whatever_it_is():
    assert is_allowed("local", [])


def test_configured_name_is_allowed_in_any_case_and_with_trailing_dot():
    configured = ["Dpmp.Example.org", ".mine.example"]
    for host in ("dpmp.example.ORG:443", "dpmp.example.org.", "mine.example", "a.mine.example"):
        assert is_allowed(host, configured)
    for host in ("x.dpmp.example.org", "notmine.example", "example.org", "dpmp.example.org.evil.com"):
        assert not is_allowed(host, configured)


@given(st.text(max_size=300))
def test_any_text_is_judged_without_an_exception(text):
    assert is_allowed(text, [".example.org"]) in (True, False)
    assert is_same_origin(text, text) in (True, False)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(0, 65535))
def test_every_ip_address_is_allowed_and_split(address, port):
    host = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert split_host(host) == (str(address), str(port))
    assert is_allowed(host, [])


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8855", "localhost:8855"),
        ("http://LOCALHOST:8855", "localhost.:8855"),
        ("http://umbrel.local", "umbrel.local:80"),
        ("https://umbrel.local", "umbrel.local"),
        ("http://[::1]:8855", "[0:0:0:0:0:0:0:1]:8855"),
    ],
)
def test_page_of_the_same_host_is_the_same_origin(origin, host):
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "file://",
        "http://localhost",
        "http://localhost:8856",
        "https://evil.com",
        "http://evil.com:8855",
        "http://localhost:8855.evil.com",
        "http://x@localhost:8855",
        "http://localhost:8855/",
        "ftp://localhost:8855",
        "localhost:8855",
        "http://[::1",
        "http://localhost:8855#a",
    ],
)
def test_other_origin_is_not(origin):
    assert not is_same_origin(origin, "localhost:8855")


@pytest.mark.parametrize("path", ["/", "/login/", "/static/admin/css/base.css", "/admin/"])
def test_refused_name_gets_nothing_not_even_static_files(path):
    answer = Client(headers={"host": "192-168-1-20.rebind.example:8855"}).get(path)
    assert answer.status_code == 400
    assert b"DPMP_ALLOWED_HOSTS" in answer.content


def test_configured_name_opens_the_login_page(settings, db):
    settings.CONFIGURED_HOSTS = ["dpmp.example.org"]
    assert Client(headers={"host": "dpmp.example.org"}).get("/login/").status_code == 200


def test_logins_are_counted_by_the_address_that_connected():
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="1.1.1.1")
    assert client_address(request) == "10.0.0.1"


def test_behind_a_trusted_proxy_the_last_forwarded_address_counts(settings):
    settings.TRUST_PROXY = True
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="invented, 9.9.9.9, 10.0.0.7")
    assert client_address(request) == "10.0.0.7"
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="nonsense")
    assert client_address(request) == "10.0.0.1"
