"""What alert rules need of all workers, where nobody looks at their rows: a tenth of what those cost.

A worker's outline is made anew where something of it has changed, and its rates once a minute, a few workers in a turn
of the loop: however many there are, nobody waits for it.
"""

from collections.abc import Generator, Sequence

from proxy.engine.engine import Engine
from proxy.engine.session import Session
from proxy.history import Accounting
from proxy.observe.live.changed import ChangedWorkers
from proxy.observe.live.rows import RATES_KEPT_S, rate_view
from proxy.observe.live.views import UNKNOWN_RATE, WorkerOutline
from proxy.ports import Clock
from proxy.types import WorkerName

OUTLINES_A_TURN = 64
"""Looked at without a break: a millisecond, two where all rates are a minute before."""


class Outlines:
    """Keeps the outlines of the last time and uses again what still holds."""

    def __init__(self, *, engine: Engine, accounting: Accounting, clock: Clock, changed: ChangedWorkers) -> None:
        self._engine = engine
        self._accounting = accounting
        self._clock = clock
        self._changed = changed
        self._made: dict[WorkerName, WorkerOutline] = {}
        """Of those that are there, the oldest rates first."""
        self._away: dict[WorkerName, WorkerOutline] = {}
        self._left: list[WorkerName] = []
        """Who is still to be looked at, the next one last."""
        self._all: tuple[WorkerOutline, ...] | None = None

    def make(self) -> Generator[None, None, None]:
        """Look at the workers that changed and at those whose rates are old, and yield after every few."""
        names = self._changed.take(self, (*self._made, *self._away))
        too_old = self._clock.now() - RATES_KEPT_S
        for name, outline in self._made.items():
            if outline.rates_at > too_old:
                break
            names.append(name)
        self._left.extend(reversed(names))
        while self._left:
            for name in self._left[: -OUTLINES_A_TURN - 1 : -1]:
                self._look(name)
            del self._left[-OUTLINES_A_TURN:]
            yield

    def outlines(self) -> tuple[WorkerOutline, ...]:
        """Those of the last time."""
        if self._all is None:
            self._all = (*self._made.values(), *self._away.values())
        return self._all

    def _look(self, name: WorkerName) -> None:
        """Have what holds now of a worker that is there, or away and shown."""
        sessions = self._engine.workers.of(name)
        mine, others = (self._made, self._away) if sessions else (self._away, self._made)
        gone, before = others.pop(name, None), mine.get(name)
        outline = None
        if sessions or self._changed.is_shown(name):
            outline = self._outline(name, sessions, before)
        if before is not None and (outline is None or outline.rates_at != before.rates_at):
            del mine[name]
        if outline is not None:
            mine[name] = outline
        if gone is not None or outline is not before:
            self._all = None

    def _outline(self, name: WorkerName, sessions: Sequence[Session], before: WorkerOutline | None) -> WorkerOutline:
        """``before`` if it holds, else another one."""
        now = self._clock.now()
        stamp, last_share_at, good, rejected = self._accounting.answered(name)
        newest = sessions[-1] if sessions else None
        connected_at, waiting, difficulty = None, "", 0.0
        if newest is not None:
            connected_at, difficulty = newest.connected_at, newest.sender.assigned_difficulty or 0.0
            waiting = newest.waiting if newest.current is None else ""
        rates_at, rate_1h, rate_24h = now, UNKNOWN_RATE, UNKNOWN_RATE
        if before is not None and (newest is None or 0.0 <= now - before.rates_at < RATES_KEPT_S):
            is_same = before.stamp == stamp
            if (
                is_same
                and before.connections == len(sessions)
                and before.connected_at == connected_at
                and before.waiting == waiting
                and before.difficulty == difficulty
            ):
                return before
            if before.rate_24h.known or is_same:
                rates_at, rate_1h, rate_24h = before.rates_at, before.rate_1h, before.rate_24h
        if newest is not None and rates_at == now:
            rates = self._accounting.rates(name)
            rate_1h, rate_24h = rate_view(rates.h1), rate_view(rates.h24)
        return WorkerOutline(
            name,
            len(sessions),
            good,
            rejected,
            connected_at,
            last_share_at,
            waiting,
            difficulty,
            rate_1h,
            rate_24h,
            stamp,
            rates_at,
        )
