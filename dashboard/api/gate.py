"""What is refused before Django sees it: calls without a token that works, and more of them than are allowed.

A wrong token costs neither a thread nor a query: the hashes of the live ones are known here, and read anew at most once
a second when one is not among them. So guesses cannot keep anybody out: those with a token have a budget of their own.
Whether a token may do something is decided in ``dashboard.api.entry``, from the database.
"""

import math
import time
from collections.abc import Callable

from channels.db import database_sync_to_async
from django.db import DatabaseError

from dashboard.api.budgets import Budgets
from dashboard.api.callers import hash_in, hashes_of_live_tokens
from dashboard.api.problems import CONTENT_TYPE, body
from dashboard.single_flight import SingleFlight
from dpmp_site.hosts import Application, Receive, Scope, Send, scope_address
from proxy.peer_address import address_of

ROOT = "/api/v1/"
OPEN = frozenset({ROOT, f"{ROOT}openapi.json"})
"""The page about the API and its schema: those who are logged in may see them."""
STREAM = f"{ROOT}stream"
KNOWN_FOR_S = 30.0
"""A token that was revoked may come this far for this long, and no farther."""
AGAIN_AFTER_S = 1.0


class ApiGate:
    """Lets calls of the API with a live token through, as many as its budget allows; all other requests as they are."""

    def __init__(self, application: Application, stream: Application, clock: Callable[[], float] = time.monotonic):
        self._application, self._stream, self._clock = application, stream, clock
        self._known: frozenset[str] = frozenset()
        self._read_at = -math.inf
        self._reading: SingleFlight[frozenset[str]] = SingleFlight()
        self.of_tokens = Budgets(burst=300, per_s=20)
        self.of_changes = Budgets(burst=60, per_s=0.5)
        """Each change is kept: in the audit log, and many as a row of their own."""
        self.of_addresses = Budgets(burst=30, per_s=0.5)
        """Without a token that works."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not path.startswith(ROOT) or path in OPEN:
            await self._application(scope, receive, send)
            return
        digest = hash_in(_authorization(scope))
        try:
            known = digest is not None and await self._knows(digest)
        except DatabaseError:
            await _refuse(send, 503, NO_DATABASE, (b"retry-after", b"5"))
            return
        budgets, key = (self.of_tokens, digest or "") if known else (self.of_addresses, _address(scope))
        wait = budgets.take(key, self._clock())
        if known and not wait and scope["method"] not in ("GET", "HEAD"):
            wait = self.of_changes.take(key, self._clock())
        if wait:
            detail = "Too many requests with this token." if known else "Too many requests without a token that works."
            await _refuse(send, 429, detail, (b"retry-after", str(math.ceil(wait)).encode()))
        elif not known:
            await _refuse(send, 401, NO_TOKEN, (b"www-authenticate", CHALLENGE.encode()))
        elif path == STREAM and scope["method"] == "GET":
            await self._stream(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _knows(self, digest: str) -> bool:
        age = self._clock() - self._read_at
        if age > (KNOWN_FOR_S if digest in self._known else AGAIN_AFTER_S):
            self._known = await self._reading.get(self._read_at, "all", database_sync_to_async(hashes_of_live_tokens))
            self._read_at = self._clock()
        return digest in self._known


NO_DATABASE = "The database does not answer."
NO_TOKEN = "Send a token: 'Authorization: Bearer dpmp_...'. Tokens are made under Your account."
CHALLENGE = 'Bearer realm="dpmp"'


def _authorization(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _address(scope: Scope) -> str:
    """As a miner's: all of an IPv6 network is one."""
    host = scope_address(scope)
    return address_of(f"[{host}]:0" if ":" in host else f"{host}:0")


async def _refuse(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    said = body(status, detail)
    fixed = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(said)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": said})
