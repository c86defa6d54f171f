"""Shares that a pool was sent and has not answered. Each ends exactly once: answered, expired, or lost.

A share that expired is remembered for a while, for its answer may still come.
"""

from collections.abc import Callable
from typing import TypeAlias

from proxy.stratum.upstream_owner import PendingSubmit, ShareAnswer

SUBMIT_TIMEOUT_S = 60.0
MAX_PENDING = 4_096
MAX_EXPIRED = 64

SentSubmit: TypeAlias = tuple[PendingSubmit, float, int | None]
"""Who waits, since when, and the version bits that were sent."""


class OpenSubmits(dict[int, SentSubmit]):
    """One connection's, by the id of their calls, the oldest first.

    A dictionary, for each share passes here: whoever takes one out that was answered calls ``ended`` afterwards.
    """

    __slots__ = ("_expired", "on_all_ended")

    def __init__(self) -> None:
        super().__init__()
        self.on_all_ended: Callable[[], None] | None = None
        """Called when the last one has ended; None while nobody waits for that."""
        self._expired: dict[int, PendingSubmit] | None = None

    @property
    def oldest_at(self) -> float | None:
        """When the oldest was sent; None without any."""
        return next(iter(self.values()))[1] if self else None

    def ended(self) -> None:
        """One has ended."""
        if self.on_all_ended is not None and not self:
            self.on_all_ended()

    def make_room(self, now: float) -> None:
        """See that there is room for one more: the oldest is waited for no longer."""
        if len(self) >= MAX_PENDING:
            self._expire(now)

    def expire(self, now: float) -> None:
        """End those that have been waited for long enough."""
        while (oldest_at := self.oldest_at) is not None and now - oldest_at >= SUBMIT_TIMEOUT_S:
            self._expire(now)

    def take_expired(self, ident: int) -> PendingSubmit | None:
        """The one of that id, if it has expired and is still remembered; it is not any more."""
        return self._expired.pop(ident, None) if self._expired else None

    def lose(self, now: float) -> None:
        """The connection has ended, and no answer comes any more."""
        lost = list(self.values())
        self.clear()
        for pending, sent_at, _ in lost:
            pending.answered(ShareAnswer(False, None, now - sent_at, lost=True))
        expired, self._expired = self._expired, None
        for late in (expired or {}).values():
            late.given_up()

    def _expire(self, now: float) -> None:
        ident = next(iter(self))
        pending, sent_at, _ = self.pop(ident)
        if self._expired is None:
            self._expired = {}
        if len(self._expired) >= MAX_EXPIRED:
            self._expired.pop(next(iter(self._expired))).given_up()
        self._expired[ident] = pending
        pending.answered(ShareAnswer(False, None, now - sent_at, lost=True))
        self.ended()
