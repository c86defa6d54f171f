"""Publishes the live snapshot: once a second, sooner after important events, and notifies the open pages.

Where no pages are served nobody looks at it but the alert rules and who scrapes the metrics: what the rules need is
looked at every few seconds then, and the whole is made when it is asked for.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import suppress
from math import inf
from typing import TypeVar

from proxy.observe.events import (
    ConfigLoaded,
    ConfigRefused,
    DatabaseTrouble,
    Event,
    EventStream,
    MinerDisconnected,
    MinerReady,
    NoPoolForLong,
    OverrideChanged,
    PoolDown,
    PoolSwitched,
    PoolUp,
    PoolWorksAgain,
)
from proxy.observe.live.broadcast import Ticker
from proxy.observe.live.snapshot import Found, SnapshotBuilder
from proxy.observe.live.views import LiveSnapshot, own, store
from proxy.ports import Clock

T = TypeVar("T")

TURN_S = 0.001
"""A look at all miners goes on for so long before others have their turn."""
FREED_A_TURN = 64
"""Rows of the last snapshot that are let go of without a break: all at once, thousands would take ten milliseconds."""
SNAPSHOT_S = 1.0
SNAPSHOT_MIN_S = 0.5
SNAPSHOT_PART = 0.01
"""Part of the loop's time that building snapshots may use."""
SNAPSHOT_MAX_S = 5.0
"""Longest pause between snapshots: pages stand still meanwhile, and ``/readyz`` expects one every 15 s."""
UNSEEN_S = 10.0
"""Between two snapshots where this process serves no pages: as often as the alert rules look. They are outlines then:
the rows of a thousand workers with a share each since the last one take as long as a thousand shares."""
_TELL_AT_ONCE: tuple[type[Event], ...] = (
    PoolDown,
    PoolUp,
    ConfigLoaded,
    ConfigRefused,
    OverrideChanged,
    DatabaseTrouble,
    NoPoolForLong,
    PoolWorksAgain,
)
"""What alerts are about."""
_SHOW_AT_ONCE: tuple[type[Event], ...] = (PoolSwitched, MinerReady, MinerDisconnected)
"""What a page is to follow as well."""


class Publisher:
    """Builds snapshots for the rest of the process; ``ticker`` None where this process serves no pages.

    ``is_seen``: whether they are looked at once a second; None: where this process serves pages.
    """

    def __init__(
        self,
        builder: SnapshotBuilder,
        *,
        clock: Clock,
        events: EventStream,
        ticker: Ticker | None,
        report: Callable[[str, Exception], None],
        show: Callable[[LiveSnapshot], None] | None = None,
        is_seen: bool | None = None,
    ) -> None:
        """``report``: takes where a notification failed, and how. ``show``: takes each snapshot for the pages;
        None: they show it as it is.
        """
        self._builder = builder
        self._clock = clock
        self._ticker = ticker
        self._report = report
        self._show = show or store.put
        self._is_seen = ticker is not None if is_seen is None else is_seen
        self._troubled = False
        """Whether the last notification failed: that is reported once, not with each snapshot."""
        self._whole_at = -inf
        """When the last snapshot was made that is no outline."""
        self._gauged_at = -inf
        """When the last one was made in which all gauges were of that moment."""
        self._revision = 0
        self._urgent = asyncio.Event()
        self._making = asyncio.Lock()
        """Who makes a snapshot in turns."""
        for kind in (*_TELL_AT_ONCE, *_SHOW_AT_ONCE) if self._is_seen else _TELL_AT_ONCE:
            events.subscribe(kind, lambda _: self._urgent.set())

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._urgent.clear()
            took = await self._make()
            await self._notify_pages()
            pause = snapshot_pause_s(took)
            await asyncio.sleep(pause)
            usual = SNAPSHOT_S - SNAPSHOT_MIN_S if self._is_seen else UNSEEN_S - pause
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), max(usual, 0.0))

    async def _make(self) -> float:
        """Make one, an outline where that is enough; returns the seconds that it took."""
        builder = self._builder
        async with self._making:
            if self._is_seen or not builder.may_outline:
                return await self._make_whole()
            return await self._make_outline(builder.look_for_outline())

    async def _make_outline(self, look: Generator[None, None, None]) -> float:
        took, _ = await self._in_turns(look)
        began = self._clock.now()
        self._put(self._builder.outline())
        return took + self._clock.now() - began

    async def _make_whole(self) -> float:
        took, found = await self._in_turns(self._builder.look())
        took += self._publish(found)
        while found.old:
            del found.old[-FREED_A_TURN:]
            await asyncio.sleep(0)
        return took

    async def _in_turns(self, work: Generator[None, None, T]) -> tuple[float, T]:
        """Do what takes long, of many workers, with turns of others in between; returns the seconds that it took, and
        what came of it."""
        took, began = 0.0, self._clock.now()
        while True:
            try:
                next(work)
            except StopIteration as end:
                return took + self._clock.now() - began, end.value
            spent = self._clock.now() - began
            if spent >= TURN_S:
                took += spent
                await asyncio.sleep(0)
                began = self._clock.now()

    async def refresh(self, *, rows: bool = True) -> None:
        """Have a snapshot that is at most a second old, where they come more seldom: somebody is about to read it.

        ``rows``: also those of all workers, which most metrics do without.
        """
        async with self._making:
            if not self._is_old(self._whole_at if rows else self._gauged_at):
                return
            if rows or not self._builder.may_outline:
                await self._make_whole()
            else:
                await self._make_outline(self._builder.look_for_gauges())
                self._gauged_at = self._clock.now()

    def _is_old(self, at: float) -> bool:
        return not self._is_seen and self._clock.now() - at > SNAPSHOT_S

    def renew(self) -> None:
        """Have a snapshot of this moment: something that others go by has changed."""
        self._publish()

    def _publish(self, found: Found | None = None) -> float:
        """Make a whole one; returns the seconds that it took."""
        began = self._clock.now()
        self._put(self._builder.build(found))
        self._whole_at = self._gauged_at = self._clock.now()
        return self._whole_at - began

    def _put(self, snapshot: LiveSnapshot) -> None:
        own.put(snapshot)
        self._show(snapshot)
        self._revision = snapshot.revision

    async def _notify_pages(self) -> None:
        """A channel layer that fails, as Redis may in ways of its own, costs the pages their ticks and nothing else."""
        if self._ticker is None:
            return
        try:
            await self._ticker.tick(self._revision)
            self._troubled = False
        except Exception as error:
            if not self._troubled:
                self._report("pages", error)
            self._troubled = True


def snapshot_pause_s(took: float) -> float:
    """How long to wait before the next snapshot when the last took ``took`` seconds."""
    return min(max(SNAPSHOT_MIN_S, took / SNAPSHOT_PART), SNAPSHOT_MAX_S)
