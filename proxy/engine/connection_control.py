"""Who may connect, who is kept out for what it costs, and who makes room where it is full."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from proxy.config.snapshot import ConfigSnapshot
from proxy.engine.connection_limits import ConnectionLimits, ConnectRates, limits_for
from proxy.engine.miner_access import may_connect
from proxy.engine.peer_costs import AddressCost, PeerCost, PeerCosts
from proxy.engine.refusals import Refusals
from proxy.observe.events import AddressRefused, EventStream
from proxy.peer_address import address_of
from proxy.ports import Clock
from proxy.sentence import sentence
from proxy.types import ListenerId, SessionId

if TYPE_CHECKING:
    from proxy.engine.session import Session

USUAL_ROOM = 2_000
"""Miners, where nobody has said for how many the machine has room."""
COSTLY = "it sent too much that earns nothing"
"""Why a connection is closed, for the log."""


class ConnectionControl:
    """The engine's."""

    def __init__(self, sessions: Mapping[SessionId, "Session"], *, clock: Clock, events: EventStream) -> None:
        self.apply(ConfigSnapshot())
        self.limit_met: tuple[str, float] | None = None
        """The limit of connections that was met last, and when (monotonic)."""
        self.peer_costs = PeerCosts()
        self._sessions = sessions
        self._clock = clock
        self._events = events
        self._limits = ConnectionLimits()
        self._connect_rates = ConnectRates()
        self._refusals = Refusals(clock, events)
        self._is_open = True

    def apply(self, config: ConfigSnapshot) -> None:
        """``config`` is in force from now on."""
        self.config = config
        self._most = limits_for(config.limits, USUAL_ROOM)

    # --- Connections come and go ----------------------------------------------------------------------------------

    def admits(self, peer: str, through: str, listener: ListenerId) -> bool:
        """Whether a connection of ``peer`` may stay; a refusal is told. It may cost another its place.

        ``through``: the load balancer that named the peer; "" without one.
        """
        address, now = address_of(peer), self._clock.now()
        limit = self._limit_for(peer, address, now, through, listener) or self._make_room(address, now)
        if limit:
            self._refusals.add(address, peer, limit, self.config.listener(listener).name)
        return not limit

    def came(self, session: SessionId, peer: str) -> PeerCost:
        """A connection that was let in counts from now on."""
        address, now = address_of(peer), self._clock.now()
        self._limits.add(session, address, now)
        return self.peer_costs.connect(session, address, now)

    def logged_in(self, session: SessionId) -> None:
        """Its handshake is done: it does not make room for others any more."""
        self._limits.authorized(session)

    def left(self, session: "Session") -> None:
        """Its place is free."""
        self._limits.remove(session.id)
        self.peer_costs.disconnect(session.cost, self._clock.now())

    def refused_header(self, peer: str, why: str, listener: ListenerId) -> None:
        """A load balancer's connection was closed before it said whose it is."""
        self._refusals.add(address_of(peer), peer, why, self.config.listener(listener).name)

    def close(self) -> None:
        """Refuse everybody from now on."""
        self._is_open = False
        self._refusals.close()

    # --- Addresses ------------------------------------------------------------------------------------------------

    def refuse_address(self, address: AddressCost) -> None:
        """An address is refused from now on: close those of its connections that cost much, and tell the operator."""
        now = self._clock.now()
        offenders = [self._sessions[ident] for ident in self.peer_costs.offenders(address, now)]
        self._events.emit(
            AddressRefused(
                address=address.name,
                seconds=self.peer_costs.refused_s(address.name, now),
                closed=len(offenders),
            )
        )
        for session in offenders:
            session.downstream.cut_off(COSTLY)

    def let_in(self, address: str) -> None:
        """Forget what an address cost: an operator says that it is an honest one."""
        self.peer_costs.let_in(address, self._clock.now())

    # --- Its own --------------------------------------------------------------------------------------------------

    def _limit_for(self, peer: str, address: str, now: float, through: str, listener: ListenerId) -> str:
        """What forbids another connection of ``peer``; "" for nothing."""
        if not self._is_open:
            return "shutting down"
        refused_s = self.peer_costs.refused_s(address, now)
        if refused_s:
            return f"refused for {refused_s:.0f} s: connections of this address sent too much that earns nothing"
        if not may_connect(self.config.access_of(listener), peer, is_named=bool(through)):
            return "not an address that may mine here"
        per_minute = self._most.connects_per_minute
        if self._connect_rates.admits(address, per_minute, now):
            return ""
        return self._met(
            sentence(
                "{most} new connections from one address in a minute "
                '("new connections per address and minute" in the proxy settings)',
                most=per_minute,
            ),
            now,
        )

    def _make_room(self, address: str, now: float) -> str:
        """Where it is full, close a connection that has less claim to its place; returns the limit if there is none."""
        limits = self._most
        limit = self._limits.reached(address, limits)
        if not limit:
            return ""
        closed = self._limits.makes_room(address, limits, now, lambda other: self.peer_costs.is_good(other, now))
        if closed is None and self._limits.has_place_for(address, limits) and self.peer_costs.is_good(address, now):
            closed = self._stranger(now)
        if closed is None:
            return self._met(limit, now)
        self._limits.remove(closed)
        self._sessions[closed].downstream.cut_off(f"made room for another miner: {limit}")
        return ""

    def _met(self, limit: str, now: float) -> str:
        """A limit that the operator can raise refuses a miner: there is an alarm for it."""
        self.limit_met = limit, now
        return limit

    def _stranger(self, now: float) -> SessionId | None:
        """The oldest connection without an accepted share, at an address without any: known miners go before it."""
        return next(
            (
                ident
                for ident, session in self._sessions.items()
                if ident in self._limits and not session.cost.accepted and not session.cost.address.is_good(now)
            ),
            None,
        )
