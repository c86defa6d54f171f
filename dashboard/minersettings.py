"""What to type into a miner, with this machine's address filled in, also as a QR code."""

from dataclasses import dataclass

import segno
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe

from dashboard.live import snapshot
from proxy.models import ProxySettings

ANYWHERE = {"", "0.0.0.0", "::", "[::]", "*"}
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
        host = request.get_host().rsplit(":", 1)[0] if not request.get_host().endswith("]") else request.get_host()
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
