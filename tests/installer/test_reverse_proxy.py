"""The nginx example of docs/reverse-proxy.md, as written there, in front of a real proxy process."""

import asyncio
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port
from tests.support.tls import write_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "dpmp.example.org"
PASSWORD = "a long enough password"


def nginx_path():
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("nginx is not installed")
    return path


def example():
    text = (ROOT / "docs" / "reverse-proxy.md").read_text()
    return re.search(r"```nginx\n(.*?)```", text, re.DOTALL)[1]


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def dashboard(migrated, tmp_path_factory):
    """A running proxy whose settings are those of the page; its dashboard's port."""
    data = shutil.copytree(migrated, tmp_path_factory.mktemp("dashboard") / "data")
    miners, web, metrics = (steady_port() for _ in range(3))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    environment |= {
        "DPMP_DATA_DIR": str(data),
        "DPMP_ALLOWED_HOSTS": NAME,
        "DPMP_TRUST_PROXY": "yes",
        "DPMP_ADMIN_PASSWORD": PASSWORD,
    }
    subprocess.run([sys.executable, "manage.py", "bootstrap"], cwd=ROOT, env=environment, check=True, timeout=300)
    addresses = [
        f"--{name}=127.0.0.1:{port}" for name, port in (("listen", miners), ("web", web), ("metrics", metrics))
    ]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runproxy", *addresses],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: answers(web))
        yield web
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def until(condition, timeout_s=2 * PATIENCE_S):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come up in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def front(dashboard, tmp_path_factory):
    """nginx with the page's server block; only the ports, the upstream and the certificate's paths are this test's."""
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "logs").mkdir()
    port = steady_port()
    write_certificate(folder, NAME)
    server = (
        example()
        .replace(f"/etc/letsencrypt/live/{NAME}", str(folder))
        .replace("listen 443", f"listen {port}")
        .replace("127.0.0.1:8855", f"127.0.0.1:{dashboard}")
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/logs/error.log; worker_processes 1;\nevents {{}}\n"
        f"http {{ access_log off;\n{paths}\n{server}\n}}\n"
    )
    (folder / "nginx.conf").chmod(0o644)
    process = subprocess.Popen([nginx_path(), "-p", folder, "-c", folder / "nginx.conf"])
    try:
        until(lambda: process.poll() is not None or (folder / "pid").exists())
        assert process.poll() is None, (folder / "logs" / "error.log").read_text()
        yield Front(port, folder / "fullchain.pem")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


class Front:
    """A browser's view of the web server."""

    def __init__(self, port, certificate):
        self.port, self.host = port, f"{NAME}:{port}"
        self.tls = ssl.create_default_context(cafile=str(certificate))
        self.tls.check_hostname = False  # the connection goes to 127.0.0.1, not to the name
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self.tls),
            urllib.request.HTTPCookieProcessor(self.cookies),
            urllib.request.ProxyHandler({}),
        )

    def open(self, path, fields=None, **headers):
        form = urlencode(fields).encode() if fields is not None else None
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", form, {"Host": self.host, **headers})
        try:
            return self._opener.open(request, timeout=PATIENCE_S)
        except HTTPError as error:
            return error

    def cookie_header(self):
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)


def sign_in(front):
    page = front.open("/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    return front.open(
        "/login/",
        {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token},
        Origin=f"https://{front.host}",
        Referer=f"https://{front.host}/login/",
    )


def test_signing_in_works_and_cookies_travel_encrypted_only(front):
    assert sign_in(front).status == 200
    assert {cookie.name for cookie in front.cookies} >= {"dpmp_session", "dpmp_csrf"}
    assert all(cookie.secure for cookie in front.cookies)
    assert front.open("/admin/").status == 200


def test_monitoring_is_answered(front):
    assert json.loads(front.open("/readyz").read())["listening"] is True


def test_name_that_is_not_configured_is_refused(front):
    assert front.open("/", Host="evil.example.com").status == 400


async def shake_hands(front, origin):
    """The first line of the answer to a WebSocket's handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port, ssl=front.tls)
    lines = [
        "GET /live/?r=headline HTTP/1.1",
        f"Host: {front.host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {origin}",
        f"Cookie: {front.cookie_header()}",
        "",
        "",
    ]
    writer.write("\r\n".join(lines).encode())
    line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    writer.close()
    return line.decode().strip()


async def test_live_pages_get_their_websocket(front):
    await asyncio.to_thread(sign_in, front)
    assert " 101 " in await shake_hands(front, f"https://{front.host}")


async def test_websocket_of_another_page_is_refused(front):
    assert " 403" in await shake_hands(front, "https://evil.example.com")
