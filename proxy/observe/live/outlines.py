"""What alert rules need of all workers, where nobody looks at their rows: a tenth of what those cost.

A worker's outline is made anew where something of it has changed, and its rates once a minute, a few workers in a turn
of the loop: however many there are, nobody waits for it.
"""

from collections import defaultdict
from collections.abc import Generator, Sequence

from proxy.engine.engine import Engine
from proxy.engine.session import Session
from proxy.history import Accounting
from proxy.in_parts import in_parts
from proxy.observe.live.rows import AWAY_KEPT, RATES_KEPT_S, rate_view
from proxy.observe.live.views import UNKNOWN_RATE, WorkerOutline
from proxy.ports import Clock
from proxy.types import WorkerName

SESSIONS_A_TURN, OUTLINES_A_TURN = 512, 64
"""Looked at without a break: a millisecond, two where all rates are a minute before."""


def sessions_by_worker(engine: Engine) -> Generator[None, None, dict[WorkerName, list[Session]]]:
    """All connections that have begun to work, the newest of each worker last."""
    by_worker: dict[WorkerName, list[Session]] = defaultdict(list)
    for sessions in in_parts(list(engine.sessions.values()), SESSIONS_A_TURN):
        for session in sessions:
            if session.started:
                by_worker[session.worker].append(session)
        yield
    return dict(by_worker)


class Outlines:
    """Keeps the outlines of the last time and uses again what still holds."""

    def __init__(self, *, engine: Engine, accounting: Accounting, clock: Clock) -> None:
        self._engine = engine
        self._accounting = accounting
        self._clock = clock
        self._made: dict[WorkerName, WorkerOutline] = {}

    def make(self) -> Generator[None, None, None]:
        """Look at all workers, and yield after every few."""
        self._engine.events.settle()
        by_worker = yield from sessions_by_worker(self._engine)
        before, made = self._made, dict[WorkerName, WorkerOutline]()
        for together in in_parts(list(by_worker.items()), OUTLINES_A_TURN):
            for name, sessions in together:
                made[name] = self._outline(name, sessions, before.get(name))
            yield
        for name in self._accounting.latest(AWAY_KEPT, by_worker):
            made[name] = self._outline(name, (), before.get(name))
        self._made = made

    def outlines(self) -> tuple[WorkerOutline, ...]:
        """Those of the last time."""
        return tuple(self._made.values())

    def _outline(self, name: WorkerName, sessions: Sequence[Session], before: WorkerOutline | None) -> WorkerOutline:
        """``before`` if it holds, else another one."""
        now = self._clock.now()
        stamp, last_share_at, accepted, rejected = self._accounting.answered(name)
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
            accepted,
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
