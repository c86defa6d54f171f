"""The engine: sessions and pools brought together under one configuration and one scheduler.

It owns no protocol and no policy: sessions speak Stratum, pools follow their health, the scheduler decides who
works where, and the engine introduces them to each other.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import count

from proxy.chains.network_difficulties import NetworkDifficulties
from proxy.chains.stale_tips import StaleTips
from proxy.config.diff import diff
from proxy.config.snapshot import ConfigSnapshot, PoolConfig
from proxy.engine.backlog import Backlog, LaterEvents
from proxy.engine.config_events import config_loaded, weights_normalized
from proxy.engine.connection_control import ConnectionControl
from proxy.engine.delivery import BlockDelivery
from proxy.engine.in_turns import InTurns
from proxy.engine.job_rounds import JobRounds
from proxy.engine.job_sums import JobSums
from proxy.engine.jobs import MinerLink
from proxy.engine.outage import Outage, any_works
from proxy.engine.pacing import Pacer
from proxy.engine.pool import UpstreamPool
from proxy.engine.pool_link import PoolLink
from proxy.engine.refusals import ReportedProtocols
from proxy.engine.session import Session
from proxy.engine.share_sums import ShareSums
from proxy.engine.shared_connections import SharedConnections
from proxy.engine.shared_link import SharedLink
from proxy.engine.sharing import Sharing
from proxy.engine.tracing import WorkerTracing
from proxy.engine.worker_sessions import WorkerSessions
from proxy.observe.events import EventStream, MinerConnected
from proxy.ports import Clock, Dialer, Random, Timer
from proxy.scheduling.scheduler import Scheduler
from proxy.sentence import sentence
from proxy.stratum.difficulty import diff1_target
from proxy.stratum.version_rolling import USUAL_MASK, common_bits
from proxy.types import (
    HASHES_PER_DIFFICULTY,
    MAIN_LISTENER,
    AdminStatus,
    ConnectionId,
    LineCount,
    ListenerId,
    PoolKey,
    PoolStatus,
    SessionId,
    SwitchReason,
    shared,
)

REMOVED = sentence("the pool was removed")
NO_POOL_IS_UP = sentence("No pool is up.")
FIRST_JOB = sentence("Waiting for the first job of a pool.")
NO_PLACE = sentence("No shared connection of its pools has a place for it.")
SWITCHED_OFF = sentence("the pool was switched off")
OUTAGE_LOOK_S = 5.0
"""How often it is checked whether miners still work while no pool takes new ones."""
RENEWALS_PER_S = 50.0
LEAST_LEAVING_PER_S = 20.0
LEAVING_S = 30.0
"""A listener that is switched off has no miners any more after so long."""
NO_POOL = sentence("No pool is set up: open the dashboard, whose guided start asks for two (or use the admin).")


class Engine:
    """Owns the sessions, the pools and the scheduler. Implements the scheduler's ``Mover``."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventStream,
        dialer: Dialer,
        random: Random,
        version: str,
        hashes_per_difficulty: float = HASHES_PER_DIFFICULTY,
    ) -> None:
        self.clock = clock
        self.events = events
        self.share_sums = ShareSums(clock, events)
        self.job_sums = JobSums(events)
        self.version = version
        self.hashes_per_difficulty = hashes_per_difficulty
        self.diff1 = diff1_target(hashes_per_difficulty)
        self.config = ConfigSnapshot()
        self.sessions: dict[SessionId, Session] = {}
        self.workers = WorkerSessions()
        self.pools: dict[PoolKey, UpstreamPool] = {}
        self.lines = LineCount()
        """Of miners."""
        self.pool_lines: dict[PoolKey, LineCount] = {}
        """A pool that is removed keeps its own, as counters must not fall."""
        self.scheduler = Scheduler(clock=clock, events=events, mover=self, hashes_per_difficulty=hashes_per_difficulty)
        self.scheduler.on_pools_wanted_changed = self._update_wanted_pools_soon
        self.web_bound: tuple[str, int] | None = None
        """Where this process serves the dashboard; None while it does not."""
        self.delivery = BlockDelivery(pools=self.pools, clock=clock, events=events, random=random)
        self.scheduler.wait_s = self._wait_for_block_s
        self.stale_tips = StaleTips(clock=clock, events=events)
        self.network_difficulties = NetworkDifficulties(clock=clock, events=events, diff1=self.diff1)
        self.stale_tips.on_change = self._tips_changed
        self.job_rounds = JobRounds(clock)
        self.backlog = Backlog(clock, self.job_rounds)
        self._in_turns = InTurns(self.sessions, self.backlog)
        LaterEvents(events, self.backlog)
        self._dialer = dialer
        self._random = random
        self.sharing = Sharing(self.pools, first_extranonce=int(random.random() * 2**16))
        self._started = 0
        """How many miners there are that have logged in."""
        self._session_ids = count(1)
        self._connection_ids = count(1)
        self.connection_control = ConnectionControl(self.sessions, clock=clock, events=events)
        self.reported_protocols = ReportedProtocols()
        self._pacer = Pacer(clock)
        self._leaving = Pacer(clock)
        self.miners_through: Counter[ListenerId] = Counter()
        """Connections by listener."""
        self.tracing = WorkerTracing(self.sessions, clock)
        self._update_timer: Timer | None = None
        self._outage_timer: Timer | None = None
        self.outage = Outage(clock=clock, events=events, disconnect_miners=self._disconnect_miners)

    # --- Configuration --------------------------------------------------------------------------------------------

    def apply(self, config: ConfigSnapshot) -> None:
        """Act on a (validated) configuration: only what changed moves."""
        old, self.config = self.config, config
        self.connection_control.apply(config)
        change = diff(old, config)
        for key in change.pools_added:
            self._add_pool(config.pools[key])
        for event in weights_normalized(old, config):
            self.events.emit(event)
        self.scheduler.apply(self._without_excluded(config))
        for key in change.pools_removed:
            self._remove_pool(key)
        for key in change.pools_moved | change.pools_tuned:
            self._configure_pool(key, old.pools[key])
        self._update_sharing()
        self._update_wanted_pools()
        self.tracing.apply(config.trace_workers)
        if config.miner_listeners != old.miner_listeners:
            for session in self.sessions.values():
                session.asked_difficulty.listener_changed()
        self.events.emit(config_loaded(config, change))

    def exclude_pool(self, key: PoolKey, excluded: bool) -> None:
        """Give ``key`` no work while ``excluded`` (its payout check failed and the operator chose so)."""
        pool = self.pools.get(key)
        if pool is not None and pool.excluded is not excluded:
            pool.exclude(excluded)
            self.scheduler.apply(self._without_excluded(self.config))
            self._update_wanted_pools()

    def _without_excluded(self, config: ConfigSnapshot) -> ConfigSnapshot:
        """``config`` with the excluded pools drained."""
        excluded = {
            key: replace(config.pools[key], status=AdminStatus.DRAIN)
            for key, pool in self.pools.items()
            if pool.excluded and key in config.pools and config.pools[key].status is AdminStatus.ENABLED
        }
        return replace(config, pools={**config.pools, **excluded}) if excluded else config

    def _add_pool(self, config: PoolConfig) -> None:
        pool = UpstreamPool(
            config,
            self.config.health,
            engine=self,
            clock=self.clock,
            dialer=self._dialer,
            events=self.events,
            random=self._random,
        )
        self.pools[config.key] = pool
        self.sharing.add(
            SharedConnections(pool, engine=self, clock=self.clock, events=self.events, random=self._random)
        )
        pool.start()

    def _remove_pool(self, key: PoolKey) -> None:
        for session in list(self.sessions.values()):
            session.remove_pool(key, REMOVED)
        self.sharing.remove(key).close(REMOVED)
        self.pools.pop(key).stop()

    def _configure_pool(self, key: PoolKey, old: PoolConfig) -> None:
        pool, new = self.pools[key], self.config.pools[key]
        pool.configure(new, self.config.health)
        self.scheduler.pool_status(key, pool.may_dial)
        if not pool.usable:
            for session in list(self.sessions.values()):
                session.remove_pool(key, SWITCHED_OFF)
            self.sharing.connections[key].close(SWITCHED_OFF)
        elif new.moved_from(old):
            self._renew_all(key)
        if key in self.sharing:
            if new.group_by is not old.group_by:
                self._relink_all(key)
            elif new.most_miners < old.most_miners:
                self._relink_all(key, of_more_than=new.most_miners)
        self.sharing.connections[key].place_is_free()

    # --- Shared connections ---------------------------------------------------------------------------------------

    def _update_sharing(self) -> None:
        for key in self.sharing.update(self._started):
            self._relink_all(key)

    def _relink_all(self, key: PoolKey, *, of_more_than: int = -1) -> None:
        """Move miners, if only those of shared connections with ``of_more_than`` so many."""
        self.sharing.connections[key].retire(of_more_than)
        relinks = [partial(session.relink, key) for session in self.sessions.values()]
        self._pacer.add(relinks, per_s=RENEWALS_PER_S)

    # --- Miners ---------------------------------------------------------------------------------------------------

    def connect(self, peer: str, through: str = "", listener: ListenerId = MAIN_LISTENER) -> Session | None:
        """A miner connected from ``peer`` (``address:port``): its link handler, or None where a limit is reached.

        ``through``: the load balancer that named the peer; "" without one.
        """
        if not self.connection_control.admits(peer, through, listener):
            return None
        ident = SessionId(next(self._session_ids))
        session = self.sessions[ident] = Session(ident, self, peer, self.connection_control.came(ident, peer), listener)
        self.miners_through[listener] += 1
        name, limits = self.config.listener(listener).name, self.config.limits
        self.events.emit(MinerConnected(session=ident, peer=peer, listener=name, through=through))
        session.watch.expect_handshake(limits.subscribe_timeout_s, limits.handshake_timeout_s)
        return session

    def let_go(self, listener: ListenerId) -> None:
        """A listener is switched off: disconnect its miners, spread over time, unless it is switched on meanwhile."""
        leaving = [session for session in self.sessions.values() if session.listener == listener]
        per_s = max(LEAST_LEAVING_PER_S, len(leaving) / LEAVING_S)
        self._leaving.add([partial(self._let_one_go, session) for session in leaving], per_s=per_s)

    def leaving_s(self, over_s: float) -> float:
        """How long ``let_all_go`` would take."""
        return min(over_s, len(self.sessions) / LEAST_LEAVING_PER_S)

    def let_all_go(self, over_s: float) -> None:
        """Disconnect all miners, within so many seconds; call ``stop_accepting`` or close the ports before."""
        leaving = list(self.sessions.values())
        per_s = max(LEAST_LEAVING_PER_S, len(leaving) / over_s)
        self._leaving.add([partial(self._send_away, session) for session in leaving], per_s=per_s)

    def _send_away(self, session: Session) -> None:
        if session.id in self.sessions:
            session.downstream.close("this node stops soon; others take its miners")

    def _let_one_go(self, session: Session) -> None:
        is_on = any(one.id == session.listener and one.enabled for one in self.config.miner_listeners)
        if not is_on and session.id in self.sessions:
            session.downstream.close("its listener was switched off")

    @property
    def web_address(self) -> tuple[str, int]:
        """Host and port of the dashboard: where it was bound, else as configured (another process may serve it)."""
        return self.web_bound or (self.config.listeners.web_host, self.config.listeners.web_port)

    def session_started(self, session: Session) -> None:
        """Subscribed and authorised: it wants work."""
        self.workers.began(session)
        if not self.config.pools:
            session.wait(NO_POOL)
        self.connection_control.logged_in(session.id)
        self._started += 1
        self._update_sharing()
        self.scheduler.add_miner(session.id, session.worker, session.listener, session.choice)
        self._update_wanted(session)
        if session.current is None and self.config.pools:
            if not any(pool.may_dial for pool in self.pools.values()):
                session.wait(NO_POOL_IS_UP)
            elif session.has_no_place:
                session.wait(NO_PLACE)
            else:
                session.wait(FIRST_JOB, tell=False)

    def session_ended(self, session: Session) -> None:
        """The miner is gone."""
        if self.sessions.pop(session.id, None) is None:
            return
        self.miners_through[session.listener] -= 1
        self.connection_control.left(session)
        self.stale_tips.forget(session.id)
        self.sharing.left(session.id)
        if session.started:
            self.workers.ended(session)
            self._started -= 1
            self._update_sharing()
            self.scheduler.remove_miner(session.id)

    def share_s(self, session: SessionId) -> float:
        """The seconds that a session needs for a share at the difficulty assigned to it; 0 while that is not known."""
        miner, rate = self.sessions.get(session), self.scheduler.rate(session)
        difficulty = miner.sender.assigned_difficulty if miner is not None else None
        return difficulty * self.hashes_per_difficulty / rate if difficulty and rate > 0 else 0.0

    def offered_mask(self, requested: int) -> int:
        """The bits that all pools with rolling allow; BIP 320's while none is known, none where no pool rolls."""
        known = {pool.version_mask for pool in self.pools.values() if pool.usable}
        if known == {0}:
            return 0
        version_mask = USUAL_MASK
        for pool in self.pools.values():
            if pool.usable and pool.version_mask:
                version_mask &= pool.version_mask
        return common_bits(version_mask, requested)

    # --- Pools ----------------------------------------------------------------------------------------------------

    def unusable(self, key: PoolKey) -> str:
        """Why no miner may stay on the pool; "" while miners may (also on one that its operator drains)."""
        config, pool = self.config.pools.get(key), self.pools.get(key)
        if config is None or pool is None:
            return REMOVED
        if config.status is AdminStatus.DISABLED:
            return SWITCHED_OFF
        if pool.status is PoolStatus.DOWN:
            return pool.health.reason or sentence("the pool is down")
        return sentence("its payout check failed") if pool.excluded else ""

    def coinbases_of(self, key: PoolKey) -> Iterable[bytes]:
        """The second part of the coinbase in the newest job of each of the pool's connections."""
        return self.pools[key].coinbases() if key in self.pools else ()

    def next_connection_id(self) -> ConnectionId:
        """An id never used before."""
        return ConnectionId(next(self._connection_ids))

    def new_link(self, session: Session, pool: PoolKey) -> MinerLink:
        """A link of the session to the pool: shared, where the pool's connections are and the miner can be told apart
        from others."""
        extranonce = session.downstream.extranonce
        if pool in self.sharing and extranonce is not None and extranonce.extranonce1:
            return SharedLink(together=self.sharing.connections[pool], session=session, clock=self.clock)
        return PoolLink(
            pool=self.pools[pool], session=session, clock=self.clock, events=self.events, random=self._random
        )

    def pool_changed(self, pool: UpstreamPool, *, was: PoolStatus) -> None:
        """Down: its miners leave at once. Up again: they come back a few a second."""
        up = pool.may_dial
        self.scheduler.pool_status(pool.key, up)
        sessions = list(self.sessions.values())
        if not up:
            elsewhere = []
            for session in sessions:
                if session.current == pool.key:
                    pool.is_gone_for(session)
                else:
                    elsewhere.append(session)
            self.sharing.connections[pool.key].pool_gone(pool.health.reason)
            self._in_turns.for_each(elsewhere, pool.is_gone_for)
        elif was is PoolStatus.DOWN:
            self.sharing.connections[pool.key].pool_back()
            returns = [partial(session.pool_links.pool_back, pool.key) for session in sessions]
            self._pacer.add(returns, per_s=self.config.health.returns_per_s)
        self._update_wanted_pools()

    def pool_suspected(self, pool: UpstreamPool) -> None:
        """Nobody is moved to a pool that may be silent; who works there stays until it is known."""
        self._in_turns.for_each(list(self.sessions.values()), Session.update_ready)

    def pool_learned(self, pool: UpstreamPool) -> None:
        """Miners that connect from now on get what fits; it may be a pool that works again."""
        self._update_outage()

    def _update_outage(self) -> None:
        config = self._without_excluded(self.config)
        works = any_works(self.pools.values(), config, self.clock.wall())
        at_work = not works and any(session.current is not None for session in self.sessions.values())
        self.outage.update(works or at_work, config.health.no_pool_minutes)
        if self._outage_timer is not None:
            self._outage_timer.cancel()
            self._outage_timer = None
        if at_work:  # on a pool that is drained or excluded: nothing says when that ends
            self._outage_timer = self.clock.call_at(self.clock.now() + OUTAGE_LOOK_S, self._update_outage)

    def _disconnect_miners(self) -> int:
        """Close the connections of all miners that have subscribed: a lost pool is what their firmware acts on."""
        miners = [session for session in self.sessions.values() if session.jobs is not None]
        for session in miners:
            session.downstream.close("no pool has worked for long: disconnected")
        return len(miners)

    def pool_endpoint_changed(self, pool: UpstreamPool) -> None:
        """The primary endpoint is back: connections move over one after the other."""
        self._renew_all(pool.key)

    def _renew_all(self, key: PoolKey) -> None:
        renewals = [partial(session.renew, key) for session in self.sessions.values()]
        self._pacer.add(renewals, per_s=RENEWALS_PER_S)
        self.sharing.connections[key].renew()

    # --- Scheduling -----------------------------------------------------------------------------------------------

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        """Have a session work on ``pool``; whether it does. Called by the scheduler."""
        miner = self.sessions.get(session)
        return miner is not None and miner.switch_to(pool, reason)

    def _tips_changed(self, sessions: frozenset[SessionId]) -> None:
        """Connections of these sessions are late with a block, or may be used again."""
        for session in sorted(sessions):
            if session in self.sessions:
                self.sessions[session].update_ready()
            elif session < 0:
                for together in self.sharing.connections.values():
                    shared_connection = together.find(session)
                    if shared_connection is not None:
                        shared_connection.tips_changed()

    def _wait_for_block_s(self, session: SessionId, pool: PoolKey) -> float:
        miner = self.sessions.get(session)
        link = miner.links.get(pool) if miner is not None else None
        connection = link.connection if link is not None else None
        return self.stale_tips.wait_s(connection.id) if connection is not None else 0.0

    def _update_wanted_pools_soon(self) -> None:
        """Once this turn is over, however often the scheduler asks in it."""
        if self._update_timer is None:
            self._update_timer = self.clock.call_at(self.clock.now(), self._update_wanted_pools)

    def _update_wanted_pools(self) -> None:
        """See that each session has the connections that the scheduler wants it to have."""
        if self._update_timer is not None:
            self._update_timer.cancel()
            self._update_timer = None
        self._in_turns.for_each(sorted(self.sessions.values(), key=_works), self._update_wanted)
        self._update_outage()

    def _update_wanted(self, session: Session) -> None:
        if session.started:
            wanted = self.scheduler.pools_wanted(session.id)
            session.set_wanted(shared(frozenset(key for key in wanted if key in self.pools and self.pools[key].usable)))

    # --- The end --------------------------------------------------------------------------------------------------

    @property
    def open_submits(self) -> int:
        """Shares that wait for a pool's verdict."""
        return (
            self.delivery.open_submits
            + sum(session.pool_links.open_submits for session in self.sessions.values())
            + sum(together.open_submits for together in self.sharing.connections.values())
        )

    def close(self) -> None:
        """End everything: pools first, so that miners hear the last verdicts."""
        self.delivery.close()
        self.outage.stop()
        if self._outage_timer is not None:
            self._outage_timer.cancel()
        for pool in self.pools.values():
            pool.stop()
        for session in list(self.sessions.values()):
            session.downstream.cut_off("the proxy ends")


def _works(session: Session) -> bool:
    """Whether a miner has work: who has none comes first."""
    return session.current is not None
