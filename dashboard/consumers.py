"""The one WebSocket of a page: sends the page's live regions as they change.

A viewer is sent one frame at a time: the next one leaves when the browser has said that it shows the last, and is made
from the newest snapshot then. So a slow viewer skips frames and never sees old ones.
"""

import itertools
import json
import time
from typing import Any
from urllib.parse import parse_qs

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import translation

from dashboard import live
from dashboard.access import NOBODY
from dashboard.single_flight import per_loop_lock
from dashboard.viewers import Viewer, check, viewer_access, viewer_of
from proxy.observe.live.broadcast import GROUP

LOGGED_OUT = 4401
NOT_READING = 4408
ACK_TIMEOUT_S = 30.0
MAX_MESSAGE = 200
JOIN_AGAIN_S = 3600.0
"""Channel layers put a page out of its group a day after it joined; one on a wall stays open for months."""

_ids = itertools.count(1)


class LiveConsumer(AsyncWebsocketConsumer):
    """One viewer of one page."""

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of ``message``.

        Channels' own first has a thread close old database connections, which costs more than most messages do; what
        asks the database here closes them itself (``database_sync_to_async``).

        Raises:
            ValueError: there is no such handler.
        """
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(message["type"])
        await handler(message)

    async def connect(self) -> None:
        """Accept viewers whose session allows it; the query names the page's regions."""
        self._id = next(_ids)
        self._viewer: Viewer = await database_sync_to_async(viewer_of)(self.scope["session"])
        access = (await database_sync_to_async(check)([self._viewer]))[self._viewer]
        self._keys = _wanted(self.scope["query_string"])
        if access == NOBODY or not self._keys:
            await self.close(code=LOGGED_OUT)
            return
        self._language = _language(self.scope)
        self._shown: dict[str, str] = {}
        self._waiting_since: float | None = None
        self._behind = False
        viewer_access.add(self._id, self._viewer)
        await self._join()
        await self.accept()
        await self._push(live.snapshot().revision)

    async def disconnect(self, code: int) -> None:
        """Forget the viewer."""
        viewer_access.remove(self._id)
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def live_tick(self, message: dict[str, Any]) -> None:
        """There is a newer snapshot: send it, or remember to do so when the viewer has caught up."""
        if time.monotonic() - self._joined_at >= JOIN_AGAIN_S:
            await self._join()
        if self._waiting_since is None:
            await self._push(message["revision"])
            return
        self._behind = True
        if time.monotonic() - self._waiting_since > ACK_TIMEOUT_S:
            await self.close(code=NOT_READING)
        elif await viewer_access.access(self._viewer, message["revision"]) == NOBODY:
            await self.close(code=LOGGED_OUT)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The browser shows the last frame; any other message is ignored."""
        if text_data is None or len(text_data) > MAX_MESSAGE or not _is_ack(text_data):
            await self.close(code=1003)
            return
        self._waiting_since = None
        if self._behind:
            await self._push(live.snapshot().revision)

    async def _join(self) -> None:
        """Hear of new snapshots for another day."""
        self._joined_at = time.monotonic()
        await self.channel_layer.group_add(GROUP, self.channel_name)

    async def _push(self, revision: int) -> None:
        async with per_loop_lock():
            await self._send_frame(revision)

    async def _send_frame(self, revision: int) -> None:
        access = await viewer_access.access(self._viewer, revision)
        if access == NOBODY:
            await self.close(code=LOGGED_OUT)
            return
        frame = await live.frames.get(self._keys, access, self._language)
        html = frame.html(self._shown)
        self._shown = frame.digests()
        self._behind = False
        self._waiting_since = time.monotonic()
        await self.send(text_data=html)


def _wanted(query: bytes) -> tuple[str, ...]:
    """The regions a page asks for: ``r=split&r=pool:A``; unknown ones are ignored."""
    return tuple(key for key in dict.fromkeys(_of_query(query, "r")) if live.find(key))


def _of_query(query: bytes, name: str) -> list[str]:
    """What stands for ``name`` in a query of no more than the most regions of a page, and its language."""
    try:
        return parse_qs(query.decode(), max_num_fields=live.MAX_REGIONS + 1).get(name, [])
    except ValueError:
        return []


def _language(scope: dict[str, Any]) -> str:
    """The language that the page names; else the cookie of Django's language switch, else the browser's preference."""
    named = _of_query(scope["query_string"], "lang")[:1]
    chosen = scope.get("cookies", {}).get(settings.LANGUAGE_COOKIE_NAME, "")
    accepted = dict(scope.get("headers", [])).get(b"accept-language", b"").decode("latin-1")
    candidates = [
        *named,
        chosen,
        *(part.split(";")[0].strip() for part in accepted.split(",")[:8]),
        settings.LANGUAGE_CODE,
    ]
    for candidate in filter(None, candidates):
        try:
            return translation.get_supported_language_variant(candidate)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


def _is_ack(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and "ack" in message
