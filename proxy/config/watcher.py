"""Applies changes of the configuration: at once those of this process, by the revision number those of others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.dispatch import Signal

from proxy.config.snapshot import ConfigSnapshot
from proxy.errors import ConfigError

POLL_S = 1.0

changed = Signal()
"""Sent after a commit that changed the configuration, or what else the proxy looks for in the database, in the thread
of the commit. Receivers must not block."""

Result = TypeVar("Result")


def announce() -> None:
    """Send ``changed``: it has been committed in this process."""
    changed.send_robust(sender=None)


@contextmanager
def hearing_changes(event: asyncio.Event) -> Iterator[None]:
    """Set ``event``, on the running loop, whenever ``changed`` is sent, from whatever thread."""
    loop = asyncio.get_running_loop()

    def hear(**_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    changed.connect(hear, weak=False)
    try:
        yield
    finally:
        changed.disconnect(hear)


class ConfigStore(Protocol):
    """Reads the configuration and records its state. All calls block and may raise the database's errors."""

    def current_revision(self) -> int:
        """The revision number; any change of the configuration raises it."""

    def load_snapshot(self) -> ConfigSnapshot:
        """The valid configuration. Raises ``ConfigError`` with sentences."""

    def mark_applied(self, revision: int) -> None:
        """Record that ``revision`` is in force."""

    def mark_refused(self, revision: int, problems: Sequence[str]) -> None:
        """Record that ``revision`` cannot be used."""


async def in_thread(call: Callable[[], Result]) -> Result:
    """Run a blocking call off the loop, without a database connection that is broken or too old."""

    def fresh() -> Result:
        close_old_connections()
        try:
            return call()
        finally:
            close_old_connections()

    return await sync_to_async(fresh, thread_sensitive=False)()


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Return when ``event`` is set, or after ``seconds``."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


class ConfigWatcher:
    """Keeps the newest valid configuration in force.

    ``on_snapshot`` gets each new one. ``on_refused`` gets the problems of one that cannot be used, once per revision;
    the old one stays. ``on_trouble`` gets an error when the configuration cannot be read, once, and None when it can
    be again. All three run on the loop that runs ``run``.
    """

    def __init__(
        self,
        store: ConfigStore,
        *,
        on_snapshot: Callable[[ConfigSnapshot], None],
        on_refused: Callable[[Sequence[str]], None],
        on_trouble: Callable[[Exception | None], None],
        poll_s: float = POLL_S,
        pause: Callable[[asyncio.Event, float], Awaitable[None]] = wait_for_event,
    ) -> None:
        self._store = store
        self._on_snapshot, self._on_refused, self._on_trouble = on_snapshot, on_refused, on_trouble
        self._poll_s, self._pause = poll_s, pause
        self._wake = asyncio.Event()
        self._seen: int | None = None
        self._pending_mark: Callable[[], None] | None = None
        """The record of the last revision that the store has not taken yet."""
        self._troubled = False

    async def run(self) -> None:
        """Check at once, whenever ``changed`` is sent and every ``poll_s`` seconds, until cancelled."""
        with hearing_changes(self._wake):
            while True:
                self._wake.clear()
                await self.check()
                await self._pause(self._wake, self._poll_s)

    async def check(self) -> None:
        """Apply the configuration if its revision is not the one seen last."""
        try:
            revision = await in_thread(self._store.current_revision)
            if revision != self._seen:
                await self._load(revision)
            if self._pending_mark is not None:
                await in_thread(self._pending_mark)
                self._pending_mark = None
        except Exception as error:  # whatever the database raises: the old configuration goes on
            self._report_trouble(error)
        else:
            self._report_trouble(None)

    async def _load(self, revision: int) -> None:
        try:
            snapshot = await in_thread(self._store.load_snapshot)
        except ConfigError as error:
            self._seen = revision
            self._pending_mark = partial(self._store.mark_refused, revision, error.problems)
            self._on_refused(error.problems)
        else:
            self._seen = snapshot.revision
            self._on_snapshot(snapshot)
            self._pending_mark = partial(self._store.mark_applied, snapshot.revision)

    def _report_trouble(self, error: Exception | None) -> None:
        """Call ``on_trouble`` when trouble begins and when it ends."""
        if (error is not None) != self._troubled:
            self._troubled = error is not None
            self._on_trouble(error)
