"""The stream of live snapshots: server-sent events, before Django, because Django would hold a place for each reader.

An event is rendered once for all readers with the same permissions, and sent to one reader a turn of the loop. A slow
reader costs at most ``MOST_BYTES`` of memory: what a connection is sent is limited, and then it begins anew.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError

from dashboard import live
from dashboard.access import Access
from dashboard.api.callers import Caller, caller_of
from dashboard.api.problems import CONTENT_TYPE, body
from dashboard.api.shown import shown_to
from dashboard.single_flight import SingleFlight, per_loop_lock
from dpmp_site.hosts import Receive, Scope, Send, is_allowed, scope_address
from proxy.observe.live.broadcast import GROUP
from proxy.observe.live.views import LiveSnapshot

LASTS_S = 50.0
"""Below the web server's own limit for an answer."""
CHECKED_EVERY_S = 5.0
"""Whether the token still works."""
STILL_THERE_S = 15.0
"""A comment is sent after as long without an event."""
STILL_THERE = b": \n\n"
MOST_BYTES = 512 * 1024
MOST_READERS = 16
MOST_OF_A_TOKEN = 4
MOST_EVENTS = 60


def event_of(snap: LiveSnapshot) -> bytes:
    """The event of ``snap``, for the caller of this request."""
    from dashboard.api import now  # loaded with the first call of the API

    data = now.snapshot(snap).model_dump_json()
    return f"id: {max(0, snap.revision)}\nevent: snapshot\nretry: 1000\ndata: {data}\n\n".encode()


def _event_for(access: Access, snap: LiveSnapshot) -> bytes:
    with shown_to(access):
        return event_of(snap)


class EventStream:
    """The ASGI application at ``/api/v1/stream``; the gate has let in only who has a token."""

    def __init__(self) -> None:
        self._events: SingleFlight[bytes] = SingleFlight()
        self._readers: Counter[int] = Counter()
        """Open streams by token; as small as there are streams."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        wanted = _events_wanted(scope["query_string"])
        if len(hosts) != 1 or not is_allowed(hosts[0], settings.CONFIGURED_HOSTS):
            await _refuse(send, 400, "This name is not allowed.")
            return
        if wanted is None:
            await _refuse(send, 422, f"events: a number from 1 to {MOST_EVENTS}.")
            return
        try:
            caller = await _caller(scope)
        except DatabaseError:
            await _refuse(send, 503, "The database does not answer.")
            return
        if caller is None:
            await _refuse(send, 401, "This token no longer works.")
            return
        token = caller.token.pk
        if self._readers.total() >= MOST_READERS or self._readers[token] >= MOST_OF_A_TOKEN:
            await _refuse(send, 429, "Too many open streams.")
            return
        self._readers[token] += 1
        try:
            await self._serve(scope, receive, send, caller, wanted)
        finally:
            self._readers[token] -= 1
            self._readers += Counter()  # drops what is zero

    async def _serve(self, scope: Scope, receive: Receive, send: Send, caller: Caller, wanted: int) -> None:
        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            sending.cancel()

        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(scope, send, caller, wanted))
            watching = group.create_task(until_gone())
            sending.add_done_callback(lambda _: watching.cancel())

    async def _send(self, scope: Scope, send: Send, caller: Caller, wanted: int) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        try:
            with suppress(TimeoutError, DatabaseError):  # the reader comes again, and is told then
                async with asyncio.timeout(LASTS_S):
                    await self._send_events(scope, send, caller, wanted, lambda: _tick(layer, channel))
        finally:
            await layer.group_discard(GROUP, channel)
        await send({"type": "http.response.body", "body": b""})

    async def _send_events(
        self, scope: Scope, send: Send, caller: Caller, wanted: int, tick: Callable[[], Awaitable[bool]]
    ) -> None:
        sent, checked_at, shown, ticked = 0, time.monotonic(), None, True
        while wanted and sent < MOST_BYTES:
            if time.monotonic() - checked_at >= CHECKED_EVERY_S:
                now_there = await _caller(scope)
                if now_there is None or now_there.access != caller.access:
                    return
                checked_at = time.monotonic()
            said, snap = b"" if ticked else STILL_THERE, live.snapshot()
            if snap is not shown:
                shown, wanted = snap, wanted - 1
                async with per_loop_lock():
                    said = await self._event(caller.access, snap)
            if said:
                await send({"type": "http.response.body", "body": said, "more_body": True})
                sent += len(said)
            if wanted and sent < MOST_BYTES:
                ticked = await tick()

    async def _event(self, access: Access, snap: LiveSnapshot) -> bytes:
        async def make() -> bytes:
            return await database_sync_to_async(_event_for)(access, snap)

        return await self._events.get((snap.started_at, snap.revision), access.may, make)


async def _tick(layer: Any, channel: str) -> bool:
    """Wait for the next snapshot; False: there was none for ``STILL_THERE_S``."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STILL_THERE_S):
            await layer.receive(channel)
            return True
    return False


async def _caller(scope: Scope) -> Caller | None:
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return await database_sync_to_async(caller_of)(header.decode("latin-1"), scope_address(scope))


def _events_wanted(query: bytes) -> int | None:
    try:
        text = parse_qs(query.decode(), max_num_fields=10).get("events", [str(MOST_EVENTS)])[0]
    except ValueError:
        return None
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MOST_EVENTS else None


async def _refuse(send: Send, status: int, detail: str) -> None:
    said = body(status, detail)
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(said)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="dpmp"'))
    if status in (429, 503):
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said})
