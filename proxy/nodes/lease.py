"""Whether this node holds the lease: the right to do what must be done once, whatever the number of nodes.

The lease itself is a row in the database, with an expiry by the database's clock. Here is what a node may believe of
it by its own: it asks for the row, counts from before it asked, and stops believing a little before the row expires.
So of two nodes at most one believes, unless a machine stood still in between (a virtual machine that is paused): then
the epoch, which grows with each new holder and is checked in the same transaction as the write, keeps it from writing.
"""

from collections.abc import Callable
from typing import Protocol

LEASE_S = 10.0
"""How long the row holds without being renewed."""
RENEW_S = 2.5
"""Between two renewals: two may fail before it is lost."""
MARGIN_S = 1.5
"""A holder stops believing this long before the row expires: for what it has just begun, and for clocks' rates."""


class LeaseLost(Exception):
    """Another node holds the lease by now: what was to be written is not."""


class Lease(Protocol):
    """What those that do something once ask. May be asked in any thread."""

    @property
    def held(self) -> bool:
        """Whether this node holds it now. Ask again before each thing that is done."""

    @property
    def is_shared(self) -> bool:
        """Whether another node can hold it, so that ``held`` can change."""

    def check(self) -> None:
        """In the transaction that writes something: nobody else gets the lease until it ends.

        Raises:
            LeaseLost: another node has it.
            django.db.Error: the database cannot say.
        """


class OwnLease:
    """Where one proxy has its database for itself: always held, and nobody is asked."""

    held = True
    is_shared = False

    def check(self) -> None:
        """Nobody else can have it."""


def once(lease: Lease, job: Callable[[], None]) -> Callable[[], None]:
    """``job``, done only while the lease is held."""

    def do() -> None:
        if lease.held:
            job()

    return do if lease.is_shared else job


class SharedLease:
    """The right as this node knows it. ``monotonic`` must be readable in any thread; ``is_holder(epoch)`` asks the
    database whether this run is the holder since that epoch, and keeps it so until the transaction ends."""

    is_shared = True

    def __init__(self, monotonic: Callable[[], float], is_holder: Callable[[int], bool]) -> None:
        self._monotonic = monotonic
        self._is_holder = is_holder
        self._until = float("-inf")
        self.epoch = 0
        """Grows with each new holder."""

    @property
    def held(self) -> bool:
        """Whether it is held now."""
        return self._monotonic() < self._until

    def check(self) -> None:
        """See ``Lease.check``."""
        if not self._is_holder(self.epoch):
            self.lost()
            raise LeaseLost("another node does what is done once")

    def granted(self, epoch: int, asked_at: float) -> None:
        """The database gave or renewed it; ``asked_at`` is from before it was asked (monotonic)."""
        self.epoch, self._until = epoch, asked_at + LEASE_S - MARGIN_S

    def lost(self) -> None:
        """Another node holds it, or this one gave it up."""
        self._until = float("-inf")
