"""The connections of each worker, kept as miners log in and leave, and who hears what of them changes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.types import SessionId, WorkerName

if TYPE_CHECKING:
    from proxy.engine.session import Session


class WorkerSessions:
    """Of the miners that have logged in."""

    def __init__(self) -> None:
        self.by_name: dict[WorkerName, Session | dict[SessionId, Session]] = {}
        """A dictionary only for those with several connections: hardly anybody has them."""
        self._heard_by: list[dict[WorkerName, None]] = []

    def watch(self, changed: dict[WorkerName, None]) -> None:
        """Put into ``changed`` everybody there is, and from now on whoever comes, leaves or shows something else."""
        changed.update(dict.fromkeys(self.by_name))
        self._heard_by.append(changed)

    def began(self, session: "Session") -> None:
        """It has logged in."""
        found = self.by_name.get(session.worker)
        if found is None:
            self.by_name[session.worker] = session
        elif isinstance(found, dict):
            found[session.id] = session
        else:
            self.by_name[session.worker] = {found.id: found, session.id: session}
        self.changed(session)

    def ended(self, session: "Session") -> None:
        """It had logged in, and is gone."""
        found = self.by_name[session.worker]
        if isinstance(found, dict):
            del found[session.id]
        if found is session or not found:
            del self.by_name[session.worker]
        self.changed(session)

    def changed(self, session: "Session") -> None:
        """Something of it changed that the read model tells."""
        for changed in self._heard_by:
            changed[session.worker] = None

    def of(self, worker: WorkerName) -> Sequence["Session"]:
        """Its connections, the one that logged in last behind the others; none of a worker that is away."""
        found = self.by_name.get(worker)
        if found is None:
            return ()
        return tuple(found.values()) if isinstance(found, dict) else (found,)
