"""A session's way to a pool over a connection that it has together with others.

It has what sessions ask of any link; what can be asked of a connection of one's own alone (to be renewed, to suggest a
difficulty, to be traced) is ``PoolLink``'s. The miner's difficulty is decided here (``Vardiff``), for the pool's is for
the whole connection. Shares, jobs and losses reach the session as from a connection of its own.
"""

from typing import TYPE_CHECKING

from proxy.config.snapshot import VardiffRule
from proxy.engine.assigned_difficulty import shared_difficulty_for
from proxy.engine.eligibility import MinerKind
from proxy.engine.pool import UpstreamPool
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.seats import Layout
from proxy.engine.shared_connections import SharedConnection, SharedConnections
from proxy.engine.shared_work import Bounds, CommonTerms, SharedWork, Turn
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.engine.vardiff import Vardiff, is_far
from proxy.ports import Clock, Timer
from proxy.stratum.firmware import ASIC_HASHRATE, Profile
from proxy.stratum.pool_job import PoolJob
from proxy.types import HASHES_PER_DIFFICULTY, SessionId

if TYPE_CHECKING:
    from proxy.engine.session import Session

NO_PLACE = "all shared connections to the pool are full"
FIRST_OF_ASIC = 2_048.0
FIRST_OF_OTHERS = 512.0
"""First difficulty of a miner of which nothing is known. Rather too high, which is found out in a dozen seconds, than
too low: what a fast miner sends then is more than it is read."""


