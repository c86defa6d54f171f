"""How long the connections to one pool wait for an answer before they take the pool for silent.

A fixed time gives up a pool that is merely slow (a link over satellite or Tor, a pool that asks its node for each
login), so what its answers took is measured. Waiting is bounded either way: a pool that is really silent is found.
"""

FACTOR = 3.0
"""An answer may take this many times what answers took lately."""
FIRST_CONTACT = 1.5
"""The least patience is multiplied by it until a first answer has been measured."""
TRIES = 2
"""Handshakes in vain before the next one gets more time: a silent pool counts as down by then."""
MOST_S = 60.0
"""Nobody waits longer, unless the operator's own setting is longer."""
_UP, _DOWN = 0.5, 0.1
"""How much a new measurement counts: patience grows at once, and is lost slowly."""


class Patience:
    """One pool's, shared by all connections to it. All times are seconds."""

    __slots__ = ("_in_vain", "latency_s", "least_s", "shares_answered")

    def __init__(self, least_s: float = 10.0) -> None:
        self.least_s = least_s
        """The operator's setting."""
        self.latency_s: float | None = None
        """What answers took lately; None until one came."""
        self.shares_answered = 0
        """How many shares the pool has answered."""
        self._in_vain = 0
        """Handshakes in a row that ended in silence."""

    @property
    def limit_s(self) -> float:
        """For the answer to a share."""
        return max(self.least_s, min(FACTOR * (self.latency_s or 0.0), MOST_S))

    @property
    def handshake_s(self) -> float:
        """For answers to subscribe and authorize: doubled after several tries in vain, so that a pool that became slow
        while nobody heard its answers is reached again."""
        first = FIRST_CONTACT if self.latency_s is None else 1.0
        doublings = min(max(0, self._in_vain - TRIES), 6)
        return max(self.least_s, min(first * self.limit_s * float(1 << doublings), MOST_S))

    def heard(self, latency_s: float) -> None:
        """An answer came after ``latency_s``."""
        before = self.latency_s
        if before is None:
            self.latency_s = latency_s
        else:
            self.latency_s = before + (_UP if latency_s > before else _DOWN) * (latency_s - before)

    def reached(self) -> None:
        """A handshake was completed."""
        self._in_vain = 0

    def in_vain(self) -> None:
        """A handshake ended in silence."""
        self._in_vain += 1
