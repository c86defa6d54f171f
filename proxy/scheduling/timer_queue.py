"""What is due when in the whole fleet: one queue, and one timer for the first of it."""

import heapq
import math
from collections.abc import Callable

from proxy.ports import Clock, Timer
from proxy.scheduling.fleet import Group
from proxy.scheduling.miner import Member

_SUPERSEDED = 8
"""Entries for each live one beyond which the queue is cleared of those that no longer hold."""
_ALWAYS = 256


class TimerQueue:
    """Next steps of miners and next checks of groups. A later ``due`` supersedes what was planned before."""

    def __init__(self, clock: Clock, run: Callable[[], None]) -> None:
        """``run`` is called when the time that ``wake`` was given has come."""
        self._clock = clock
        self._run = run
        self._queue: list[tuple[float, int, Member | Group]] = []
        self._count = 0
        self._live = 0
        self._timer: Timer | None = None
        self._timer_due = math.inf

    def __len__(self) -> int:
        return len(self._queue)

    def plan(self, member: Member) -> None:
        """Plan the next step of a miner, if it is not planned yet."""
        if member.due < math.inf and member.due != member.armed:
            member.armed = member.due
            self._push(member.due, member)

    def plan_check(self, group: Group) -> None:
        """Plan the next check of a group, if it is not planned yet."""
        if group.due < math.inf and group.due != group.armed:
            group.armed = group.due
            self._push(group.due, group)

    def plan_all(self, group: Group) -> None:
        """Plan the next check of a group and the next steps of its miners."""
        for member in group.members.values():
            self.plan(member)
        self.plan_check(group)

    def take(self, now: float) -> Member | Group | None:
        """Take who is due at monotonic time ``now``, the earliest first; None: nobody (any more)."""
        while self._queue and self._queue[0][0] <= now:
            due, _, target = heapq.heappop(self._queue)
            if target.armed == due:
                target.armed = math.inf
            if target.due == due:
                return target
        return None

    def wake(self, latest: float) -> None:
        """Have ``run`` called when the first is due, at ``latest`` (monotonic) in any case."""
        due = min(self._queue[0][0] if self._queue else math.inf, latest)
        if due == self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due < math.inf:
            self._timer = self._clock.call_at(due, self._called)

    def _called(self) -> None:
        self._timer, self._timer_due = None, math.inf
        self._run()

    def _push(self, due: float, target: Member | Group) -> None:
        self._count += 1
        heapq.heappush(self._queue, (due, self._count, target))
        if len(self._queue) > _ALWAYS + _SUPERSEDED * self._live:
            self._prune()

    def _prune(self) -> None:
        """Drop what no longer holds; who is due when, and in which order, stays as it was."""
        kept: dict[tuple[float, int], tuple[float, int, Member | Group]] = {}
        for due, count, target in sorted(self._queue, key=lambda entry: entry[1]):
            if target.due == due:
                kept.setdefault((due, id(target)), (due, count, target))
            elif target.armed == due:
                target.armed = math.inf
        self._queue = list(kept.values())
        heapq.heapify(self._queue)
        self._live = len(self._queue)