class SharedLink:
    """One miner's place on the pool's shared connections."""

    __slots__ = (
        "_clock",
        "_is_new",
        "_kind",
        "_noted",
        "_timer",
        "_together",
        "_wanted",
        "at",
        "session",
    )

    is_shared = True

    def __init__(self, *, together: SharedConnections, session: "Session", clock: Clock) -> None:
        self.session = session
        self.at: SharedConnection | None = None
        """Where it has a place; None while there is none for it."""
        self._together = together
        self._clock = clock
        self._wanted = False
        self._noted: PoolJob | None = None
        """The job that the session has looked at."""
        self._kind: MinerKind | None = None
        """What decides whether the miner can use jobs like that one, where it can."""
        self._is_new = True
        """Whether the session has had no job since it came to this place."""
        self._timer: Timer | None = None

    # --- Facts ----------------------------------------------------------------------------------------------------

    @property
    def pool(self) -> UpstreamPool:
        """Whose connections they are."""
        return self._together.pool

    @property
    def productive(self) -> ProductiveDifficulty:
        """For the interface: nothing is held here, and nobody asks what it was."""
        return self._together.productive

    @property
    def is_current(self) -> bool:
        """Whether its connection still takes miners: whose groups are made in another way by now does not."""
        return self.at is None or not self.at.is_retired

    @property
    def place(self) -> tuple[Layout, bytes]:
        """How the miner's part of the search space is laid out, and its prefix."""
        extranonce = self.session.downstream.extranonce
        assert extranonce is not None, "links are made after subscribe"
        return Layout(len(extranonce.extranonce1), extranonce.size), extranonce.extranonce1

    @property
    def line_id(self) -> SessionId:
        """As whose the connection is known."""
        return self.at.id if self.at is not None else self.session.id

    @property
    def connection(self) -> UpstreamConnection | None:
        """The one in use."""
        return self.at.link.connection if self.at is not None else None

    @property
    def job(self) -> PoolJob | None:
        """The connection's newest job."""
        return self.at.link.job if self.at is not None else None

    @property
    def work(self) -> SharedWork | None:
        """The newest job as all miners of the connection get it."""
        return self.at.work if self.at is not None else None

    @property
    def has_new_job(self) -> bool:
        """Whether nobody has looked yet if the miner can use ``job``."""
        return self.job is not self._noted

    @property
    def difficulty(self) -> float:
        """The pool's, for the jobs to come."""
        return self.at.link.difficulty if self.at is not None else 0.0

    @property
    def shares_per_minute(self) -> float:
        """How many the miner's difficulty aims at."""
        return self._aim_of(self.session.vardiff_rule)

    @property
    def refused(self) -> str:
        """Why the pool refuses the user of the connection."""
        return self.at.link.refused if self.at is not None else ""

    @property
    def loss(self) -> str:
        """Why the last connection in use ended."""
        return self.at.link.loss if self.at is not None else NO_PLACE

    @property
    def is_dialled(self) -> bool:
        """Whether the connection in use stands, or is being dialled."""
        return self.at is not None and self.at.link.is_dialled

    # --- Commands -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See that the miner has a place; harmless when it has."""
        self._wanted = True
        if self.at is None:
            self.try_again()

    def try_again(self) -> None:
        """Look for a place; a job that is there is handed over in a turn to come."""
        if not self._wanted or self.at is not None:
            self._together.give_up_waiting(self)
            return
        self._came_to(self._together.place_for(self))

    def drain(self) -> None:
        """The place is not wanted any more; shares in flight go up all the same."""
        self._leave()

    def close(self, reason: str) -> None:
        """As ``drain``."""
        self._leave()

    def finish(self, reason: str) -> None:
        """The miner is gone."""
        self._leave()

    def retire(self, reason: str) -> None:
        """Another link took this one's place."""
        self._leave()

    # --- The miner's work -----------------------------------------------------------------------------------------

    def stop_work(self) -> None:
        """The miner works elsewhere from now on."""
        self._cancel_timer()
        if self.session.vardiff is not None:
            self.session.vardiff.left(self._clock.now())

    def stop_counting(self) -> None:
        """There is no work here for a while: silence means nothing."""
        if self.session.vardiff is not None and self.session.current in (None, self.pool.key):
            self.session.vardiff.left(self._clock.now())

    def goes_on_with(self, turn: Turn) -> bool:
        """Send the miner the next job on the terms of the last one; False where it has to be looked at.

        The usual way of most jobs on a farm: what ``WorkSender.send`` would work out is known to be the same. The
        others wait for their job meanwhile, so all else waits until somebody asks (``JobTable.enter``), or until all
        have it (``settle``).
        """
        session, work = self.session, turn.work
        jobs = session.submits.jobs
        if (
            jobs is None
            or jobs.last is not work.before
            or (terms := jobs.terms) is None
            or terms.link is not self
            or session.current != turn.key
            or (terms.common is not turn.held and not turn.hold(terms.common))
            or not jobs.issue_next(work)
        ):
            return False
        self._noted = turn.job
        session.downstream.push_next(turn.line, turn.now)
        return True

    def settle(self, now: float) -> None:
        """Note what the miner was sent, and what its shares say by now, for the jobs to come."""
        session = self.session
        vardiff, jobs = session.vardiff, session.submits.jobs
        if vardiff is None or jobs is None or session.current != self.pool.key:
            return
        jobs.enter()
        before = vardiff.suitable
        vardiff.review(now)
        if vardiff.suitable != before:
            self._changed(vardiff)

    def assign(self, job: PoolJob, network_difficulty: float, *, switch: bool) -> float:
        """The difficulty for ``job``, which the miner works on from now on."""
        now, session = self._clock.now(), self.session
        rule = session.vardiff_rule
        share_s = 60.0 / self._aim_of(rule)
        vardiff = session.vardiff or self._begin_vardiff(share_s)
        vardiff.aim(share_s, now)
        if switch:
            vardiff.review(now)
        difficulty = self._bounded(vardiff, job, network_difficulty, rule)
        vardiff.given(difficulty, now)
        self._look_later(vardiff)
        return difficulty

    def had(self, job: PoolJob, ntime: int) -> None:
        """The miner got the job by itself, with ``ntime``."""
        assert self.at is not None
        self.at.had_by(job, ntime)

    def worked(self, difficulty: float) -> None:
        """A share of the miner reached the ``difficulty`` that it was given."""
        if self.at is not None:
            self.at.prove()
        vardiff = self.session.vardiff
        if vardiff is not None and vardiff.share(difficulty, self._clock.now()):
            self._review(vardiff)

    # --- From the connection --------------------------------------------------------------------------------------

    def has_noted(self, job: PoolJob) -> bool:
        """Whether the session has looked at ``job``."""
        return self._noted is job

    def work_came(self, job: PoolJob) -> None:
        """The connection has ``job``, which the session has not looked at."""
        begins_anew = self._is_new or (self.at is not None and self.at.begins_anew)
        self._noted, self._is_new = job, False
        self.session.work_came(self, job, new_connection=begins_anew)

    def catch_up(self) -> None:
        """Let the session look at the newest job, if it has not, or at the loss of its connection."""
        job = self.job
        if job is None:
            if self.at is not None:
                self.lost()
            return
        if job is not self._noted:
            self.work_came(job)
            if job is not self.job:
                return
        self.session.work_noted(self, job)
        key = self.pool.key
        self._kind = self.session.kind(key, job) if key in self.session.ready else None

    def is_as_before(self, work: SharedWork) -> bool:
        """Note ``work`` where it can be nothing new for the miner; False where the session has to look at it."""
        job, key, session = work.job, self.pool.key, self.session
        if (
            work.before is None
            or (self._noted is not work.before and self._noted is not job)
            or self._kind is None
            or job.template.verdicts.get(self._kind) != ""
            or key not in session.ready
            or session.eligible.space_changed(key, job)
        ):
            return False
        self._noted = job
        return True

    def lost(self) -> None:
        """The connection was lost: go to another one that has a job, else the session has to see."""
        at = self.at
        self.stop_counting()
        if at is not None and (other := self._together.place_for(self, besides=at)) is not None:
            at.leave(self)
            self.at, self._is_new, self._kind = other, True, None
            job = other.link.job
            assert job is not None
            self.work_came(job)
        else:
            self.session.update_ready()

    # --- Its own --------------------------------------------------------------------------------------------------

    def common_terms(self, bounds: Bounds, version_mask: int, kind: MinerKind) -> CommonTerms:
        """One object for all miners that have a job by these."""
        return self._together.common_terms(bounds, version_mask, kind)

    def _came_to(self, place: SharedConnection | None) -> None:
        self.at, self._noted, self._kind, self._is_new = place, None, None, True
        self.session.facts_changed()
        if place is not None and place.link.job is not None:
            self._together.backlog.add(self)

    def _leave(self) -> None:
        self._wanted = False
        self._cancel_timer()
        self._together.give_up_waiting(self)
        at, self.at = self.at, None
        if at is not None:
            at.leave(self)
            self.session.facts_changed()

    def _aim_of(self, rule: VardiffRule) -> float:
        """Shares a minute: by the ``rule`` for miners like this one, else as the pool says."""
        return rule.shares_per_minute or self.pool.config.shares_per_minute

    def _begin_vardiff(self, share_s: float) -> Vardiff:
        session, profile, hashes = self.session, self.session.profile, self.session.hashes_per_difficulty
        slowest = profile.least_hashrate * share_s / hashes if hashes == HASHES_PER_DIFFICULTY else 0.0
        start = session.hashrate * share_s / hashes or max(self._first_difficulty(profile), slowest)
        session.vardiff = Vardiff(start, share_s, settle_s=profile.settle_s, slowest=slowest)
        return session.vardiff

    def _first_difficulty(self, profile: Profile) -> float:
        first = FIRST_OF_ASIC if profile.least_hashrate >= ASIC_HASHRATE else FIRST_OF_OTHERS
        suggested = self.session.asked_difficulty.suggested
        return suggested or first * HASHES_PER_DIFFICULTY / self.session.hashes_per_difficulty

    def _bounded(self, vardiff: Vardiff, job: PoolJob, network_difficulty: float, rule: VardiffRule) -> float:
        return shared_difficulty_for(
            vardiff.suitable,
            job.difficulty,
            self.pool.config,
            self.session.profile,
            rule=rule,
            hashes_per_difficulty=self.session.hashes_per_difficulty,
            network_difficulty=network_difficulty,
            miner_minimum=self.session.asked_difficulty.least,
        )

    def _review(self, vardiff: Vardiff) -> None:
        """Look at the evidence between two jobs."""
        now = self._clock.now()
        vardiff.aim(60.0 / self._aim_of(self.session.vardiff_rule), now)
        vardiff.review(now)
        self._changed(vardiff)

    def _changed(self, vardiff: Vardiff) -> None:
        """What suits the miner may be something else by now; where what it has is far off, the job is issued anew."""
        session, job = self.session, self.job
        rule = session.vardiff_rule
        if session.jobs is not None:
            session.jobs.suits(vardiff.suitable)
        given = session.sender.assigned_difficulty
        if job is None or given is None or session.current != self.pool.key:
            return
        if is_far(self._bounded(vardiff, job, session.network_difficulty(self.pool, job), rule), given):
            session.give_anew(self)

    def _look_later(self, vardiff: Vardiff) -> None:
        """While little is known of the miner, silence is looked at without waiting for a job."""
        if vardiff.is_learning and self._timer is None:
            self._timer = self._clock.call_at(self._clock.now() + vardiff.look_s, self._look)

    def _look(self) -> None:
        self._timer = None
        vardiff = self.session.vardiff
        if vardiff is not None and self.session.current == self.pool.key:
            self._review(vardiff)
            self._look_later(vardiff)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
