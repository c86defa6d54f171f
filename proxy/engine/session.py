"""One miner's session: its handshake, which pool's jobs it works on, and what it is sent.

The session owns its ``Downstream`` and one ``PoolLink`` for each pool; where it works is decided by the scheduler
through ``switch_to``. Everything that reaches the miner goes through ``WorkSender`` or is a reply to its request.
"""

from collections.abc import Mapping
from sys import intern
from typing import TYPE_CHECKING

from proxy.config.snapshot import Endpoint, ListenerConfig, VardiffRule
from proxy.engine.asked_difficulty import AskedDifficulty
from proxy.engine.connection_control import COSTLY
from proxy.engine.eligibility import MinerKind
from proxy.engine.eligible_pools import EligiblePools
from proxy.engine.jobs import JobTable, MinerLink
from proxy.engine.miner_access import WRONG_PASSWORD, password_for_pool
from proxy.engine.miner_watch import MinerWatch
from proxy.engine.password_directives import read_directives
from proxy.engine.peer_costs import PAUSE_S, Measure, PeerCost
from proxy.engine.pool import UpstreamPool
from proxy.engine.pool_link import PoolLink
from proxy.engine.pool_links import PoolLinks
from proxy.engine.shared_link import SharedLink
from proxy.engine.submits import SubmitHandler
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.engine.vardiff import Vardiff
from proxy.engine.work_sender import WorkSender
from proxy.engine.worker_names import worker_of
from proxy.errors import RemoteProtocolError
from proxy.observe.events import (
    DirectiveIgnored,
    DownstreamTraffic,
    EmergencySwitch,
    MinerAuthorized,
    MinerBadMessage,
    MinerConfigured,
    MinerDisconnected,
    MinerMethod,
    MinerOtherProtocol,
    MinerSlowed,
    MinerSubscribed,
    MinerWaiting,
    MinerWrongPassword,
    PoolSwitched,
    SwitchSkipped,
)
from proxy.ports import Link
from proxy.scheduling.control import NO_CHOICE
from proxy.sentence import Sentence, sentence
from proxy.stratum.downstream import Downstream
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.firmware import UNKNOWN, Profile, profile_of
from proxy.stratum.opening import NOT_TLS, REASONS, Opening, http_answer
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.version_rolling import common_bits
from proxy.types import (
    MAIN_LISTENER,
    ListenerId,
    PoolKey,
    SessionId,
    SwitchReason,
    Waste,
    WorkerName,
    shared,
)

if TYPE_CHECKING:
    from proxy.engine.engine import Engine

GO_BACK_S = 30.0
"""A miner that left a pool for a stale tip returns at once if the pool has the block within this time. Otherwise a pool
that is always 2 s late would lose the whole dwell of another one with each block."""


