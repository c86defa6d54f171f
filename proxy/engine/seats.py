"""Who has which part of a shared connection's search space: miners are told apart by their extranonce1.

Within what the pool calls extranonce2 a miner's extranonce1 is its prefix, so two miners of one connection must differ
in it, and all of them must be laid out alike. A prefix that was given up rests: whoever takes it must not get a job
that its last owner had, with the same values from the start. It is free once the connection's newest job is one that
the pool sent for the first time after that; for its last owner it is free at once, for a miner never repeats itself.
"""

from typing import NamedTuple

from proxy.types import SessionId

CONTENTS_KEPT = 64
"""Jobs of one block that are told apart."""
Content = tuple[object, ...]
"""Equal for jobs with the same search space."""


class Layout(NamedTuple):
    """How a miner's part is laid out, in bytes."""

    prefix: int
    size: int


class _Rest(NamedTuple):
    owner: SessionId
    last: int
    """The newest job at that time, as the connection counts them."""


class Seats:
    """One shared connection's."""

    __slots__ = ("_contents", "_counted", "_held", "_layout", "_newest", "_resting", "_tip")

    def __init__(self) -> None:
        self._layout: Layout | None = None
        """That of the first miner, for as long as a prefix is held or rests."""
        self._held: dict[bytes, SessionId] = {}
        self._resting: dict[bytes, _Rest] = {}
        self._contents: dict[Content, int] = {}
        """Jobs of the newest block -> as which new one each came first."""
        self._counted = 0
        self._newest = 0
        self._tip: bytes | None = None

    def __len__(self) -> int:
        return len(self._held)

    def job_came(self, content: Content, prevhash: bytes) -> None:
        """The connection's newest job; what it makes free is free from now on."""
        if prevhash != self._tip:
            self._tip, self._contents = prevhash, {}
        known = self._contents.get(content)
        if known is None:
            self._counted += 1
            known = self._counted
            while len(self._contents) >= CONTENTS_KEPT:
                del self._contents[next(iter(self._contents))]
            self._contents[content] = known
        self._newest = known
        self._resting = {prefix: rest for prefix, rest in self._resting.items() if known <= rest.last}

    def begin_anew(self) -> None:
        """Another connection takes this one's place: no job of the old one comes again."""
        self._resting.clear()
        self._contents, self._tip = {}, None

    def has_room_for(self, owner: SessionId, prefix: bytes, layout: Layout) -> bool:
        """Whether ``owner`` could have ``prefix``."""
        if (self._held or self._resting) and layout != self._layout:
            return False
        rest = self._resting.get(prefix)
        return prefix not in self._held and (rest is None or rest.owner == owner)

    def take(self, owner: SessionId, prefix: bytes, layout: Layout) -> bool:
        """Give ``prefix`` to ``owner``; False where it is held, rests, or is laid out in another way."""
        if not self.has_room_for(owner, prefix, layout):
            return False
        self._layout = layout
        self._resting.pop(prefix, None)
        self._held[prefix] = owner
        return True

    def give_up(self, prefix: bytes) -> None:
        """Its owner works elsewhere from now on, or is gone."""
        self._resting[prefix] = _Rest(self._held.pop(prefix), self._counted)
