"""What peers cost that earns nothing, by connection and by address: who is slowed down, closed, refused for a while.

A point is about the work of one line: a share that is refused here, a repeated handshake or suggestion, an unknown
method, an answer to nothing; a line that is no message costs more, a blank one less. Points decay by themselves, and
each accepted share takes some away, so that good work pays for the few percent that go wrong beside it. What honest
miners send in trouble (shares from before a reconnect, a late difficulty) stays below the allowance.

What a connection costs beyond its first few points counts for its address as well. An address over its limit is
refused for a minute, then longer; where a miner at it has had accepted shares lately (a farm behind one router), it is
not refused: connections there that have earned nothing yet get a small allowance instead. All of it is forgotten in
time, and the number of addresses is bounded. An operator sees whom that hits now, and can let an address in again.
"""

from collections import Counter
from enum import Enum
from typing import NamedTuple

from proxy.types import SessionId, Waste

ALLOWANCE = 100.0
"""Points that a connection may have before it is slowed down: cgminer 4.11.1 sends shares of its last connection again
every 5 s for 2 min, a farm's proxy a queue of some dozens."""
SMALL_ALLOWANCE = 10.0
"""For connections without an accepted share at an address that has cost a lot. A handshake costs 6 at most."""
CLOSE_AT = 500.0
CLOSE_SOON_AT = 100.0
"""For those with the small allowance."""
DECAY_PER_S = 1.0
CREDIT = 2.0
"""Points that an accepted share takes away: where a third of the shares is good, nothing adds up."""
PAUSE_S = 0.1
"""For each point of a peer over its allowance, how long it is not read."""

HANDSHAKE = 20.0
"""Points of a connection that do not count for its address."""
ADDRESS_ALLOWANCE = 300.0
"""Above it, connections without an accepted share get the small allowance."""
REFUSE_AT = 1_000.0
ADDRESS_DECAY_PER_S = 2.0
REFUSE_S = 60.0
"""For the first time; twice as long each time after, up to ``MOST_REFUSE_S``."""
MOST_REFUSE_S = 600.0
FORGET_S = 3_600.0
"""So long after its end a refusal is forgotten, and so long an accepted share counts for its address."""
MAX_ADDRESSES = 4_096
"""Addresses remembered that have no connection."""
MAX_NOTED = 100
"""Addresses that an operator is shown: those that were slowed, closed or refused last."""
FEW = 4
"""So many connections of an address need no table, and hardly any address has more."""


class Measure(Enum):
    """What is to be done about a peer."""

    NOTHING = "nothing"
    SLOW = "slow"
    CLOSE = "close"
    REFUSE = "refuse"
    """Close it, and refuse its address."""


class CostlyAddress(NamedTuple):
    """An address that is slowed down or refused now."""

    name: str
    refused_s: float
    """For how long still; 0: it is not."""
    slowed: int
    """Connections that are over their allowance."""
    what: Waste
    """What it sent most of, since it was noted."""


class PeerCost:
    """What one connection costs, and what it earned."""

    __slots__ = ("_at", "_credited", "_points", "accepted", "address", "session")

    def __init__(self, session: SessionId, address: "AddressCost", now: float) -> None:
        self.session = session
        self.address = address
        self.accepted = 0
        """Accepted shares; counted from outside."""
        self._points = 0.0
        self._credited = 0
        self._at = now

    def points(self, now: float) -> float:
        """What it has now: decayed, and less what it earned."""
        earned, self._credited = self.accepted - self._credited, self.accepted
        self._points = max(0.0, self._points - (now - self._at) * DECAY_PER_S - earned * CREDIT)
        self._at = now
        return self._points

    def add(self, points: float, now: float) -> float:
        """Add points; returns the sum."""
        self._points = self.points(now) + points
        return self._points

    @property
    def allowance(self) -> float:
        """From how many points on it is slowed down."""
        return SMALL_ALLOWANCE if self._is_watched else ALLOWANCE

    @property
    def limit(self) -> float:
        """From how many points on it is closed."""
        return CLOSE_SOON_AT if self._is_watched else CLOSE_AT

    @property
    def _is_watched(self) -> bool:
        return not self.accepted and self.address.is_costly


class AddressCost:
    """What the connections of one address cost together."""

    __slots__ = ("_at", "_points", "connections", "good_at", "name", "refusals", "refused_until")

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.connections: tuple[PeerCost, ...] | dict[PeerCost, None] = ()
        self.refused_until: float | None = None
        self.refusals = 0
        """In a row, without an hour of peace between them."""
        self.good_at: float | None = None
        """When a connection ended that had had accepted shares and cost little."""
        self._points = 0.0
        self._at = now

    def came(self, peer: PeerCost) -> None:
        """A connection more."""
        connections = self.connections
        if isinstance(connections, dict):
            connections[peer] = None
        elif len(connections) < FEW:
            self.connections = (*connections, peer)
        else:
            self.connections = dict.fromkeys((*connections, peer))

    def left(self, peer: PeerCost) -> None:
        """A connection less."""
        if isinstance(self.connections, dict):
            self.connections.pop(peer, None)
        else:
            self.connections = tuple([each for each in self.connections if each is not peer])

    @property
    def is_costly(self) -> bool:
        """Whether its connections get the small allowance (as of the last time that points were added)."""
        return self._points > ADDRESS_ALLOWANCE

    def points(self, now: float) -> float:
        """What it has now."""
        self._points = max(0.0, self._points - (now - self._at) * ADDRESS_DECAY_PER_S)
        self._at = now
        return self._points

    def add(self, points: float, now: float) -> float:
        """Add points; returns the sum."""
        self._points = self.points(now) + points
        return self._points

    def is_good(self, now: float) -> bool:
        """Whether a miner at it has had accepted shares lately, and cost little."""
        if self.good_at is not None and now < self.good_at + FORGET_S:
            return True
        return any(peer.accepted and peer.points(now) <= ALLOWANCE for peer in self.connections)

    def refuse(self, now: float) -> None:
        """Refuse it from now on, longer each time; its points are paid with that."""
        if self.refused_until is not None and now > self.refused_until + FORGET_S:
            self.refusals = 0
        self.refused_until = now + min(MOST_REFUSE_S, REFUSE_S * 2**self.refusals)
        self.refusals = min(self.refusals + 1, 16)
        self._points = 0.0

    def clear(self, now: float) -> None:
        """Forget what it and its connections cost."""
        self.refused_until, self.refusals, self._points = None, 0, 0.0
        for peer in self.connections:
            peer.add(-peer.points(now), now)


