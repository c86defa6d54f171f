"""What a connection to the miners' port opens with: Stratum V1, or one of the things that also arrive there; sans I/O.

Sources: RFC 8446, 5.1 (a TLS record of a handshake begins with 16 03); the Stratum V2 specification, 04 Protocol
Security (a client first sends 64 bytes, an ElligatorSwift encoded key, and then waits); bfgminer's util.c (opens with a
TLS hello, falls back to plain text on its next connection).
"""

import re
from enum import StrEnum

KEY_SIZE = 64
"""Bytes of a Stratum V2 client's first message."""
PROXY_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""How a header of the PROXY protocol begins, version 2 (HAProxy's proxy-protocol.txt, 2.2); version 1 is text."""
MAX_HEAD = 4_096
"""Bytes looked at before it is decided with what is there."""
_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT ", b"PRI ")
_ANSWERED = (b"GET ", b"HEAD ", b"POST ")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK = b" \t\r\n"


class Opening(StrEnum):
    """What the first bytes say."""

    UNDECIDED = "undecided"
    STRATUM = "stratum"
    TLS = "tls"
    HTTP = "http"
    STRATUM_V2 = "stratum-v2"
    PROXY = "proxy"
    BINARY = "binary"
    TEXT = "text"


REASONS = {
    Opening.TLS: "it opened with TLS, this port speaks plain Stratum: use stratum+tcp:// in the miner (bfgminer tries "
    "TLS first and then goes on without)",
    Opening.HTTP: "it sent an HTTP request, this port is for miners",
    Opening.STRATUM_V2: "it speaks Stratum V2, this port speaks Stratum V1: choose Stratum V1 in the miner's settings",
    Opening.PROXY: "it sent a header of the PROXY protocol: that is read once on a connection, in version 2, from the "
    "addresses that a listener has as its load balancers",
    Opening.BINARY: "it sent binary data, this port speaks Stratum V1",
    Opening.TEXT: "it sent a line that is not JSON before it subscribed",
}
"""Why a connection is closed, for the log."""

NOT_TLS = "it spoke without TLS, this port is for TLS: use stratum+ssl:// in the miner, or the port without TLS"
"""Why a connection to the port with TLS is closed, for the log."""


def opening_of(head: bytes, *, final: bool = False) -> Opening:
    """Say what ``head``, all bytes so far, opens; ``final``: decide now, no more is waited for.

    Blanks and line ends before the first message are allowed.
    """
    final = final or len(head) >= MAX_HEAD
    if head.startswith((PROXY_SIGNATURE, b"PROXY ")):
        return Opening.PROXY
    start = head.lstrip(_BLANK)
    if not start:
        return Opening.STRATUM if final else Opening.UNDECIDED
    if start[:1] == b"\x16" and (len(start) == 1 or start[1] == 3):
        return Opening.TLS if len(start) > 1 or final else Opening.UNDECIDED
    if start[:1] == b"{" and (b"\n" in start or _is_text(start)):
        return Opening.STRATUM if final or b"\n" in start or len(start) > KEY_SIZE else Opening.UNDECIDED
    if not _is_text(start):
        if len(head) == KEY_SIZE:
            return Opening.STRATUM_V2
        return Opening.BINARY if final or len(head) > KEY_SIZE else Opening.UNDECIDED
    if start.startswith(_METHODS):
        return Opening.HTTP if final or b"\r\n\r\n" in start or b"\n\n" in start else Opening.UNDECIDED
    if not final and any(method.startswith(start) for method in _METHODS):
        return Opening.UNDECIDED
    return Opening.TEXT if final or b"\n" in start or len(start) >= KEY_SIZE else Opening.UNDECIDED


def _is_text(octets: bytes) -> bool:
    """Whether it may be text, its last character perhaps not complete."""
    if _NO_TEXT.search(octets):
        return False
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(octets) - error.start < 4
    return True


def http_answer(head: bytes, web_host: str, web_port: int) -> bytes:
    """A short page that says what this port is and where the dashboard is; b"" for methods that get no answer."""
    start = head.lstrip(_BLANK)
    if not start.startswith(_ANSWERED):
        return b""
    body = (f"This is the port for miners (Stratum), not a web page.\n{_where(web_host, web_port)}\n").encode()
    fields = (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" % len(body)
    )
    return fields if start.startswith(b"HEAD ") else fields + body


def _where(host: str, port: int) -> str:
    if host in ("", "0.0.0.0", "::"):
        return f"The dashboard is at the same address with port {port}."
    if host in ("127.0.0.1", "::1", "localhost"):
        return f"The dashboard is at port {port}, only from the machine that the proxy runs on."
    return f"The dashboard is at http://{f'[{host}]' if ':' in host else host}:{port}/"
