"""What the parts of a session have in common."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.engine.session import Session


class SessionPart:
    """Knows its session while the miner is connected.

    Afterwards its facts can still be read, and nothing can be done through it: a session and its parts that went on
    referring to each other would be freed by the garbage collector alone, which has to look at everything for it.
    """

    __slots__ = ("_session",)

    def __init__(self, session: "Session") -> None:
        self._session = session

    def detach(self) -> None:
        """The miner is gone."""
        del self._session
