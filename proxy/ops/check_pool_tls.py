"""The certificate a pool shows, read without judging it, so that a refused one can be explained.

It is read on a connection of its own that says nothing: the check's real connection must judge the certificate the way
miners' connections do, and ends where it does not like it.
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

MAX_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says; nobody has verified it."""

    subject: str
    names: tuple[str, ...]
    """Host names and addresses it is made out to, a few at most."""
    not_before: datetime
    not_after: datetime
    self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsLook:
    """What a TLS handshake with an address gave."""

    peer: str = ""
    """Who took the TCP connection; empty where nobody did."""
    connect_ms: float = 0.0
    """Name and TCP."""
    version: str = ""
    """``TLSv1.3``; empty where it was no TLS."""
    certificate: Certificate | None = None


async def look_at_tls(endpoint: Endpoint, *, timeout_s: float) -> TlsLook:
    """Connect, shake hands without a check of the certificate, and leave. Takes ``timeout_s`` seconds at most."""
    look = TlsLook()
    try:
        async with asyncio.timeout(timeout_s):
            writer, connect_ms = await _connect(endpoint)
            try:
                look = TlsLook(peer=_address(writer), connect_ms=connect_ms)
                await writer.start_tls(_context(), server_hostname=endpoint.host)
                look = _shown(writer, look)
            finally:
                writer.transport.abort()
    except (OSError, UnicodeError):  # also TimeoutError and SSLError: how far it got says what is wrong
        return look
    return look


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


def _address(writer: asyncio.StreamWriter) -> str:
    host, port = writer.get_extra_info("peername")[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _shown(writer: asyncio.StreamWriter, look: TlsLook) -> TlsLook:
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True)
    return TlsLook(
        peer=look.peer,
        connect_ms=look.connect_ms,
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
