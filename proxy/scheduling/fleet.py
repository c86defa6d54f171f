"""A fleet with one set of weights: its ledger, its policy, and each miner's next step."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set

from proxy.config.snapshot import Policy
from proxy.scheduling import guard, phases, state
from proxy.scheduling.control import Control
from proxy.scheduling.fleet_totals import FleetTotals, total
from proxy.scheduling.miner import Member
from proxy.scheduling.policies import packing, slicing
from proxy.scheduling.policies.policy import Assignment, Load, Role, SplitPolicy
from proxy.scheduling.pool_load import PoolLoad
from proxy.scheduling.surplus import Ledger, clamped
from proxy.types import PoolKey, SessionId, SwitchReason

Move = Callable[[Member, PoolKey, SwitchReason], bool]
"""Moves a member and books it; False: it stays where it is."""
Wait = Callable[[Member, PoolKey], float]
"""How long (seconds) a move that is not urgent should wait for a new block's job."""

CHECK_S = 30.0
_FIRST_CHECKS_S = 10.0
_YOUNG_S = 300.0
_RETRY_S = 2.0
_WAIT_STEP_S = 0.1
"""How often a miner that waits for a new block's job looks whether it has come."""
_OVERLOAD_PAUSE_S = 60.0
_RETURN_PATIENCE_S = 30.0
_PACKING_FROM = 3
_CALM = 0.06
"""Part of the switches of slicing every miner that a packed fleet of twelve or more spends on its slices."""
_CALM_FROM = 12
_CALM_AFTER_S = 1200.0
_MOST_STRETCH = 2.0
"""A residual row is a guess, and a round planned for 5:95 is five times as short if the truth is 50:50. So such a round
is planned longer, by this factor at most: more would put more work in hand than calm is worth."""
_DOUBT = 0.02
"""Part of the fleet's rate that may be doubtful when miners are packed. So a small one needs few shares to be known."""
_EXACT_FIRST_S = 120.0
"""So long, small miners help to slice off what all have in hand from their start; packed, they could not."""
_MOST_CALM = 0.8
"""Part of the switches that a calm fleet may make at which its rounds begin to grow."""
_MOST_STRAIN = 3.0
_LOOKS_A_ROUND = 7.0
"""How often in a round miners in phase are looked at, until they are out of it."""
_HORIZON_S = (60.0, 600.0)
_HORIZON_PART = 0.5
_POLICIES: dict[Policy, SplitPolicy] = {Policy.SLICING: slicing.Slicing(), Policy.PACKING: packing.Packing()}