class _Noted(NamedTuple):
    """An address that something was done about."""

    address: AddressCost
    wasted: Counter[Waste]
    """Points while a connection was over its allowance."""


class PeerCosts:
    """All connections and their addresses. Time is handed in, in seconds."""

    def __init__(self) -> None:
        self._addresses: dict[str, AddressCost] = {}
        self._idle: dict[str, None] = {}
        """Those without a connection, the one that has been for longest first."""
        self._noted: dict[str, _Noted] = {}
        """By address; the latest stands last."""

    def __len__(self) -> int:
        return len(self._addresses)

    def refused_s(self, address: str, now: float) -> float:
        """Seconds for which ``address`` is still refused; 0: it is not."""
        known = self._addresses.get(address)
        return max(0.0, known.refused_until - now) if known is not None and known.refused_until is not None else 0.0

    def is_good(self, address: str, now: float) -> bool:
        """Whether a miner at ``address`` has had accepted shares lately."""
        known = self._addresses.get(address)
        return known is not None and known.is_good(now)

    def connect(self, session: SessionId, address: str, now: float) -> PeerCost:
        """A connection of ``address`` is accepted."""
        known = self._addresses.get(address)
        if known is None:
            self._forget()
            known = self._addresses[address] = AddressCost(address, now)
        self._idle.pop(address, None)
        known.points(now)
        peer = PeerCost(session, known, now)
        known.came(peer)
        return peer

    def disconnect(self, peer: PeerCost, now: float) -> None:
        """A connection has ended. What it cost without earning anything stays with its address."""
        address, points = peer.address, peer.points(now)
        address.left(peer)
        if not address.connections:
            self._idle[address.name] = None
        if peer.accepted:
            if points <= ALLOWANCE:
                address.good_at = now
        elif SMALL_ALLOWANCE < points <= HANDSHAKE:
            address.add(points, now)

    def charge(self, peer: PeerCost, points: float, what: Waste, now: float) -> Measure:
        """Add what ``peer`` did that earns nothing; returns what is to be done."""
        measure = self._measure(peer, points, now)
        if measure is not Measure.NOTHING:
            self._note(peer.address).wasted[what] += round(points) or 1
        return measure

    def costly(self, now: float) -> list[CostlyAddress]:
        """Whom something is done about now, the latest first; ``MAX_NOTED`` at most."""
        found = []
        for name, (address, wasted) in list(self._noted.items()):
            refused_s = max(0.0, (address.refused_until or now) - now)
            slowed = sum(peer.points(now) > peer.allowance for peer in address.connections)
            if refused_s or slowed:
                found.append(CostlyAddress(name, refused_s, slowed, wasted.most_common(1)[0][0]))
            else:
                del self._noted[name]
        return found[::-1]

    def let_in(self, name: str, now: float) -> bool:
        """Forget what an address cost; whether it was noted."""
        noted = self._noted.pop(name, None)
        if noted is None:
            return False
        noted.address.clear(now)
        return True

    def _note(self, address: AddressCost) -> _Noted:
        noted = self._noted.pop(address.name, None) or _Noted(address, Counter())
        self._noted[address.name] = noted
        if len(self._noted) > MAX_NOTED:
            del self._noted[next(iter(self._noted))]
        return noted

    def _measure(self, peer: PeerCost, points: float, now: float) -> Measure:
        total_of_peer = peer.add(points, now)
        address = peer.address
        if total_of_peer > HANDSHAKE and (not peer.accepted or total_of_peer > ALLOWANCE):
            total = address.add(points if total_of_peer - points > HANDSHAKE else total_of_peer, now)
            if total > REFUSE_AT and not address.is_good(now):
                address.refuse(now)
                return Measure.REFUSE
        if total_of_peer > peer.limit:
            return Measure.CLOSE
        return Measure.SLOW if total_of_peer > peer.allowance else Measure.NOTHING

    def offenders(self, address: AddressCost, now: float) -> list[SessionId]:
        """The connections of an address that have earned nothing and cost more than a handshake does."""
        return [
            peer.session for peer in address.connections if not peer.accepted and peer.points(now) > SMALL_ALLOWANCE
        ]

    def _forget(self) -> None:
        """Make room for another address: the one that has been without a connection for longest goes."""
        if len(self._addresses) >= MAX_ADDRESSES and self._idle:
            idle = next(iter(self._idle))
            del self._idle[idle], self._addresses[idle]
            self._noted.pop(idle, None)
