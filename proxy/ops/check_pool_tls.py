"""Reads the certificate of a pool without verifying it, so that a refusal can be explained.

It uses a connection of its own: the test's real connection verifies the certificate as miners' connections do, and
fails if it is not accepted.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime

from aiohappyeyeballs import start_connection
from cryptography import x509

from proxy.config.snapshot import Endpoint
from proxy.net.dialer import RACE_DELAY_S
from proxy.ops.check_pool_probe import readable
from proxy.text import address_text

MAX_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Content of a certificate, not verified."""

    subject: str
    names: tuple[str, ...]
    """The first few host names and addresses that it is for."""
    not_before: datetime
    not_after: datetime
    self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsInspection:
    """Result of a TLS handshake with an address."""

    peer: str = ""
    """Address that accepted the TCP connection; empty if none did."""
    connect_ms: float = 0.0
    """For name and TCP."""
    version: str = ""
    """``TLSv1.3``; empty if it is not TLS."""
    certificate: Certificate | None = None


async def inspect_tls(endpoint: Endpoint, *, timeout_s: float) -> TlsInspection:
    """Connect, do the TLS handshake without verification, and close. Takes at most ``timeout_s`` seconds."""
    inspection = TlsInspection()
    try:
        async with asyncio.timeout(timeout_s):
            writer, connect_ms = await _connect(endpoint)
            try:
                peer = address_text(*writer.get_extra_info("peername")[:2])
                inspection = TlsInspection(peer=peer, connect_ms=connect_ms)
                await writer.start_tls(_context(), server_hostname=endpoint.host)
                inspection = _shown(writer, inspection)
            finally:
                writer.transport.abort()
    except (OSError, UnicodeError):  # also TimeoutError and SSLError: the partial result shows what is wrong
        return inspection
    return inspection


async def _connect(endpoint: Endpoint) -> tuple[asyncio.StreamWriter, float]:
    loop = asyncio.get_running_loop()
    start = loop.time()
    addresses = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    sock = await start_connection(addresses, happy_eyeballs_delay=RACE_DELAY_S, loop=loop)
    try:
        _, writer = await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise
    return writer, (loop.time() - start) * 1e3


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no authorities: loading them would hold up the loop
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _shown(writer: asyncio.StreamWriter, inspection: TlsInspection) -> TlsInspection:
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True)
    return TlsInspection(
        peer=inspection.peer,
        connect_ms=inspection.connect_ms,
        version=tls.version() or "TLS",
        certificate=read_certificate(der) if der else None,
    )


def read_certificate(der: bytes) -> Certificate | None:
    """What a certificate says; None where it cannot be read."""
    try:
        shown = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=readable(shown.subject.rfc4514_string()),
            names=_names(shown),
            not_before=shown.not_valid_before_utc,
            not_after=shown.not_valid_after_utc,
            self_signed=shown.subject == shown.issuer,
        )
    except (ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType):
        return None


def _names(shown: x509.Certificate) -> tuple[str, ...]:
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return tuple(readable(name) for name in [*hosts, *addresses][:MAX_NAMES])
