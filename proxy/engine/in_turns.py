"""What concerns every miner of a fleet, done for some of them in a turn of the loop (docs/dev/decisions, 0080)."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from proxy.engine.backlog import Backlog
from proxy.types import SessionId

if TYPE_CHECKING:
    from proxy.engine.session import Session

AT_ONCE = 512
"""Miners of a fleet that is small enough: some milliseconds."""
A_PLACE = 32
"""Miners in a place of the backlog."""


class InTurns:
    """The engine's one; first come, first served."""

    def __init__(self, sessions: Mapping[SessionId, "Session"], backlog: Backlog) -> None:
        self._sessions = sessions
        self._backlog = backlog
        self._waiting: OrderedDict[tuple[Callable[[Session], None], SessionId], None] = OrderedDict()

    def for_each(self, sessions: Sequence["Session"], call: Callable[["Session"], None]) -> None:
        """Make ``call`` for each of ``sessions``: for a small fleet now, else later for those that are still there.

        It is made once for a miner, however often it is asked for before, so it has to find out what holds by then.
        """
        if len(sessions) <= AT_ONCE:
            for session in sessions:
                call(session)
            return
        self._waiting.update(((call, session.id), None) for session in sessions)
        self._backlog.add(self)

    def catch_up(self) -> None:
        """Make the next few calls."""
        try:
            for _ in range(min(A_PLACE, len(self._waiting))):
                (call, ident), _ = self._waiting.popitem(last=False)
                session = self._sessions.get(ident)
                if session is not None:
                    call(session)
        finally:
            if self._waiting:
                self._backlog.add(self)
            else:
                self._waiting = OrderedDict()  # an emptied table keeps the size that it had for a whole fleet
