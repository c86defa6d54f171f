"""What a switch costs a miner: from the switch to the first accepted share after it, by firmware.

A miner that loses nothing needs the time of one share for it on average, and seldom just that (it is exponential). So
single times say nothing, and the many visits that end without a share must not be left out, or only the quick ones
would count. Each visit has its *exposure*, the time until its first share or its end, and is expected to bring
``exposure / time of a share`` first shares. What is missing of them was lost to switches. The number of first shares is
Poisson, which gives the error. A miner's rate is estimated from all its shares, those after switches too, so where
visits are short the reported cost is a little too low.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from proxy.observe.events import (
    AcceptedShares,
    EventStream,
    MinerAuthorized,
    MinerDisconnected,
    PoolSwitched,
    ShareResult,
)
from proxy.ports import Clock
from proxy.types import PoolKey, SessionId, Verdict

_PROFILES_KEPT = 64
_GOOD = (Verdict.ACCEPTED, Verdict.WORK)
_DEAD_AFTER = 20.0
"""Expected shares without one (1 in 500 million by luck) after which a miner does not work; no switch explains that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCost:
    """One family of firmware since the process started. Seconds."""

    profile: str
    switches: int
    shares: int
    """Of the visits, those that brought a share; the others ended before."""
    measured_s: float
    """Mean time to the first share."""
    expected_s: float
    """The same for a miner that loses nothing."""
    cost_s: float
    """Lost by a switch; below 0 by luck."""
    error_s: float
    """``cost_s`` plus and minus this holds the truth 19 times in 20."""


@dataclass(slots=True)
class _Visit:
    pool: PoolKey
    since: float


@dataclass(slots=True)
class _Sum:
    visits: int = 0
    shares: int = 0
    exposure: float = 0.0
    expected_shares: float = 0.0
    """First shares expected of a miner that loses nothing."""
    pace: float = 0.0
    """Sum over the visits of shares a second."""


class SwitchCosts:
    """Follows switches and shares. Constant work per event, one entry for each miner and for each profile."""

    def __init__(self, *, clock: Clock, events: EventStream, share_s: Callable[[SessionId], float]) -> None:
        """``share_s`` returns the seconds that a session needs for a share at its present difficulty; 0: not known."""
        self._clock = clock
        self._share_s = share_s
        self._profiles: dict[SessionId, str] = {}
        self._visits: dict[SessionId, _Visit] = {}
        self._sums: dict[str, _Sum] = {}
        events.subscribe(MinerAuthorized, self._on_authorized)
        events.subscribe(PoolSwitched, self._on_switched)
        self._events = events
        events.subscribe_counting(ShareResult, self._on_share, self._bar)
        events.subscribe(MinerDisconnected, self._on_gone)

    def costs(self) -> tuple[SwitchCost, ...]:
        """What is known, by profile."""
        return tuple(
            _cost(profile, each) for profile, each in sorted(self._sums.items()) if each.shares and each.exposure
        )

    def _on_authorized(self, event: MinerAuthorized) -> None:
        if event.first:
            self._profiles[event.session] = event.profile

    def _on_switched(self, event: PoolSwitched) -> None:
        self._events.settle()  # shares from here on are told by themselves, until one ends the visit
        self._end(event.session, self._clock.now(), found=False)
        if event.old is not None:
            self._visits[event.session] = _Visit(event.new, self._clock.now())

    def _bar(self, shares: AcceptedShares) -> float:
        """Whether a share may be the first of a visit: above nothing then, else above nothing that there is."""
        return -1.0 if shares.session in self._visits else math.inf

    def _on_share(self, event: ShareResult) -> None:
        visit = self._visits.get(event.session)
        sent = self._clock.now() - event.latency_s
        if visit is not None and event.verdict in _GOOD and event.pool == visit.pool and sent >= visit.since:
            self._end(event.session, sent, found=True)

    def _on_gone(self, event: MinerDisconnected) -> None:
        self._end(event.session, self._clock.now(), found=False)
        self._profiles.pop(event.session, None)

    def _end(self, session: SessionId, at: float, *, found: bool) -> None:
        visit = self._visits.pop(session, None)
        if visit is None:
            return
        share_s, exposure = self._share_s(session), at - visit.since
        if share_s <= 0 or exposure > _DEAD_AFTER * share_s:
            return
        profile = self._profiles.get(session, "unknown")
        if profile not in self._sums and len(self._sums) >= _PROFILES_KEPT:
            return
        total = self._sums.setdefault(profile, _Sum())
        total.visits += 1
        total.shares += found
        total.exposure += exposure
        total.expected_shares += exposure / share_s
        total.pace += 1 / share_s


def _cost(profile: str, total: _Sum) -> SwitchCost:
    return SwitchCost(
        profile=profile,
        switches=total.visits,
        shares=total.shares,
        measured_s=total.exposure / total.shares,
        expected_s=total.exposure / total.expected_shares,
        cost_s=(total.expected_shares - total.shares) / total.pace,
        error_s=1.96 * math.sqrt(max(total.shares, total.expected_shares)) / total.pace,
    )
