"""Asks the feed of releases at most once a day, where it is switched on."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from proxy import VERSION
from proxy.net.http_client import HttpFetcher, HttpLimits, SourceError, authorities, make_client
from proxy.nodes.lease import Lease, OwnLease
from proxy.observe.events import EventStream, UpdateAvailable, UpdateCheckFailed
from proxy.ports import TimeSource

if TYPE_CHECKING:
    from proxy.updates.releases import Release

DAY_S = 86_400.0
JITTER_S = 3_600.0
"""Not everybody asks at the same minute."""
FIRST_S = 120.0
"""After a start; mining comes first."""
LIMITS = HttpLimits(timeout_s=15.0, max_bytes=200_000)


class UpdateService:
    """``apply`` with the feed's address (empty: off), ``run`` until cancelled; ``newer`` is what is there."""

    def __init__(
        self,
        *,
        clock: TimeSource,
        events: EventStream,
        memory: Path,
        version: str = VERSION,
        first_s: float = FIRST_S,
        jitter: Callable[[], float] = lambda: random.uniform(0.0, JITTER_S),
        lease: Lease | None = None,
    ) -> None:
        """``memory``: the file that keeps when the feed was asked last, so that a restart does not ask again."""
        self.newer: Release | None = None
        self._clock, self._events, self._memory, self._version = clock, events, memory, version
        self._first_s, self._jitter = first_s, jitter
        self._lease = lease or OwnLease()
        self._feed = ""
        self._changed = asyncio.Event()

    def apply(self, feed: str) -> None:
        """Ask ``feed`` from now on; empty: nobody."""
        if feed == self._feed:
            return
        self._feed, self.newer = feed, None
        self._changed.set()

    async def run(self) -> None:
        """Wait for the next day and ask, again and again."""
        while True:
            self._changed.clear()
            feed = self._feed
            if not feed:
                await self._changed.wait()
                continue
            from proxy.updates.releases import is_newer  # loaded where it is switched on

            asked_at, known = await asyncio.to_thread(self._remembered, feed)
            self.newer = known if known is not None and is_newer(known, self._version) else None
            wait_s = max(self._first_s, asked_at + DAY_S + self._jitter() - self._clock.wall())
            try:
                await asyncio.wait_for(self._changed.wait(), min(wait_s, DAY_S + JITTER_S))
            except TimeoutError:
                if self._lease.held:
                    await self._ask(feed)

    async def _ask(self, feed: str) -> None:
        from proxy.updates.releases import FeedError, is_newer, release_of

        found: Release | None = None
        try:
            async with make_client(await authorities()) as client:
                found = release_of(await HttpFetcher(client, LIMITS).json(feed))
        except (SourceError, FeedError) as error:
            self._events.emit(UpdateCheckFailed(problem=str(error)[:200]))
        else:
            if is_newer(found, self._version):
                self._events.emit(UpdateAvailable(version=found.version, url=found.url))
        await asyncio.to_thread(self._remember, feed, found)

    def _remembered(self, feed: str) -> "tuple[float, Release | None]":
        """When ``feed`` was asked last (unix seconds; 0: never), and what it said."""
        from proxy.updates.releases import FeedError, release_of

        try:
            kept = json.loads(self._memory.read_bytes()[:10_000])
            if kept["feed"] != feed:
                return 0.0, None
            asked_at = min(float(kept["asked_at"]), self._clock.wall())  # a clock that was wrong stops nothing for long
            return asked_at, release_of(kept["release"]) if kept["release"] else None
        except (OSError, ValueError, KeyError, TypeError, FeedError):
            return 0.0, None

    def _remember(self, feed: str, found: "Release | None") -> None:
        release = {"version": found.version, "url": found.url} if found else None
        text = json.dumps({"feed": feed, "asked_at": self._clock.wall(), "release": release})
        try:
            self._memory.write_text(text)
        except OSError as error:
            self._events.emit(UpdateCheckFailed(problem=f"{self._memory} cannot be written: {error.strerror}"))