class Group:
    """Miners that meet one target together. All times are monotonic seconds."""

    def __init__(
        self,
        key: object,
        control: Control,
        *,
        now: float,
        wall: float,
        move: Move,
        wait: Wait,
        budget: guard.Budget,
        returns: guard.Budget,
    ) -> None:
        self.key = key
        self.control = control
        self.members: dict[SessionId, Member] = {}
        self.ledger = Ledger({}, now=now, wall=wall)
        self.due = math.inf
        self.armed = math.inf
        """The check that is planned."""
        self.is_returning = False
        """Whether miners are on their way back to a pool, a few a second; the ledger starts when they are."""
        self._move = move
        self._wait = wait
        self._budget = budget
        self._returns = returns
        self._policy: SplitPolicy = _POLICIES[Policy.SLICING]
        self._dwells: dict[PoolKey, float] = {}
        self._period = 0.0
        self._packed_at = -math.inf
        self._books: FleetTotals | None = None
        self._pool_load = PoolLoad()
        self._started = 0
        self._switches = 0
        """Of this ledger."""

    # --- what others see ------------------------------------------------------------------------------------------

    @property
    def weights(self) -> Mapping[PoolKey, float]:
        """The weights that are aimed at, pools that are down left out."""
        return self.ledger.weights

    @property
    def policy(self) -> str:
        """Name of the policy in force."""
        return self._policy.name

    @property
    def period(self) -> float:
        """Seconds of a round of slices by the weights."""
        return self._period

    def books(self, now: float) -> FleetTotals:
        """Settle and sum up everybody."""
        self._books = total(self.members.values(), self.ledger, now)
        return self._books

    def follows_in(self, now: float, tolerance: float) -> float:
        """Return the seconds until the split since the last change is surely within ``tolerance`` (0..1)."""
        working = [member for member in self.members.values() if member.current is not None]
        whole = sum(member.estimate.rate for member in working)
        if not whole or len(self.weights) < 2:
            return 0.0
        swing = max(weight * (1 - weight) for weight in self.weights.values()) / 2
        most = sum(
            member.estimate.rate * swing * max(self._period, self._round(member))
            for member in working
            if member.assignment.role is not Role.FIXED
        )
        return max(0.0, most / whole / tolerance - (now - self.ledger.started))

    def dump(self, now: float) -> dict[str, object]:
        """Return the ledger for a restart; corrections are found again from what was accepted."""
        books = self.books(now)
        in_hand = {pool: books.in_hand[pool] - books.correction[pool] for pool in self.weights}
        return state.dump_ledger(self.ledger, in_hand, books.work)

    # --- what is aimed at -----------------------------------------------------------------------------------------

    def retarget(
        self,
        weights: Mapping[PoolKey, float],
        now: float,
        wall: float,
        cause: SwitchReason,
        *,
        kept: Ledger | None = None,
    ) -> None:
        """Aim at other weights from now on: a new ledger (or the one ``kept``), and whoever cannot stay moves."""
        books = self.books(now)
        self._dwells = {
            pool: guard.dwell(weight, min_switch_s=self.control.min_switch_s, slice_s=self.control.slice_s)
            for pool, weight in weights.items()
        }
        self._period = guard.period(weights, self._dwells)
        self.is_returning = cause is SwitchReason.RETURN and len(self.members) > 1
        self._renew(weights, books, now, wall)
        if kept is not None:
            self.ledger = kept
        for member in list(self.members.values()):
            member.moving = cause
            if member.current is None or member.current in weights:
                continue
            if cause is not SwitchReason.RETURN or member.current not in member.ready:
                self.rescue(member, now, cause)
        self.check(now, strict=True)
        for member in self.members.values():
            is_away = member.current is not None and member.current not in weights
            if not is_away and member.assignment.pool in (None, member.current):
                member.moving = SwitchReason.ASSIGN

    def _renew(
        self, weights: Mapping[PoolKey, float], books: FleetTotals, now: float, wall: float, *, free: bool = True
    ) -> None:
        """Start a new ledger with at most as much in hand as leaves a dwell's half for this one's own."""
        spare = min(weights.values(), default=0.0) * min(self._dwells.values(), default=0.0) / 2
        sliced_rate = sum(
            member.estimate.rate for member in self.members.values() if member.assignment.role is Role.RESIDUAL
        )
        carry = clamped(books.in_hand, weights, spare * sliced_rate)
        self.ledger, self._switches = Ledger(weights, now=now, wall=wall, carry=carry), 0
        for member in self.members.values():
            member.open.clear()
            member.free = member.free or free
            member.in_hand = clamped(member.in_hand, weights, spare)
            home = member.assignment.pool
            if member.assignment.role is Role.SLICED or (home is not None and home not in weights):
                member.assignment = Assignment()

    # --- who is in it ---------------------------------------------------------------------------------------------

    def add(self, member: Member, now: float) -> None:
        """Take a miner in; it is placed at the next check, within a second."""
        member.settled = now
        member.assignment, member.free = Assignment(), True
        member.open.clear()
        self.members[member.session] = member
        self.wake_at(now + (1.0 if member.current is None else 0.0))

    def remove(self, member: Member, now: float) -> None:
        """Let a miner go; what it worked stays in the books."""
        member.settle(now, self.ledger)
        member.close(self.ledger)
        del self.members[member.session]
        self._pool_load.left(member, member.current)
        member.due = math.inf
        self.wake_at(now + 1.0)

    def vacate(self, member: Member) -> None:
        """Take a miner off the pool that is lost to it."""
        self._pool_load.left(member, member.current)
        member.vacate()

    def wake_at(self, when: float) -> None:
        """Check at ``when`` at the latest."""
        self.due = min(self.due, when)

    def start(self, member: Member, now: float, allowed: Iterable[PoolKey], reason: SwitchReason) -> bool:
        """Put a miner without work on the pool of ``allowed`` that lacks most; False: none has a job for it."""
        if self._place(member, now, allowed, reason):
            member.free = reason is SwitchReason.START
            return True
        member.due = now + _RETRY_S if member.ready else math.inf
        return False

    def rescue(self, member: Member, now: float, reason: SwitchReason) -> bool:
        """Move a miner that cannot stay, whatever its dwell; True: it moved."""
        if self._place(member, now, [pool for pool in self.weights if pool != member.current], reason):
            return True
        member.due = now + _RETRY_S
        return False

    def _place(self, member: Member, now: float, pools: Iterable[PoolKey], reason: SwitchReason) -> bool:
        old = member.current
        for pool in self._by_need(member, now, pools):
            if self._move(member, pool, reason):
                self._pool_load.left(member, old)
                self._pool_load.entered(member, pool)
                member.due = now
                self.wake_at(now + 1.0)
                return True
        return False

    def _by_need(self, member: Member, now: float, pools: Iterable[PoolKey]) -> list[PoolKey]:
        """Return ``pools`` by need: a fixed miner's own pool, what the miner owes, what the fleet lacks."""
        choices = [pool for pool in pools if pool in member.ready]
        if len(choices) < 2:
            return choices
        self._pool_load.count(self.members.values(), now)
        home = member.assignment.pool
        return sorted(
            choices,
            key=lambda pool: (
                pool != home,
                member.in_hand.get(pool, 0.0),
                self._pool_load.excess(member, self.weights, pool),
            ),
        )

    def _settle_in(self, member: Member, now: float) -> None:
        """Move a miner that has only just started, if it would be of more use on a pool that came within its reach.

        All connections are dialled at once and the first to bring a job is taken, so without this a fleet that connects
        together would begin on the quickest pool together, and leave it together.
        """
        best = next(iter(self._by_need(member, now, self.weights)), None)
        if best is None or member.current is None or best == member.current:
            return
        gain = self._pool_load.excess(member, self.weights, member.current) - self._pool_load.excess(
            member, self.weights, best
        )
        if gain > self._pool_load.size(member) / 2 and self._place(member, now, [best], SwitchReason.ASSIGN):
            member.free = True

    def _centre(self, member: Member) -> None:
        """Begin the miner's round off centre, in large fleets, so that they do not all switch together."""
        off = guard.phase(self._started, len(self.members))
        self._started += 1
        pool = member.current
        if not off or pool is None or any(member.in_hand.values()):
            return
        begun = off * slicing.amplitude(self.weights, pool, self._period)
        others = slicing.reachable(self.weights, frozenset(self.weights) - {pool})
        member.in_hand = {pool: begun, **{key: -begun * part for key, part in others.items()}}

    # --- decisions ------------------------------------------------------------------------------------------------

    def check(self, now: float, *, strict: bool = False) -> None:
        """Bring assignments up to date where they are wrong (all of them if ``strict``), and let everybody step."""
        books = self.books(now)
        loads = self._loads(books, now)
        self._choose_policy(len(loads), now, books)
        self._resize_budget(len(loads))
        if self.is_returning and self._has_returned(now):
            self.is_returning = False
            self._renew(self.weights, books, now, self.ledger.since + now - self.ledger.started, free=False)
            loads = self._loads(books, now)
        if strict or self._policy.is_due(
            loads, self.weights, in_hand=books.in_hand, sigma=books.sigma, horizon_s=self._horizon(now)
        ):
            self._assign(loads, books, now, strict=strict)
        young = now - self.ledger.started < _YOUNG_S or self.is_returning
        self.due = now + (_FIRST_CHECKS_S if young else CHECK_S) if self.members else math.inf
        self._spread_phases(now)

    def _loads(self, books: FleetTotals, now: float) -> list[Load]:
        working = [member for member in self.members.values() if member.current is not None and not member.is_quiet]
        is_young = now - self.ledger.started < _EXACT_FIRST_S
        enough = _DOUBT * books.rate / math.sqrt(len(working)) if working and not is_young else 0.0
        return [
            Load(
                session=member.session,
                rate=member.estimate.rate,
                is_known=member.is_known(now, enough),
                pools=member.pools,
                current=member.current,
                standing=member.assignment,
            )
            for member in working
        ]

    def _choose_policy(self, working: int, now: float, books: FleetTotals) -> None:
        wanted = self.control.policy
        if wanted is Policy.AUTOMATIC:
            wanted = Policy.PACKING if working >= _PACKING_FROM else Policy.SLICING
        policy = _POLICIES[wanted]
        if policy is self._policy or not working:
            return
        self._policy = policy
        for member in self.members.values():
            if member.assignment.role is not Role.SLICED:
                limit = slicing.amplitude(self.weights, member.current, self._period) if member.current else 0.0
                in_hand = {pool: work / books.rate for pool, work in books.in_hand.items()} if books.rate else {}
                member.in_hand = clamped(in_hand, self.weights, limit)
                member.assignment = Assignment()

    def _resize_budget(self, working: int) -> None:
        if self._period:
            needed = 2 * working * len(self.weights) / self._period
            self._budget.resize(max(1.0, needed), max(4.0, working / 8))

    def _has_returned(self, now: float) -> bool:
        if now - self.ledger.started > _RETURN_PATIENCE_S + len(self.members) / self._returns.rate:
            return True
        return all(
            member.assignment.role is not Role.FIXED or member.current == member.assignment.pool
            for member in self.members.values()
        )

    def _assign(self, loads: list[Load], books: FleetTotals, now: float, *, strict: bool) -> None:
        overdue = now - self._packed_at >= _OVERLOAD_PAUSE_S
        unplaced = any(load.standing.role in (Role.NEW, Role.SLICED) for load in loads)
        if not (strict or overdue or unplaced or self._residual_rate() == 0):
            return
        stuck = strict or overdue
        if stuck:
            self._packed_at = now
        decided = self._policy.assign(
            loads,
            self.weights,
            in_hand=books.in_hand if stuck and not strict else {},
            sigma=books.rate_sigma,
            horizon_s=self._horizon(now),
            strict=stuck,
        )
        for session, assignment in decided.items():
            self._give(self.members[session], assignment)
        self._replace_residual(decided.keys())
        self._budget.forget()
        self._returns.forget()
        for session in decided:
            self.members[session].due = now

    def _spread_phases(self, now: float) -> None:
        """Put miners that are sliced alike out of phase, where they are too few to have started off centre."""
        if len(self.members) >= guard.SPREAD_FROM:
            return
        alike: dict[tuple[PoolKey, frozenset[PoolKey]], list[Member]] = {}
        together: Counter[frozenset[PoolKey]] = Counter()
        for member in self.members.values():
            row, pool = member.assignment.row, member.current
            if pool is None or member.is_quiet or member.assignment.role is not Role.SLICED:
                continue
            if 0 < row.get(pool, 0.0) < 1:
                alike.setdefault((pool, frozenset(row)), []).append(member)
                together[frozenset(row)] += 1
        for (pool, pools), members in alike.items():
            row = members[0].assignment.row
            surplus, fleet = [member.in_hand.get(pool, 0.0) for member in members], together[pools]
            period = min(self._round(member) for member in members)
            if not phases.are_close(surplus, gain=1 - row[pool], period=period, fleet=fleet):
                continue
            moved = phases.apart(
                surplus,
                [member.estimate.rate for member in members],
                gain=1 - row[pool],
                limit=slicing.amplitude(row, pool, period),
                period=period,
                fleet=fleet,
            )
            for member, before, after in zip(members, surplus, moved, strict=True):
                self._shift(member, pool, after - before, now)
            # A slice that has just begun or is about to end leaves no room to put them apart: look again soon, and
            # not once a round at the same place in it.
            self.wake_at(now + max(1.0, period / _LOOKS_A_ROUND))

    def _shift(self, member: Member, pool: PoolKey, by: float, now: float) -> None:
        """Change what a miner has in hand on ``pool`` by ``by`` seconds, at the cost of its other pools."""
        if not by:
            return
        row = member.assignment.row
        for key in row:
            part = by if key == pool else -by * row[key] / (1 - row[pool])
            member.in_hand[key] = member.in_hand.get(key, 0.0) + part
        member.due = now

    def _replace_residual(self, decided: Set[SessionId]) -> None:
        """Take the part of a residual miner that does not work (it is quiet, or waits) away: others do its work now."""
        for session, member in self.members.items():
            if session not in decided and member.assignment.role is Role.RESIDUAL:
                member.assignment = Assignment()

    def _horizon(self, now: float) -> float:
        """Return the seconds in which work in hand should be worked off: the younger the ledger, the sooner."""
        return min(max(_HORIZON_PART * (now - self.ledger.started), _HORIZON_S[0]), _HORIZON_S[1])

    def _residual_rate(self) -> float:
        return sum(
            member.estimate.rate
            for member in self.members.values()
            if member.assignment.role is Role.RESIDUAL and not member.is_quiet
        )

    def _give(self, member: Member, assignment: Assignment) -> None:
        if assignment.role is Role.SLICED and member.assignment.row != assignment.row:
            limit = max((slicing.amplitude(assignment.row, pool, self._period) for pool in assignment.row), default=0)
            member.in_hand = clamped(member.in_hand, assignment.row, limit)
            self._centre(member)
        member.assignment = assignment

    def reach(self, member: Member, now: float) -> None:
        """Other pools are in reach of a miner: think again about its next step."""
        if member.free and member.assignment.role is Role.NEW:
            self._settle_in(member, now)
        if member.assignment.role is Role.SLICED:
            row = slicing.reachable(self.weights, member.pools)
            if row.keys() != member.assignment.row.keys():
                member.settle(now, self.ledger)
                self._give(member, Assignment(role=Role.SLICED, row=row))
        member.due = now

    def step(self, member: Member, now: float) -> None:
        """Do what is due for one miner and say when the next step is (``member.due``)."""
        member.settle(now, self.ledger)
        member.due = math.inf
        if member.current is None or not self.weights:
            return
        if member.is_quiet and member.current in self.weights:
            return
        match member.assignment.role:
            case Role.FIXED:
                self._step_home(member, now)
            case Role.SLICED:
                self._step_slice(
                    member, now, self._own_in_hand(member), self._round(member, first=member.free), math.inf
                )
            case Role.RESIDUAL:
                self._step_slice(
                    member, now, self._fleet_in_hand(member, now), self._residual_period(member, now), CHECK_S
                )
            case Role.NEW if member.is_quiet:
                self.rescue(member, now, member.moving)
            case Role.NEW:
                member.due = now + 1.0
                self.wake_at(now + 1.0)

    def _step_home(self, member: Member, now: float) -> None:
        pool = member.assignment.pool
        if pool not in self.weights or pool == member.current or pool not in member.ready:
            return
        reason = member.moving
        urgent = reason in (SwitchReason.WEIGHT, SwitchReason.OPERATOR, SwitchReason.FAILOVER)
        self._switch(member, pool, reason, now, urgent=urgent)
        if member.current == pool:
            member.moving = SwitchReason.ASSIGN

    def _step_slice(
        self, member: Member, now: float, in_hand: Mapping[PoolKey, float], period: float, longest: float
    ) -> None:
        row, current = member.assignment.row, member.current
        assert current is not None
        left = slicing.stay(row, in_hand, current, period) if current in row else 0.0
        if left <= 1e-6:
            target = slicing.following(row, in_hand, current, member.ready)
            if target is None:
                return
            self._switch(member, target, SwitchReason.SLICE if current in row else member.moving, now, urgent=False)
            if member.current != target:
                return
            left = max(slicing.stay(row, in_hand, target, period), self._stay(member, target))
        member.due = min(member.due, now + max(min(left, longest), 0.01))

    def _switch(self, member: Member, pool: PoolKey, reason: SwitchReason, now: float, *, urgent: bool) -> None:
        """Move a miner if dwell and budget allow, else set when to try again."""
        if not urgent and not member.free:
            dwell = self._stay(member, member.current) if member.current else 0.0
            if now < member.since + dwell - 1e-6:
                member.due = member.since + dwell
                return
        wait = 0.0 if urgent else self._wait(member, pool)
        if wait > 0:
            member.due = now + min(wait, _WAIT_STEP_S)
            return
        budget = self._returns if reason is SwitchReason.RETURN else self._budget
        if not urgent and not budget.take(now):
            member.due = max(budget.turn(now), now + 0.01)
            return
        if self._move(member, pool, reason):
            self._switches += 1
        else:
            member.due = now + _RETRY_S

    def _stay(self, member: Member, pool: PoolKey, *, first: bool = False) -> float:
        """Return the seconds that a miner stays at least on ``pool``."""
        dwell = self._dwells.get(pool, 0.0)
        if first or member.assignment.role is Role.FIXED or self.weights.get(pool, 1.0) > guard.MINORITY:
            # The first slice of a ledger: a slow miner follows new weights as soon as a quick one.
            return dwell
        return guard.stay(dwell, member.share_s(pool), min_switch_s=self.control.min_switch_s)

    def _round(self, member: Member, *, first: bool = False) -> float:
        """Return the seconds of a round of this miner's own slices."""
        row = member.assignment.row
        return max(self._period, guard.period(row, {pool: self._stay(member, pool, first=first) for pool in row}))

    def _own_in_hand(self, member: Member) -> Mapping[PoolKey, float]:
        books = self._books
        if books is None or not books.rate or self._policy.name != slicing.Slicing.name:
            return member.in_hand
        return {
            pool: seconds + books.correction.get(pool, 0.0) / books.rate for pool, seconds in member.in_hand.items()
        }

    def _fleet_in_hand(self, member: Member, now: float) -> Mapping[PoolKey, float]:
        """Return the seconds that this residual miner has in hand for the fleet."""
        books = self.books(now)
        order = list(self.weights)
        residual = sorted(
            (other for other in self.members.values() if other.assignment.role is Role.RESIDUAL),
            key=lambda other: order.index(next(iter(other.assignment.row))),
        )
        parts = packing.shares_of(books.in_hand, [other.assignment.row for other in residual])
        rate = member.estimate.rate
        part = parts[residual.index(member)]
        return {pool: work / rate for pool, work in part.items()} if rate else {}

    def _residual_period(self, member: Member, now: float) -> float:
        """Return the residual miner's round: what its dwells make, and no shorter than calm allows.

        A young ledger is exact before it is calm: half a round in hand weighs more the less has been worked.
        """
        row = member.assignment.row
        natural = guard.period(row, {pool: self._stay(member, pool, first=member.free) for pool in row})
        if len(row) > 2:
            # A pool with a small part does not need its turn in every round.
            natural = min(natural, self._period)
        working = sum(other.current is not None for other in self.members.values())
        if working < _CALM_FROM:
            return natural
        sliced = len(self.weights) - 1
        calm = max(_CALM, 0.8 * sliced / working)
        ripeness = min(1.0, (now - self.ledger.started) / _CALM_AFTER_S)
        calmest = 2 * self._period * sliced / (calm * working * len(self.weights))
        swing = max(part * (1 - part) for part in row.values())
        planned = max(natural, ripeness * calmest * min(0.25 / swing, _MOST_STRETCH))
        return planned * self._strain(working, now) if ripeness == 1 else planned

    def _strain(self, working: int, now: float) -> float:
        """Return by how much rounds are to be longer because this ledger has seen more switches than calm allows."""
        pools = len(self.weights)
        each = pools * (now - self.ledger.started) / self._period if self._period else 0.0
        allowed = _MOST_CALM * max(0.1 * working, 1.2 * (pools - 1)) * each
        return min(max(self._switches / allowed, 1.0) ** 2, _MOST_STRAIN) if allowed else 1.0
