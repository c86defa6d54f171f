"""Connections to one pool that many miners have together (docs/dev/decisions, 0067).

A shared connection is kept like a miner's own: a ``PoolLink`` dials, renews and retries it. Here is what comes on top:
which miners are on it (``SharedLink``), with which prefix (``Seats``), and the job as all of them get it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from proxy.config.snapshot import Endpoint, GroupBy
from proxy.engine.eligibility import MinerKind
from proxy.engine.pool import UpstreamPool
from proxy.engine.pool_link import PoolLink
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.seats import Layout, Seats
from proxy.engine.shared_work import Bounds, CommonTerms, SearchSpaces, SharedWork, Turn
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.engine.worker_names import worker_of
from proxy.observe.events import EventStream, JobForwarded
from proxy.ports import Clock, Random
from proxy.stratum.pool_job import PoolJob
from proxy.types import JobId, PoolKey, SessionId

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session
    from proxy.engine.shared_link import SharedLink

LOOKS = 8
"""Miners in a place of the backlog: such a look costs a few microseconds."""
TRIES = 64
"""The same of miners without a place that try to find one."""
TERMS_KEPT = 256
"""What miners of a kind have a job by; a fleet has a dozen kinds."""
FIRST_JOB_ID = 1 << 40
"""Shared jobs' ids count from here on; those of a miner alone are below."""


def group_of(session: "Session", group_by: GroupBy) -> str:
    """What the miners of one connection have in common; "" for nothing."""
    match group_by:
        case GroupBy.WORKER:
            return session.worker
        case GroupBy.ACCOUNT:
            return worker_of("." + session.user.strip().partition(".")[0])
    return ""


