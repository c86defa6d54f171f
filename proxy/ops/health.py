"""Whether this process does its work, for monitoring and for the installer."""

import threading
import time
from dataclasses import dataclass

from django.db import Error as DjangoError
from django.db import transaction

from proxy.models import ConfigRevision
from proxy.observe.live.views import store
from proxy.types import PoolStatus

FRESH_S = 15.0
"""A snapshot older than this is not that of a proxy at work."""
WRITABLE_FOR_S = 5.0
"""How long an answer of the database counts: asking costs a write lock, and anybody may ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What is ready."""

    listening: bool
    """A proxy runs in this process and takes miners."""
    pool: bool
    """A pool is up."""
    database: bool
    """The database can be written."""

    @property
    def ready(self) -> bool:
        """Whether miners get work and what they do is kept."""
        return self.listening and self.pool and self.database


class _Database:
    """Asks the database at most every few seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._answer = False

    def writable(self) -> bool:
        with self._lock:
            if time.monotonic() - self._asked_at >= WRITABLE_FOR_S:
                self._answer, self._asked_at = can_write(), time.monotonic()
            return self._answer

    def forget(self) -> None:
        with self._lock:
            self._asked_at = float("-inf")


database = _Database()


def can_write() -> bool:
    """Write a row and take it back."""
    try:
        with transaction.atomic():
            ConfigRevision.objects.update_or_create(pk=1)
            transaction.set_rollback(True)
    except DjangoError:
        return False
    return True


def readiness() -> Readiness:
    """As it is now; the database as of the last few seconds."""
    snapshot = store.current()
    listening = snapshot is not None and abs(time.time() - snapshot.at) < FRESH_S and bool(snapshot.miner_address)
    pool = snapshot is not None and any(pool.status is PoolStatus.UP for pool in snapshot.pools)
    return Readiness(listening=listening, pool=pool, database=database.writable())