class Session:
    """One miner's connection, from accept to close. Implements ``DownstreamOwner``."""

    __slots__ = (
        "_began",
        "_clock",
        "_earned",
        "_ended",
        "_engine",
        "_events",
        "_left_tip",
        "_ready",
        "_slowed",
        "_worked_on",
        "asked_difficulty",
        "choice",
        "connected_at",
        "cost",
        "current",
        "downstream",
        "eligible",
        "id",
        "listener",
        "password",
        "peer",
        "pool_links",
        "profile",
        "sender",
        "started",
        "submits",
        "user",
        "vardiff",
        "waiting",
        "watch",
        "worker",
    )

    def __init__(
        self,
        session_id: SessionId,
        engine: "Engine",
        peer: str,
        cost: PeerCost,
        listener: ListenerId = MAIN_LISTENER,
    ) -> None:
        self.id = session_id
        self.listener = listener
        self.choice = NO_CHOICE
        """What it asked for in its password."""
        self.cost = cost
        """What it costs without earning anything."""
        self.downstream = Downstream(clock=engine.clock, owner=self, lines=engine.lines, diff1=engine.diff1)
        self.profile: Profile = UNKNOWN
        self.worker = WorkerName("")
        self.user = ""
        self.password = ""
        self.peer = peer
        self.connected_at = engine.clock.wall()
        self.pool_links = PoolLinks(self, engine)
        self.current: PoolKey | None = None
        self.asked_difficulty = AskedDifficulty(self, engine)
        self.waiting = ""
        """Why there is no work, for people."""
        self.started = False
        self.vardiff: Vardiff | None = None
        """Its difficulty on shared connections, from its first job there on."""
        self.eligible = EligiblePools(self, engine)
        self.sender = WorkSender(self, engine)
        self.watch = MinerWatch(self, engine.clock)
        self._engine = engine
        self._clock = engine.clock
        self._events = engine.events
        self.submits = SubmitHandler(
            session_id,
            self.downstream,
            cost=cost,
            events=engine.events,
            sums=engine.share_sums,
            scheduler=engine.scheduler,
            delivery=engine.delivery,
            diff1=engine.diff1,
        )
        self._ready: frozenset[PoolKey] = frozenset()
        self._left_tip: tuple[PoolKey, PoolKey | None, float] | None = None
        """The pool that was last left for a stale tip, the one that took over, and when."""
        self._worked_on: PoolKey | None = None
        """The pool of the last job, also after that pool was lost."""
        self._began = engine.clock.now()
        self._ended = False
        self._earned = 0
        """Accepted shares that its link has heard of."""
        self._slowed = False
        """Whether the operator was told."""

    # --- LinkHandler: the runtime calls the downstream endpoint through these --------------------------------------

    def opened(self, link: Link) -> Downstream:
        """The connection is open; the endpoint itself is given the bytes."""
        self.downstream.opened(link)
        return self.downstream

    def received(self, payload: bytes) -> None:
        """Bytes from the miner."""
        self.downstream.received(payload)

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self.downstream.closed(reason)

    @property
    def vardiff_rule(self) -> VardiffRule:
        """What the operator wants for miners like this one on shared connections."""
        return self._engine.config.vardiff_rule(self.listener, self.profile.name)

    @property
    def listener_name(self) -> str:
        """The port that it came through; "" where that is no more."""
        return self._engine.config.listener(self.listener).name

    @property
    def has_earned(self) -> bool:
        """Whether a share of this connection was accepted."""
        return self.cost.accepted > 0

    @property
    def address(self) -> str:
        """Which address it counts for."""
        return self.cost.address.name

    @property
    def is_cut_off(self) -> bool:
        """Whether nothing more is read of it."""
        return self.downstream.is_cut_off

    def is_unconnected(self) -> bool:
        """Whether it has no connection to any pool, nor is one being dialled."""
        return not any(link.is_dialled for link in self.links.values())

    def earned_lines(self) -> int:
        """How many shares were accepted since the last call."""
        earned, self._earned = self.cost.accepted - self._earned, self.cost.accepted
        return earned

    # --- DownstreamOwner ------------------------------------------------------------------------------------------

    def miner_speaks_otherwise(self, opening: Opening, head: bytes) -> bytes:
        """Log it in one line; a browser is sent the address of the dashboard."""
        reason, tls_port = REASONS[opening], self._engine.config.listeners.tls_port
        if opening is Opening.TLS and tls_port:
            reason += f"; for TLS use stratum+ssl:// and port {tls_port}"
        self._tell_protocol(opening, reason)
        return http_answer(head, *self._engine.web_address) if opening is Opening.HTTP else b""

    def not_tls(self) -> None:
        """Log it in one line: the port is for TLS."""
        self._tell_protocol("plain", NOT_TLS)

    def _tell_protocol(self, protocol: str, reason: str) -> None:
        if self._engine.reported_protocols.is_new(self.cost.address.name, protocol, self._clock.now()):
            self._events.emit(MinerOtherProtocol(session=self.id, peer=self.peer, protocol=protocol, reason=reason))

    def miner_may_subscribe(self) -> bool:
        """Not while no pool has worked for long."""
        return not self._engine.outage.is_long

    def miner_subscribed(self, agent: str) -> MinerExtranonce:
        """Fix the extranonce for the life of the connection."""
        self.profile = profile_of(agent, self._engine.config.firmware_profile_of(agent))
        extranonce = self._engine.sharing.extranonce_for(self.id, self.profile)
        self.submits.jobs = JobTable(extranonce, self.id)
        self._events.emit(
            MinerSubscribed(
                session=self.id,
                agent=agent,
                profile=self.profile.name,
                extranonce1=extranonce.extranonce1.hex(),
                extranonce2_size=extranonce.size,
            )
        )
        return extranonce

    def miner_version_mask(self, requested: int) -> int:
        """Offer what all pools allow."""
        version_mask = shared(self._engine.offered_mask(requested))
        self.sender.version_mask = version_mask or None
        self.facts_changed()
        self._asks()
        self._events.emit(MinerConfigured(session=self.id, extensions=("version-rolling",), version_mask=version_mask))
        return version_mask

    def miner_may_authorize(self, user: str, password: str) -> str:
        """Ask for the operator's password for miners, if there is one."""
        if password_for_pool(self._engine.config.access_of(self.listener), password) is not None:
            return ""
        event = MinerWrongPassword(session=self.id, user=user, peer=self.peer, listener=self.listener_name)
        self._events.emit(event)
        return WRONG_PASSWORD

    def miner_authorized(self, user: str, password: str) -> None:
        """The first worker names the session; others are distinguished in the counts only."""
        worker = worker_of(user)
        first = self.submits.user is None
        self.submits.authorized(user, worker)
        listener = self._engine.config.listener(self.listener)
        if first:
            self.worker, self.user = worker, user
            self._read_password(
                password_for_pool(self._engine.config.access_of(self.listener), password) or "", listener
            )
            self.trace(self._engine.tracing.is_traced(worker))
        self._events.emit(
            MinerAuthorized(
                session=self.id,
                worker=worker,
                user=user,
                peer=self.peer,
                agent=self.downstream.agent,
                profile=self.profile.name,
                first=first,
                listener=listener.name,
            )
        )

    def _read_password(self, password: str, listener: ListenerConfig) -> None:
        """Note what the miner asks for, as far as its listener allows it, and what of it pools get to see."""
        found = read_directives(password, listener)
        self.password, self.choice = intern(found.rest), found.choice  # it is "x" nearly everywhere
        if found.difficulty is not None:
            self.asked_difficulty.suggest(found.difficulty, is_directive=True)
        for problem in found.problems:
            self._events.emit(
                DirectiveIgnored(session=self.id, worker=self.worker, problem=problem, listener=listener.name)
            )

    def miner_handled(self) -> None:
        """Work may be asked for once the miner has all its replies."""
        if not self.started and self.jobs is not None and self.submits.user is not None and not self._ended:
            self.started = True
            self.watch.logged_in()
            self._engine.session_started(self)

    def miner_suggested(self, difficulty: float) -> None:
        """Keep it, for the pools."""
        self.asked_difficulty.suggest(difficulty)

    def miner_minimum(self, difficulty: float) -> bool:
        """Keep it, from the next job on."""
        self.asked_difficulty.grant(difficulty)
        self._asks()
        return True

    def _asks(self) -> None:
        """The miner asks for something: what it gets its next job by is looked at anew."""
        if self.jobs is not None:
            self.jobs.change_terms(None)

    def miner_called(self, method: str) -> None:
        """Emit ``MinerMethod``."""
        self.watch.called()
        if self._events.wants(MinerMethod):
            self._events.emit(MinerMethod(session=self.id, worker=self.worker, method=method))

    def miner_problem(self, problem: RemoteProtocolError) -> None:
        """Emit ``MinerBadMessage``."""
        self._events.emit(MinerBadMessage(session=self.id, worker=self.worker, problem=str(problem)))

    def miner_cost(self, points: float, what: Waste) -> None:
        """Slow the miner down, or close its connection, where it costs too much that earns nothing."""
        if self._ended:
            return
        measure = self._engine.connection_control.peer_costs.charge(self.cost, points, what, self._clock.now())
        if measure is Measure.NOTHING:
            return
        if measure is Measure.SLOW:
            self.downstream.slow(points * PAUSE_S)
            if not self._slowed:
                self._slowed = True
                self._events.emit(MinerSlowed(session=self.id, worker=self.worker, peer=self.peer))
            return
        self.downstream.cut_off(COSTLY)
        if measure is Measure.REFUSE:
            self._engine.connection_control.refuse_address(self.cost.address)

    def miner_traffic(self, direction: str, payload: bytes) -> None:
        """Emit ``DownstreamTraffic``."""
        self._events.emit(
            DownstreamTraffic(
                session=self.id,
                worker=self.worker,
                direction=direction,
                line=payload.decode("utf-8", "replace").rstrip(),
            )
        )

    def miner_closed(self, reason: str) -> None:
        """The miner is gone: nobody waits for its verdicts, so every open share ends as unanswered."""
        self._ended = True
        self.watch.stop()
        self.pool_links.finish("miner left")
        self._events.settle()  # sums of its shares are told while it is here, and hold it no longer
        self._events.emit(
            MinerDisconnected(
                session=self.id,
                worker=self.worker,
                peer=self.peer,
                reason=reason,
                duration_s=round(self._clock.now() - self._began, 3),
            )
        )
        self._engine.session_ended(self)
        self._detach()

    def _detach(self) -> None:
        """Refer to nothing any more that refers to the session: without circles it is freed at once."""
        self.submits.jobs = None
        for part in (self.asked_difficulty, self.eligible, self.pool_links, self.sender, self.watch):
            part.detach()

    # --- Where it works -------------------------------------------------------------------------------------------

    @property
    def links(self) -> dict[PoolKey, MinerLink]:
        """Its ways to pools."""
        return self.pool_links.by_pool

    @property
    def jobs(self) -> JobTable | None:
        """The jobs that shares may be for; None until the miner has subscribed."""
        return self.submits.jobs

    @property
    def ready(self) -> frozenset[PoolKey]:
        """Pools that it could be moved to right now."""
        return self._ready

    def switch_to(self, pool: PoolKey, reason: SwitchReason) -> bool:
        """Put the miner to work on ``pool`` in one write; False where there is no fresh job for it."""
        if pool == self.current:
            return True
        link = self.links.get(pool)
        if link is None or link.job is None or pool not in self._ready or not self._is_still_good(link):
            self._events.emit(SwitchSkipped(session=self.id, worker=self.worker, pool=pool))
            return False
        old, self.current = self.current, pool
        why = self._why_lost(old) if old is not None else ""
        came_from, self._worked_on = self._worked_on, pool
        self._work_through(link)
        self.waiting = ""
        self.facts_changed()
        tell = self._events.emit_later if reason is SwitchReason.FAILOVER else self._events.emit
        tell(PoolSwitched(session=self.id, worker=self.worker, old=came_from, new=pool, reason=reason))
        if old is not None and why:  # the scheduler moved the miner before its session had heard of the loss
            self._events.emit_later(EmergencySwitch(session=self.id, worker=self.worker, old=old, new=pool, why=why))
        self.sender.send(link, clean=True, switch=True)
        if old is not None:
            self.pool_links.drain_unwanted(old)
        return True

    def _is_still_good(self, link: MinerLink) -> bool:
        """Whether the miner may be moved there also by what was not looked at yet: its newest job (``work_came``
        follows), or that the pool is down or suspected by now."""
        key, job = link.pool.key, link.job
        return self._may_work_on(key) and not (link.has_new_job and job is not None and not self._fits(key, job))

    def _work_through(self, link: MinerLink) -> None:
        self.pool_links.use(link)
        if isinstance(link, PoolLink) and link.start_work():
            self.asked_difficulty.came_back_to(link)

    def set_wanted(self, pools: frozenset[PoolKey]) -> None:
        """Keep connections to ``pools`` warm; let go of the others, the one in use last."""
        self.pool_links.open(pools)
        if self.eligible.any_left_out:
            self.update_ready()  # the aim has changed: the last pool with work for a miner is never left out
        self.pool_links.drain_others(self.current)

    def remove_pool(self, pool: PoolKey, why: str) -> None:
        """The pool cannot be used any more: close the connection; the scheduler hears of it first."""
        link = self.pool_links.remove(pool, why)
        self.eligible.forget(pool)
        self.update_ready()
        if link is not None:
            link.close(why)

    def relink(self, pool: PoolKey) -> None:
        """Connect to ``pool`` in the way that holds by now."""
        if not self._ended:
            self.pool_links.relink(pool)

    def dial(self, link: PoolLink, endpoint: Endpoint | None) -> UpstreamConnection:
        """Make a connection of its own."""
        return link.pool.make_connection(self, link, endpoint, link.productive)

    def trace(self, on: bool) -> None:
        """Let the raw traffic with the miner and with its pools be heard, or no more."""
        self.downstream.traced = on
        self.pool_links.trace(on)

    def renew(self, pool: PoolKey, endpoint: Endpoint | None = None) -> None:
        """Replace the connection to ``pool`` without a gap."""
        link = self.links.get(pool)
        if isinstance(link, PoolLink):
            link.renew(endpoint)

    def update_ready(self) -> None:
        """See which pools have work for this miner, and let the scheduler act on a change."""
        self.facts_changed()
        usable = self._usable() or self._usable_after_all()
        usable -= self.eligible.leave_out(usable)
        left = self._to_be_left(usable)
        ready = shared(usable - left)
        if ready == self._ready:
            return
        if self.current is not None and self.current in left:
            self._leave_stale_tip(self.current, ready)
            return
        self._ready = ready
        lost = self.current if self.current is not None and self.current not in ready else None
        if lost is None:
            self._engine.scheduler.set_ready(self.id, ready)
            self._go_back()
            return
        self.current, why = None, self._why_lost(lost) or "it has no work for this miner"
        self._engine.scheduler.set_ready(self.id, ready)
        self._events.emit_later(
            EmergencySwitch(session=self.id, worker=self.worker, old=lost, new=self.current, why=why)
        )
        if self.current is None:
            self.wait(
                sentence(
                    "Pool {pool} was lost ({why}) and no other pool has work for it.", pool=lost, why=Sentence.of(why)
                )
            )

    def _usable(self) -> frozenset[PoolKey]:
        """Pools with a job that this miner can work on."""
        return frozenset(
            key
            for key, link in self.links.items()
            if link.job is not None and key not in self.eligible.excluded and self._may_work_on(key)
        )

    def _usable_after_all(self) -> frozenset[PoolKey]:
        """Look again at pools that were only left alone while there was work elsewhere: now there is none."""
        for key in [key for key in self.eligible.excluded if self._may_work_on(key)]:
            link = self.links.get(key)
            if link is not None and link.job is not None:
                self.eligible.fits(key, link.job, elsewhere=False)
        return self._usable()

    def _to_be_left(self, usable: frozenset[PoolKey]) -> frozenset[PoolKey]:
        """Pools whose connection is late with a block, where the scheduler has another one for this miner."""
        left, links, is_to_be_left = [], self.links, self._engine.stale_tips.is_to_be_left
        for key in usable:
            link = links[key]
            connection = link.connection
            if connection is not None and is_to_be_left(link.line_id, key, connection.id):
                left.append(key)
        if left and usable.difference(left) & self._engine.scheduler.aimed_at(self.id):
            return frozenset(left)
        return frozenset()

    def _leave_stale_tip(self, old: PoolKey, ready: frozenset[PoolKey]) -> None:
        """Work elsewhere until the pool has heard of the block."""
        connection = self.links[old].connection
        assert connection is not None
        self._ready, self.current = ready, None
        self._engine.stale_tips.left(self.links[old].line_id, old, connection.id)
        self._engine.scheduler.set_ready(self.id, ready)
        self._left_tip = (old, self.current, self._clock.now())
        why = "it has not heard of the newest block of its chain"
        self._events.emit(EmergencySwitch(session=self.id, worker=self.worker, old=old, new=self.current, why=why))
        if self.current is None:
            self.wait(sentence("Waiting for a pool that has heard of the newest block."))

    def _go_back(self) -> None:
        """Return to the pool that was left for a stale tip, if it has not been long: its turn had not ended."""
        if self._left_tip is not None and self._left_tip[0] in self._ready:
            (old, new, at), self._left_tip = self._left_tip, None
            if new is not None and new == self.current and self._clock.now() < at + GO_BACK_S:
                self._engine.scheduler.go_back(self.id, old)

    def _why_lost(self, key: PoolKey) -> str:
        """Why the miner cannot stay on a pool; "" while it can. The pool's own reasons come before its connection's."""
        link = self.links.get(key)
        return (
            self._engine.unusable(key)
            or self.eligible.why_not(key)
            or (link.loss if link is not None and link.job is None else "")
        )

    def _may_work_on(self, key: PoolKey) -> bool:
        pool = self._engine.pools[key]
        return pool.may_dial and (key == self.current or not pool.suspected)

    @property
    def has_no_place(self) -> bool:
        """Whether all of its pools have shared connections, and these are full."""
        return bool(self.links) and all(
            isinstance(link, SharedLink) and link.at is None for link in self.links.values()
        )

    def wait(self, reason: str, *, tell: bool = True) -> None:
        """Keep the miner although there is no work for it; ``tell`` unless that is usual for a moment."""
        if reason != self.waiting:
            self.waiting = reason
            self.facts_changed()
            if tell:
                self._events.emit(MinerWaiting(session=self.id, worker=self.worker, reason=reason))

    # --- Its links ------------------------------------------------------------------------------------------------

    def work_came(self, link: MinerLink, job: PoolJob, *, new_connection: bool) -> None:
        """A connection has a job: check that this miner can use it, and pass it on if it works there.

        ``work_noted`` follows, once all miners have their jobs.
        """
        key = link.pool.key
        if self.links.get(key) is not link:
            if not self.pool_links.take_over(link):
                return
            new_connection = True
        fits = self._fits(key, job)
        if fits and key == self.current and not self.sender.has_sent(job):  # a switch since it came has sent it
            self._work_through(link)
            self.sender.send(link, clean=job.clean or new_connection, switch=new_connection)
        if fits is not (key in self._ready):
            self.update_ready()
        if not fits and not self._ready and self.current is None and self.eligible.helped_by_a_new_connection(job):
            self.downstream.close("no pool fits this connection, but one fits the next")

    def work_noted(self, link: MinerLink, job: PoolJob) -> None:
        """See whether the miner is quick for jobs of this size, and what its pool is to be asked for."""
        key = link.pool.key
        if self.links.get(key) is not link:
            return
        if self.eligible.space_changed(key, job):
            self.update_ready()
        if isinstance(link, PoolLink):
            if key == self.current:
                self.asked_difficulty.ask_for_less(link, job.difficulty)
            self.asked_difficulty.suggest_to(link)

    def _fits(self, key: PoolKey, job: PoolJob) -> bool:
        return self.eligible.fits(key, job, elsewhere=self._has_work_besides(key))

    def kind(self, key: PoolKey, job: PoolJob) -> MinerKind:
        """What decides whether it can use jobs like ``job``."""
        return self.eligible.kind(key, job, elsewhere=self._has_work_besides(key))

    def _has_work_besides(self, key: PoolKey) -> bool:
        return len(self._ready) > (key in self._ready)

    # --- Version rolling ------------------------------------------------------------------------------------------

    @property
    def rolls(self) -> bool:
        """Whether the miner negotiated version rolling."""
        return self.downstream.requested_version_mask is not None and not self.downstream.declined

    def known_version_mask(self, pool: PoolKey, job: PoolJob) -> int | None:
        """What the pool said on the job's connection, else on another; None: nothing yet."""
        return self._engine.pools[pool].version_mask if job.version_mask is None else job.version_mask

    def version_mask_for(self, pool: PoolKey, job: PoolJob) -> int:
        """The bits that this miner may roll on ``job``. Where the pool has not said, firmware that can stop waits with
        rolling until it has: a pool that does not know BIP 310 stays silent too, and would refuse its shares."""
        if self.profile.stops_rolling and self.known_version_mask(pool, job) is None:
            return 0
        requested, allowed = self.downstream.requested_version_mask, job.allowed_version_mask
        return allowed if requested is None else common_bits(allowed, requested)

    # --- Difficulty -----------------------------------------------------------------------------------------------

    @property
    def hashrate(self) -> float:
        """H/s, as estimated; 0 while nothing is known."""
        return self._engine.scheduler.rate(self.id)

    @property
    def hashes_per_difficulty(self) -> float:
        """Hashes of a share of difficulty 1."""
        return self._engine.hashes_per_difficulty

    def network_difficulty(self, pool: UpstreamPool, job: PoolJob) -> float:
        """The network's for ``job``, as far as it is to be believed."""
        return self._engine.network_difficulties.believe(pool.config.chain, job.template.nbits).credible

    def give_anew(self, link: MinerLink) -> None:
        """Give the miner the newest job again: its difficulty is far from what suits it."""
        if link.pool.key == self.current and link.job is not None and self.links.get(link.pool.key) is link:
            self.sender.send(link, clean=True)

    # --- Facts for the read model ---------------------------------------------------------------------------------

    def facts_changed(self) -> None:
        """Something that the read model tells of it is another from this turn on."""
        if self.started:
            self._engine.workers.changed(self)

    def facts(self) -> Mapping[PoolKey, str]:
        """Pools that it cannot use, and why: by its own limits, or because the pool refused it."""
        refused = {
            key: f"the pool refuses this user: {link.refused}" for key, link in self.links.items() if link.refused
        }
        return {**self.eligible.reasons(), **refused}