class SharedConnection:
    """One of them. Implements ``LinkOwner``."""

    __slots__ = (
        "_is_to_be_noted",
        "_look_at",
        "_spaces",
        "_through",
        "_to_look",
        "_together",
        "_waiting",
        "begins_anew",
        "group",
        "id",
        "is_proven",
        "is_retired",
        "layout",
        "link",
        "miners",
        "seats",
        "work",
    )

    def __init__(self, ident: SessionId, group: str, layout: Layout, together: "SharedConnections") -> None:
        self.id = ident
        """Below 0: connections and sessions are told apart by it."""
        self.group = group
        self.layout = layout
        self.is_retired = False
        """Whether it takes no more miners: connections are made in another way by now."""
        self.is_proven = False
        """Whether any of its miners has had an accepted share, now or earlier."""
        self.miners: dict[SharedLink, None] = {}
        """The longest here first."""
        self.seats = Seats()
        self.work: SharedWork | None = None
        """The newest job as all get it; None while there is none."""
        self.begins_anew = False
        """Whether who has not got the newest job has to drop all earlier ones with it."""
        self._waiting: list[SharedLink] = []
        """Who is still to be given the newest job in a turn of its round; the next one last."""
        self._is_to_be_noted = False
        self._to_look: list[SharedLink] = []
        """For whom it is to be seen whether a job is anything new; the next one last."""
        self._look_at: SharedWork | None = None
        """The newest job when that began."""
        self._spaces = SearchSpaces(ident)
        self._through: UpstreamConnection | None = None
        """The connection that the last job came on."""
        self._together = together
        self.link = together.new_link(self)

    @property
    def pool(self) -> UpstreamPool:
        """Whose it is."""
        return self._together.pool

    @property
    def current(self) -> PoolKey | None:
        """The pool, while any miner is on it."""
        return self.pool.key if self.miners else None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left."""
        return not self.miners and not self.link.connections

    # --- Its miners -----------------------------------------------------------------------------------------------

    def has_room_for(self, session: SessionId, layout: Layout, prefix: bytes) -> bool:
        """Whether a miner with that part of the search space may come."""
        return layout == self.layout and self.seats.has_room_for(session, prefix, layout)

    def take(self, link: "SharedLink") -> None:
        """The miner comes: it has room (``has_room_for``)."""
        layout, prefix = link.place
        self.seats.take(link.session.id, prefix, layout)
        self.miners[link] = None
        self.is_proven = self.is_proven or self._together.is_proven(link.session)
        self.link.open()

    def leave(self, link: "SharedLink") -> None:
        """The miner goes; the connection of none ends once its shares had their chance."""
        del self.miners[link]
        self.seats.give_up(link.place[1])
        if not self.miners:
            self.link.drain()
        self._together.place_is_free()

    def prove(self) -> None:
        """A miner of it had a share accepted."""
        if not self.is_proven:
            self.is_proven = True
            self._together.place_is_free()

    # --- LinkOwner ------------------------------------------------------------------------------------------------

    def dial(self, link: PoolLink, endpoint: Endpoint | None) -> UpstreamConnection:
        """Log in for all its miners."""
        first = next(iter(self.miners), None)
        session = first.session if first is not None and self._together.group_by is not GroupBy.NOTHING else None
        return self.pool.make_shared_connection(self.id, link, endpoint, user_group=self.group, asked_by=session)

    def work_came(self, link: PoolLink, job: PoolJob, *, new_connection: bool) -> None:
        """Miners that work here, or nowhere, have it within the next turns of the loop; the others after them.

        Who has not been given the last one yet gets this one only, and drops with it what it would have dropped then.
        """
        connection = link.connection
        assert connection is not None, "a link with a job has a connection"
        if connection is not self._through:
            self._through = connection
            self.seats.begin_anew()
        self.seats.job_came((*job.content, job.template.ntime), job.template.prevhash)
        size = job.extranonce2_size - self.layout.prefix - self.layout.size
        is_skipped = bool(self._waiting)
        old = self.work
        self.begins_anew = new_connection or (is_skipped and (self.begins_anew or (old is not None and old.job.clean)))
        self.work = self._spaces.first(self._together.next_job_id(), connection, job, size)
        if old is not None and old.connection is connection:
            self.work.follow(old.job)
        self._waiting = list(reversed(self.miners))
        self._together.job_rounds.begin(self)
        self._together.place_is_free()

    def work_noted(self, link: PoolLink, job: PoolJob) -> None:
        """Each miner for whom it may be anything new looks at it, a few in a turn, once those who work here have it."""
        if self._waiting:
            self._is_to_be_noted = True
            return
        self._is_to_be_noted = False
        if not self._to_look:
            self._look_at = self.work
            self._to_look = list(reversed(self.miners))
            self._together.backlog.add(self)

    # --- Behind ---------------------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """See for the next few miners whether the newest job is anything new; for whom it may be, it waits in turn."""
        work, to_look, backlog, now = self.work, self._to_look, self._together.backlog, self._together.now()
        try:
            for _ in range(min(LOOKS, len(to_look))):
                miner = to_look.pop()
                if miner.at is not self or (self._waiting and self._is_to_be_given(miner)):
                    continue
                miner.settle(now)
                if work is None or not miner.is_as_before(work):
                    backlog.add(miner)
        finally:  # a fault of one miner's look keeps no other from its own
            if to_look:
                backlog.add(self)
            elif work is not self._look_at and work is not None:  # another one came meanwhile
                self.work_noted(self.link, work.job)

    # --- Round ----------------------------------------------------------------------------------------------------

    @property
    def is_urgent(self) -> bool:
        """Whether what the miners work on is worth nothing any more."""
        return self.begins_anew or (self.work is not None and self.work.job.clean)

    @property
    def is_handed_out(self) -> bool:
        """Whether all have the newest job that are to have it now."""
        return not self._waiting

    def _is_to_be_given(self, miner: "SharedLink") -> bool:
        """Whether the miner gets the newest job in a turn to come; it is looked at after that."""
        job = self.link.job
        return job is not None and not miner.has_noted(job) and miner.session.current in (None, self.pool.key)

    def hand_out(self, most: int) -> int:
        """Give the newest job to the next miners; where it was lost meanwhile there is nothing to give."""
        waiting, key, job, given = self._waiting, self.pool.key, self.link.job, 0
        turn: Turn | None = None
        went_on = 0
        try:
            while waiting and given < most and job is not None:
                miner = waiting.pop()
                if miner.at is not self or miner.has_noted(job) or miner.session.current not in (None, key):
                    continue
                given += 1
                turn = turn or self._turn(job)
                if turn is not None and miner.goes_on_with(turn):
                    went_on += 1
                    if turn.is_heard:
                        self._together.tell(turn, miner)
                else:
                    miner.work_came(job)
                    if self.link.job is not job:
                        break
        finally:
            if turn is not None and went_on:
                self._together.went_on(turn, went_on)
            if self.link.job is not job or job is None:
                waiting.clear()
            elif not waiting and self._is_to_be_noted:
                self.work_noted(self.link, job)
        return given

    def _turn(self, job: PoolJob) -> Turn | None:
        """For those who go on as they did with the last job; None where nobody does."""
        work = self.work
        if self.begins_anew or work is None or work.job is not job or work.before is None:
            return None
        turn = self._together.turn(work)
        work.handed_out_at = work.handed_out_at or turn.now
        return turn

    def update_ready(self) -> None:
        """The connection in use was lost: its miners go to another one of the pool, else to another pool.

        Those who work elsewhere wait until the others have work again: a pool that dies loses all its connections.
        """
        if self.link.job is None:
            self.work = None
            for miner in list(self.miners):
                if miner.at is not self:
                    continue
                if miner.session.current in (None, self.pool.key):
                    miner.lost()
                else:
                    self._together.backlog.add(miner)

    def facts_changed(self) -> None:
        """What is told of its miners is another from this turn on."""
        for miner in self.miners:
            miner.session.facts_changed()

    def tips_changed(self) -> None:
        """It is late with a block, or may be used again."""
        for miner in list(self.miners):
            if miner.at is self:
                miner.session.update_ready()

    def had_by(self, job: PoolJob, ntime: int) -> None:
        """A miner got the job by itself, with ``ntime``."""
        self._spaces.issued(job, ntime)


class SharedConnections:
    """All those to one pool; a bounded table."""

    def __init__(
        self, pool: UpstreamPool, *, engine: "Engine", clock: Clock, events: EventStream, random: Random
    ) -> None:
        self.pool = pool
        self.productive = ProductiveDifficulty()
        """One for all miners: of a difficulty that is decided here there is nothing to remember."""
        self.backlog = engine.backlog
        self.job_rounds = engine.job_rounds
        self._engine = engine
        self._clock = clock
        self._events = events
        self._random = random
        self._connections: dict[SessionId, SharedConnection] = {}
        self._terms: dict[tuple[Bounds, int, MinerKind], CommonTerms] = {}
        """Those of the last jobs."""
        self._waiting: dict[SharedLink, None] = {}
        """Miners for whom there is no place; the longest waiting first."""
        self._to_try: list[SharedLink] = []
        """Who of them still tries in this round; the next one last."""
        self._is_free = False
        """Whether a place may have become free since the round began."""
        self._full_for: set[tuple[str, Layout, bool]] = set()
        """For what kinds of miners it was found in this round that there is none."""

    def __iter__(self) -> Iterator[SharedConnection]:
        return iter(list(self._connections.values()))

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def group_by(self) -> GroupBy:
        """What miners of one connection have in common."""
        return self.pool.config.group_by

    @property
    def waiting(self) -> int:
        """How many miners wait for a place."""
        return len(self._waiting)

    @property
    def open_submits(self) -> int:
        """Shares without a verdict yet."""
        return sum(each.link.open_submits for each in self._connections.values())

    def new_link(self, shared: SharedConnection) -> PoolLink:
        """What keeps one connection."""
        return PoolLink(pool=self.pool, session=shared, clock=self._clock, events=self._events, random=self._random)

    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock.now()

    def turn(self, work: SharedWork) -> Turn:
        """A turn in which ``work`` is handed out."""
        network = self._engine.network_difficulties.believe(self.pool.config.chain, work.job.template.nbits)
        bounds = Bounds(work.job.difficulty, network.credible, network.block_target)
        return Turn(
            work,
            key=self.pool.key,
            bounds=bounds,
            config=self._engine.config,
            now=self._clock.now(),
            is_heard=JobForwarded in self._engine.events.heard,
        )

    def went_on(self, turn: Turn, miners: int) -> None:
        """Count so many miners that were sent a job on the terms of the last one."""
        work, before = turn.work, turn.work.before
        assert before is not None, "they had one"
        is_another = before.template.job_id != turn.job.template.job_id
        age_s = turn.now - turn.job.received_at
        self._engine.job_sums.add(turn.key, age_s if is_another else None, new_block=work.is_new_block, miners=miners)

    def tell(self, turn: Turn, miner: "SharedLink") -> None:
        """Tell of one of them."""
        work, age_s = turn.work, turn.now - turn.job.received_at
        miner.session.sender.tell(
            turn.key, turn.job, work.id, clean=work.is_clean, new_block=work.is_new_block, age_s=age_s
        )

    def common_terms(self, bounds: Bounds, version_mask: int, kind: MinerKind) -> CommonTerms:
        """One object for all miners that have a job by these, while the configuration is the same."""
        config, known, key = self._engine.config, self._terms, (bounds, version_mask, kind)
        terms = known.get(key)
        if terms is None or terms.config is not config:
            while len(known) >= TERMS_KEPT:
                del known[next(iter(known))]
            terms = known[key] = CommonTerms(bounds=bounds, version_mask=version_mask, kind=kind, config=config)
        return terms

    def next_job_id(self) -> JobId:
        """An id that no miner has seen."""
        return self._engine.sharing.next_job_id()

    def find(self, ident: SessionId) -> SharedConnection | None:
        """The one of that id."""
        return self._connections.get(ident)

    # --- Places ---------------------------------------------------------------------------------------------------

    def place_for(self, link: "SharedLink", *, besides: SharedConnection | None = None) -> SharedConnection | None:
        """Give the miner a place: where there is a job, else on one being dialled, else on a new one. None: it waits.

        ``besides``: only on another connection than that, and only where there is a job.
        """
        config, session = self.pool.config, link.session
        group, (layout, prefix), most = group_of(session, config.group_by), link.place, config.most_miners
        found = dialled = refused = None
        is_prefix_taken = False
        for each in self._connections.values():
            if len(each.miners) >= most or each.is_retired or each.group != group:  # a farm's are nearly all full
                continue
            if not each.has_room_for(session.id, layout, prefix):
                is_prefix_taken = is_prefix_taken or each.layout == layout
                continue
            if each.link.job is not None:
                if each is not besides:
                    found = each
                    break
            elif each.link.refused:
                refused = refused or each
            else:
                dialled = dialled or each
        if besides is not None:
            if found is not None:
                found.take(link)
            return found
        found = found or dialled or refused
        if found is None and self._may_open_one(session):
            found = SharedConnection(self._engine.sharing.next_id(), group, layout, self)
            self._connections[found.id] = found
        if found is None:
            self._waiting[link] = None
            if not is_prefix_taken:  # else another one's may not be
                self._full_for.add(self._kind_of(link))
        else:
            self._waiting.pop(link, None)
            found.take(link)
        return found

    def is_proven(self, session: "Session") -> bool:
        """Whether a miner of that name has had an accepted share."""
        return session.has_earned or self._engine.scheduler.is_known(session.worker)

    def _may_open_one(self, session: "Session") -> bool:
        """Where a name brings a connection of its own, whoever invents names may have half of them."""
        for each in [each for each in self._connections.values() if each.is_over]:
            self._remove(each)
            self._engine.stale_tips.forget(each.id)
        in_use, most = (
            [each for each in self._connections.values() if not each.is_retired],
            self.pool.config.most_connections,
        )
        if self.group_by is not GroupBy.NOTHING and not self.is_proven(session):
            strangers = sum(not each.is_proven for each in in_use)
            return strangers < max(1, most // 2) and len(in_use) < most
        return len(in_use) < most

    def give_up_waiting(self, link: "SharedLink") -> None:
        """The miner wants no place any more."""
        self._waiting.pop(link, None)

    def place_is_free(self) -> None:
        """Let those who wait try again in turns to come, the longest waiting first."""
        self._is_free = True
        if self._waiting:
            self.backlog.add(self)

    def catch_up(self) -> None:
        """Let the next few try; where a place became free meanwhile, another round follows."""
        if not self._to_try:
            self._is_free, self._full_for, self._to_try = False, set(), list(reversed(self._waiting))
        try:
            for _ in range(min(TRIES, len(self._to_try))):
                link = self._to_try.pop()
                if link in self._waiting and self._kind_of(link) not in self._full_for:
                    link.try_again()
        finally:
            if not self._waiting:
                self._to_try = []
            elif self._to_try or self._is_free:
                self.backlog.add(self)

    def _kind_of(self, link: "SharedLink") -> tuple[str, Layout, bool]:
        """What decides, beside its prefix, whether there is a place for a miner."""
        session, group_by = link.session, self.group_by
        may_open = group_by is GroupBy.NOTHING or self.is_proven(session)
        return group_of(session, group_by), link.place[0], may_open

    # --- Commands -------------------------------------------------------------------------------------------------

    def retire(self, of_more_than: int = -1) -> None:
        """Connections are made in another way from now on: those with more than so many miners take no more."""
        for each in self._connections.values():
            if len(each.miners) > of_more_than:
                each.is_retired = True
        self.place_is_free()

    def renew(self) -> None:
        """Replace all of them without a gap."""
        for each in self:
            each.link.renew()

    def pool_gone(self, reason: str) -> None:
        """The pool is down."""
        for each in self:
            each.work = None
            for miner in each.miners:
                miner.stop_counting()
            each.link.pool_gone(reason)

    def pool_back(self) -> None:
        """The pool may be dialled again."""
        for each in self:
            each.link.pool_back()

    def close(self, reason: str) -> None:
        """End all of them now."""
        for each in self:
            each.link.close(reason)
            self._remove(each)

    def _remove(self, connection: SharedConnection) -> None:
        del self._connections[connection.id]
        connection.link.detach()
