"""Under which names the dashboard answers, and which pages may open its WebSocket.

DNS rebinding needs a public name that points at the box: such a name is refused unless it is configured. An address,
``localhost``, a name without a dot and the LAN's own domains cannot be pointed here by a stranger's name server.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseBadRequest, HttpResponseBase

LAN_DOMAINS = (".local", ".lan")
MAX_HOST_LENGTH = 253 + len(":65535")
_PORT = re.compile(r":[0-9]{1,5}\Z")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def split_host(host: str) -> tuple[str, str] | None:
    """``(name, port)`` of a Host header: lower case, no brackets, no trailing dot; port empty when not given.

    None when it is no valid host at all.
    """
    if not host or len(host) > MAX_HOST_LENGTH or not host.isascii():
        return None
    port = _PORT.search(host)
    name = (host[: port.start()] if port else host).lower()
    digits = port.group()[1:] if port else ""
    if digits and int(digits) > 65535:
        return None
    if name.startswith("["):
        address = _address(name[1:-1]) if name.endswith("]") else None
        return (address, digits) if address and ":" in address else None
    name = name.removesuffix(".")
    return (name, digits) if _NAME.match(name) else None


def _address(text: str) -> str | None:
    """The canonical form of an IP address, or None; a zone (``fe80::1%eth0``) belongs in no Host header."""
    try:
        return None if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return None


def is_allowed(host: str, configured: Iterable[str]) -> bool:
    """Whether a request with this Host header is answered; ``configured`` as in ``DPMP_ALLOWED_HOSTS``."""
    parts = split_host(host)
    if parts is None:
        return False
    name = parts[0]
    if _address(name) or name.endswith(LAN_DOMAINS):
        return True
    if "." not in name:
        return not name.isdigit() and not name.startswith("0x")  # 2130706433 is an address in disguise
    return any(_covers(pattern.lower().removesuffix("."), name) for pattern in configured)


def _covers(pattern: str, name: str) -> bool:
    if pattern.startswith("."):
        return name == pattern[1:] or name.endswith(pattern)
    return name == pattern


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a WebSocket's Origin is the page of the same host and port; 80 and 443 may be left out."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default = {"http": "80", "https": "443"}.get(parts.scheme)
    if default is None or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    page, server = split_host(parts.netloc), split_host(host)
    if page is None or server is None:
        return False
    return (page[0], page[1] or default) == (server[0], server[1] or default)


class HostGuardMiddleware:
    """Answers 400 to a Host that is not allowed, before anything else looks at the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Without a Host header (HTTP/1.0; browsers always send it) the address that was connected to counts.
        host = request.META.get("HTTP_HOST", request.META.get("SERVER_NAME", ""))
        if not is_allowed(host, settings.CONFIGURED_HOSTS):
            return HttpResponseBadRequest(
                "This name is not allowed. Open DPMP by its IP address, or add the name to DPMP_ALLOWED_HOSTS.\n",
                content_type="text/plain; charset=utf-8",
            )
        return self._get_response(request)


class WebSocketGuard:
    """Refuses a WebSocket whose Host is not allowed or whose Origin is not that Host.

    A missing Origin is refused as well: every browser sends one, and nothing but our pages has business here.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._may_pass(scope):
            await self._application(scope, receive, send)
            return
        await receive()  # websocket.connect; a close before accept is answered 403
        await send({"type": "websocket.close", "code": 4403})

    def _may_pass(self, scope: Scope) -> bool:
        host, origin = _only_header(scope, b"host"), _only_header(scope, b"origin")
        if host is None or origin is None:
            return False
        return is_allowed(host, settings.CONFIGURED_HOSTS) and is_same_origin(origin, host)


def _only_header(scope: Scope, wanted: bytes) -> str | None:
    """The header's value; None when it is missing or given twice."""
    values = [value for name, value in scope.get("headers", []) if name == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else None


def client_address(request: HttpRequest) -> str:
    """The address that failed logins are counted by.

    Behind a trusted web server the last entry of X-Forwarded-For: that one the server wrote itself, what stands
    before it the client can invent.
    """
    return _behind(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", ""))


def scope_address(scope: Scope) -> str:
    """``client_address`` of a request that Django has not seen yet."""
    forwarded = [value.decode("latin-1") for name, value in scope.get("headers", []) if name == b"x-forwarded-for"]
    return _behind((scope.get("client") or ("",))[0], ",".join(forwarded))


def _behind(remote: str, forwarded: str) -> str:
    if settings.TRUST_PROXY:
        return _address(forwarded.rpartition(",")[2].strip()) or remote
    return remote


def passkeys_work(request: HttpRequest) -> bool:
    """Whether a browser uses passkeys at the address of this request: by a name, with TLS or on this machine."""
    parts = split_host(request.get_host())
    if parts is None or _address(parts[0]):
        return False
    return request.is_secure() or parts[0] == "localhost" or parts[0].endswith(".localhost")
