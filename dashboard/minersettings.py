"""What to type into a miner, with this machine's address filled in, also as a QR code; for each listener."""

from dataclasses import dataclass

import segno
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe

from dashboard.live import snapshot
from proxy.models import ProxySettings
from proxy.observe.live.views import ListenerView

ANYWHERE = {"", "0.0.0.0", "::", "[::]", "*"}
ASKED = {"d": "d=1000", "p": "p=A", "s": "s=70:30"}
SECRET = "PASSWORD"
QR_LIGHT, QR_DARK = "#ffffff", "#101418"


@dataclass(frozen=True, slots=True)
class MinerSettings:
    """The three lines of a miner's set-up page."""

    host: str
    port: str
    url: str
    tls_url: str
    """For miners that speak TLS; empty where there is no port for them."""
    user: str
    password: str
    needs_password: bool
    """Whether ``password`` is the one that the operator set for miners (which is not shown)."""
    qr: SafeString


def miner_settings(request: HttpRequest) -> MinerSettings:
    """Uses the address at which the viewer reached this page: miners in the same network can reach it too."""
    host, port = _listening()
    if host in ANYWHERE:
        host = _host_of(request)
    url = f"stratum+tcp://{host}:{port}"
    row = ProxySettings.load()
    return MinerSettings(
        host,
        port,
        url,
        f"stratum+ssl://{host}:{row.tls_port}" if row.tls_port else "",
        "worker1",
        "x",
        bool(row.miner_password),
        qr_svg(url),
    )


@dataclass(frozen=True, slots=True)
class Example:
    """How miners of one listener are set up."""

    listener: ListenerView
    host: str
    port: str
    url: str
    """As AxeOS and most firmware with one field want it."""
    options: str
    """As cgminer and its kin want it."""
    password: str
    """``SECRET`` stands for the access password."""
    directives: tuple[str, ...]


def examples(request: HttpRequest) -> list[Example]:
    """One for each listener that is switched on."""
    return [_example(request, view) for view in snapshot().listeners if view.enabled]


def _example(request: HttpRequest, view: ListenerView) -> Example:
    host, _colon, port = view.address.rpartition(":")
    if host in ANYWHERE:
        host = _host_of(request)
    url = f"stratum+{'ssl' if view.tls else 'tcp'}://{host}:{port}"
    directives = tuple(ASKED[letter] for letter in view.directives)
    password = ",".join((SECRET if view.needs_password else "x", *directives))
    return Example(view, host, port, url, " ".join(("-o", url, "-u", "worker1", "-p", password)), password, directives)


def _host_of(request: HttpRequest) -> str:
    return request.get_host().rsplit(":", 1)[0] if not request.get_host().endswith("]") else request.get_host()


def _listening() -> tuple[str, str]:
    address = snapshot().miner_address
    if address:
        host, _colon, port = address.rpartition(":")
        return host, port
    settings = ProxySettings.load()
    return settings.stratum_host, str(settings.stratum_port)


def qr_svg(text: str) -> SafeString:
    """A QR code as SVG without a style attribute, which the content security policy would refuse."""
    code = segno.make(text, error="m", micro=False)
    svg = code.svg_inline(border=2, dark=QR_DARK, light=QR_LIGHT, svgclass="qr", lineclass=None, omitsize=True)
    return mark_safe(svg)
