"""Which pools one miner cannot be sent to by its own limits, and why."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from proxy.engine.eligibility import MinerKind, kind_of, search_space, too_small, why_not
from proxy.engine.session_part import SessionPart
from proxy.observe.events import PoolExcluded
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.version_rolling import USUAL_MASK
from proxy.types import PoolKey, shared

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session

Answer = TypeVar("Answer")
_NONE: Mapping[PoolKey, str] = MappingProxyType({})
"""Of nearly all miners."""
_NO_POOL: frozenset[PoolKey] = frozenset()
"""The same; each call would make another of 216 bytes."""


class EligiblePools(SessionPart):
    """One session's: checked with each job of each of its pools. A pool that falls out is announced once."""

    __slots__ = ("_engine", "_left_out", "_too_small", "excluded")

    def __init__(self, session: "Session", engine: "Engine") -> None:
        super().__init__(session)
        self.excluded = _NONE
        """Pools whose jobs the miner cannot use at all, and why."""
        self._too_small = _NONE
        """Pools whose jobs end before the next one comes, at this miner's hash rate, and why."""
        self._left_out = _NO_POOL
        """Those of them that it is not sent to: only while another one that the scheduler aims at has work for it."""
        self._engine = engine

    def fits(self, key: PoolKey, job: PoolJob, *, elsewhere: bool) -> bool:
        """Whether this miner can use the pool's jobs; where not, the pool is excluded and the operator notified.

        ``elsewhere``: another pool has work for it.
        """
        why = self._asked(why_not, key, job, elsewhere)
        if why != self.excluded.get(key, ""):
            self.excluded = {**self.excluded, key: why} if why else _without(self.excluded, key)
            self._session.facts_changed()
            if why:
                self._announce(key, why)
        return not why

    def kind(self, key: PoolKey, job: PoolJob, *, elsewhere: bool) -> MinerKind:
        """What ``fits`` depends on beside the job's template."""
        return shared(self._asked(kind_of, key, job, elsewhere))

    def _asked(self, question: Callable[..., Answer], key: PoolKey, job: PoolJob, elsewhere: bool) -> Answer:
        """The answer to ``why_not`` or ``kind_of`` for this miner."""
        session, extranonce = self._session, self._session.downstream.extranonce
        assert extranonce is not None
        return question(
            job,
            extranonce,
            session.profile,
            rolls=session.rolls,
            version_mask=session.known_version_mask(key, job),
            elsewhere=elsewhere,
        )

    def space_changed(self, key: PoolKey, job: PoolJob) -> bool:
        """Note whether the miner is through with ``job`` long before the pool's next one. Returns whether the pool is
        to be left out, or taken again, for it."""
        session, extranonce = self._session, self._session.downstream.extranonce
        was = key in self._too_small
        rate = self._engine.scheduler.sure_rate(session.id)
        if rate:  # else nothing new is known of it
            assert extranonce is not None
            why = too_small(
                search_space(extranonce, session.profile, session.version_mask_for(key, job) if session.rolls else 0),
                rate,
                self._engine.pools[key].job_gap_s,
                was=was,
            )
            if was is not bool(why):
                self._too_small = {**self._too_small, key: why} if why else _without(self._too_small, key)
                session.facts_changed()
        return (key in self._too_small) is not (key in self._left_out)

    def leave_out(self, usable: frozenset[PoolKey]) -> frozenset[PoolKey]:
        """Pools of ``usable`` whose jobs are too small for this miner, where it has work elsewhere: a job tried twice
        earns nothing the second time, but no work at all is worse."""
        if not self._too_small and not self._left_out:
            return self._left_out
        small = frozenset(usable & self._too_small.keys())
        if small and not (usable - small) & self._engine.scheduler.aimed_at(self._session.id):
            small = _NO_POOL
        for key in sorted(small - self._left_out):
            self._announce(key, self._too_small[key])
        self._left_out = shared(small)
        return small

    def helped_by_a_new_connection(self, job: PoolJob) -> bool:
        """Whether ``job``, which does not fit this connection, would fit the miner's next one.

        A new connection gets an extranonce that fits, and is told that no pool lets it roll versions any more. Firmware
        that cannot do without rolling uses its own fallback pool then; kept alive, it never would.
        """
        session, extranonce = self._session, self._session.downstream.extranonce
        assert extranonce is not None
        if job.extranonce2_size < extranonce.room:
            return sum(self._engine.sharing.sizes(session.profile)) <= job.extranonce2_size
        return session.rolls and not session.profile.stops_rolling and not self._engine.offered_mask(USUAL_MASK)

    def forget(self, key: PoolKey) -> None:
        """The pool was removed or switched off."""
        self.excluded = _without(self.excluded, key)
        self._too_small = _without(self._too_small, key)

    def why_not(self, key: PoolKey) -> str:
        """Why the miner is not sent to a pool; "" while it may be."""
        return self.excluded.get(key, "") or (self._too_small.get(key, "") if key in self._left_out else "")

    @property
    def any_left_out(self) -> bool:
        """Whether a pool is left out that could be used where there is no other work."""
        return bool(self._left_out)

    @property
    def unusable(self) -> frozenset[PoolKey]:
        """Pools that the miner is not sent to."""
        return self._left_out | self.excluded.keys() if self._left_out else frozenset(self.excluded)

    def reasons(self) -> Mapping[PoolKey, str]:
        """Why not, for each of them."""
        left_out = {key: self._too_small[key] for key in self._left_out if key in self._too_small}
        return {**left_out, **self.excluded}

    def _announce(self, key: PoolKey, reason: str) -> None:
        session = self._session
        self._engine.events.emit(PoolExcluded(session=session.id, worker=session.worker, pool=key, reason=reason))


def _without(reasons: Mapping[PoolKey, str], key: PoolKey) -> Mapping[PoolKey, str]:
    return {other: why for other, why in reasons.items() if other != key} or _NONE
