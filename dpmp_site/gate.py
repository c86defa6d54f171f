"""How many requests are worked on at once, so that pages never take the processor from mining.

Django gives each request a thread. Threads that all want the interpreter make the event loop, which serves the miners
from the same process, wait for each of them in turn; so few are let in and the rest wait here, where it costs nothing.
Logins are dear by design (a password's hash takes a good part of a second): two at once, a short queue, and whoever
comes then is told to try again. One address has few places, so that a stranger's flood leaves room for the owner; and
there are places for browsers in which somebody has logged in before, whatever the number of strangers.
"""

import asyncio
from collections import Counter
from collections.abc import Collection

from django.http import parse_cookie

from dpmp_site.hosts import Application, Receive, Scope, Send, scope_address
from dpmp_site.known_browsers import any_known_browser

REQUESTS_AT_ONCE = 8
LOGINS_AT_ONCE = 2
LOGINS_IN_ALL = 24
"""Those that are worked on and those that wait."""
LOGINS_OF_KNOWN_BROWSERS = 8
"""Beside those."""
LOGINS_OF_AN_ADDRESS = 3
"""Or of a known browser."""
RETRY_AFTER_S = 3
BUSY = b"Too many logins at this moment. Try again in a few seconds.\n"


class RequestGate:
    """Lets ``at_once`` requests into ``application``; the others wait in their order."""

    def __init__(self, application: Application, at_once: int = REQUESTS_AT_ONCE) -> None:
        self._application = application
        self._free = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._free:
            await self._application(scope, receive, send)


class LoginGate:
    """Sends POSTs to the login pages through a queue of their own; answers 429 at once where it is full."""

    def __init__(
        self, application: Application, login_paths: Collection[str], *, methods: Collection[str] = ("POST",)
    ) -> None:
        self._application = application
        self._login_paths = login_paths
        self._methods = methods
        self._free = asyncio.Semaphore(LOGINS_AT_ONCE)
        self._present: Counter[str] = Counter()
        """Logins by address; only of those that are here, so it is as small as the queue."""
        self._known: Counter[str] = Counter()
        """The same of known browsers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in self._methods or scope["path"] not in self._login_paths:
            await self._application(scope, receive, send)
            return
        browser = any_known_browser(_cookies(scope))
        present, most = (self._known, LOGINS_OF_KNOWN_BROWSERS) if browser else (self._present, LOGINS_IN_ALL)
        client = browser or scope_address(scope)
        if present.total() >= most or present[client] >= LOGINS_OF_AN_ADDRESS:
            await _refuse(send)
            return
        present[client] += 1
        try:
            async with self._free:
                await self._application(scope, receive, send)
        finally:
            present[client] -= 1
            if not present[client]:
                del present[client]


def _cookies(scope: Scope) -> dict[str, str]:
    given = [value.decode("latin-1") for name, value in scope.get("headers", []) if name == b"cookie"]
    return parse_cookie("; ".join(given))


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(BUSY)).encode()),
        (b"retry-after", str(RETRY_AFTER_S).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": BUSY})
