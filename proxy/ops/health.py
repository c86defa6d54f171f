"""Health of this process, for monitoring and the installer."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error as DjangoError
from django.db import transaction

from proxy.models import ConfigRevision
from proxy.observe.live.views import own, store
from proxy.types import PoolStatus

FRESH_S = 15.0
"""An older snapshot means that the proxy does not run."""
WRITABLE_FOR_S = 5.0
"""How long a test of the database is cached: it needs a write lock, and the pages need no login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Which parts are ready."""

    ready: bool
    """Miners get work and their shares are stored. Of several nodes each works on while their database is away, and
    keeps what it counts until it is back: a balancer that took them all out for it would leave miners without work."""
    listening: bool
    """A proxy runs in this process and accepts miners."""
    pool: bool
    """A pool is up."""
    database: bool
    """The database can be written."""


class _WriteTest:
    """Tests the database at most every ``WRITABLE_FOR_S``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tested_at = float("-inf")
        self._result = False

    def writable(self) -> bool:
        with self._lock:
            if time.monotonic() - self._tested_at >= WRITABLE_FOR_S:
                self._result, self._tested_at = can_write(), time.monotonic()
            return self._result

    def forget(self) -> None:
        with self._lock:
            self._tested_at = float("-inf")


database = _WriteTest()


class Several:
    """Set by a node that is one of several: what its parts say of the database, instead of a test."""

    trouble: Callable[[], str] | None = None


several = Several()


def can_write() -> bool:
    """Whether the database can be written: writes a row and rolls back."""
    try:
        with transaction.atomic():
            ConfigRevision.objects.update_or_create(pk=1)
            transaction.set_rollback(True)
    except DjangoError:
        return False
    return True


def readiness() -> Readiness:
    """The current state; that of the database is at most ``WRITABLE_FOR_S`` old.

    Of the proxy in this process; of all nodes where it serves pages alone.
    """
    snapshot = own.current() or store.current()
    listening = snapshot is not None and abs(time.time() - snapshot.at) < FRESH_S and bool(snapshot.miner_address)
    pool = snapshot is not None and any(pool.status is PoolStatus.UP for pool in snapshot.pools)
    if several.trouble is not None:
        return Readiness(listening=listening, pool=pool, database=not several.trouble(), ready=listening and pool)
    writable = database.writable()
    return Readiness(listening=listening, pool=pool, database=writable, ready=listening and pool and writable)
