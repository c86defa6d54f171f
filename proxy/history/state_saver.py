"""What the engine finds again after a restart: the scheduler's state, the weights that were wanted, facts about pools.

Everything is read and written in threads; what cannot be written now is written the next time.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from asgiref.sync import sync_to_async
from django.db import Error as DjangoError
from django.db import close_old_connections

from proxy.history.locks import AT_THE_END_S, wait_at_most
from proxy.history.split import SplitMeter
from proxy.models import Pool, PoolFact
from proxy.models.state import SchedulerState
from proxy.observe.events import EventStream, SubscribeResult
from proxy.scheduling.scheduler import Scheduler
from proxy.types import PoolKey

SAVE_S = 30.0


class StateSaver:
    """Saves every ``SAVE_S`` seconds, and once more on ``close``; each ``node`` its own."""

    def __init__(self, events: EventStream, scheduler: Scheduler, splits: SplitMeter, node: str = "") -> None:
        self._node = node
        self._scheduler = scheduler
        self._splits = splits
        self._known: dict[PoolKey, int] = {}
        self._learned: dict[PoolKey, int] = {}
        self._closing = asyncio.Event()
        events.subscribe(SubscribeResult, self._on_subscribe)

    async def restore(self) -> None:
        """Give the parts what the last run left, before they hear of a configuration; nothing if it left nothing."""
        with suppress(DjangoError):
            row = await sync_to_async(_load, thread_sensitive=False)(self._node)
            if row.scheduler:
                self._scheduler.restore(row.scheduler)
            if row.split:
                self._splits.restore(row.split, same_books=not self._node)

    async def run(self) -> None:
        """Save now and then until ``close``."""
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), SAVE_S)
            if not self._closing.is_set():
                await self._save()

    async def close(self) -> None:
        """End ``run`` and save once more."""
        self._closing.set()
        await self._save(at_the_end=True)

    def _on_subscribe(self, event: SubscribeResult) -> None:
        if self._known.get(event.pool) != event.extranonce2_size:
            self._known[event.pool] = self._learned[event.pool] = event.extranonce2_size

    async def _save(self, *, at_the_end: bool = False) -> None:
        learned, self._learned = self._learned, {}
        try:
            parts = {"scheduler": await self._scheduler_state(at_once=at_the_end), "split": self._splits.dump()}
            await sync_to_async(_store, thread_sensitive=False)(self._node, parts, learned, at_the_end)
        except (DjangoError, OSError):
            self._learned = {**learned, **self._learned}

    async def _scheduler_state(self, *, at_once: bool) -> dict[str, object]:
        """With many miners it takes long, so others have their turns in between; not at the end."""
        if at_once:
            return self._scheduler.dump()
        parts = self._scheduler.dump_in_parts()
        while True:
            try:
                next(parts)
            except StopIteration as end:
                dumped: dict[str, object] = end.value
                return dumped
            await asyncio.sleep(0)


def _load(node: str) -> SchedulerState:
    """The node's own state; if it has none, the first to ask goes on from that of the proxy that was alone."""
    close_old_connections()
    own = SchedulerState.objects.filter(node=node)
    found = own.first()
    if found is None and node and SchedulerState.objects.filter(node="").update(node=node):
        found = own.first()
    return found or SchedulerState()


def _store(node: str, parts: Mapping[str, object], learned: Mapping[PoolKey, int], at_the_end: bool) -> None:
    close_old_connections()
    if at_the_end:
        wait_at_most(AT_THE_END_S)
    SchedulerState.objects.update_or_create(node=node, defaults=parts)
    for key, size in learned.items():
        pool = Pool.objects.filter(key=key).first()
        if pool is not None:
            PoolFact.objects.update_or_create(pool=pool, defaults={"extranonce2_size": size})
