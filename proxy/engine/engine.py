"""The engine: sessions and pools brought together under one configuration and one scheduler.

It owns no protocol and no policy: sessions speak Stratum, pools look after their health, the scheduler decides who
works where, and the engine introduces them to each other.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

from proxy.chains.stale_tips import StaleTips
from proxy.config.diff import diff
from proxy.config.snapshot import ConfigSnapshot, PoolConfig
from proxy.engine.backoff import Random
from proxy.engine.delivery import BlockDelivery, UndeliveredBlock
from proxy.engine.outage import Outage, any_works
from proxy.engine.pool import UpstreamPool
from proxy.engine.pool_link import PoolLink
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.session import Session
from proxy.observe.events import ConfigLoaded, EventStream, MinerConnected, MinerRefused, WeightsNormalized
from proxy.ports import Clock, Dialer, Timer
from proxy.scheduling.scheduler import Scheduler
from proxy.stratum.difficulty import diff1_target
from proxy.stratum.extranonce import MinerExtranonce, sizes_for
from proxy.stratum.firmware import Profile, profile_of
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.stratum.version_rolling import USUAL_MASK
from proxy.types import (
    HASHES_PER_DIFFICULTY,
    AdminStatus,
    ConnectionId,
    PoolKey,
    PoolStatus,
    SessionId,
    SwitchReason,
    WorkerName,
    shared,
)

REMOVED = "the pool was removed"
SWITCHED_OFF = "the pool was switched off"
RENEWALS_PER_S = 50.0
TRACE_LOOK_S = 0.1
"""At most this long after its time a trace ends: the wall clock may lag behind the timer's."""
NO_POOL = "No pool is set up: open the dashboard, whose guided start asks for two (or use the admin)."


class Engine:
    """See the module. ``SessionHost``, ``PoolOwner`` and the scheduler's ``Mover``."""

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
        self.version = version
        self.hashes_per_difficulty = hashes_per_difficulty
        self.diff1 = diff1_target(hashes_per_difficulty)
        self.config = ConfigSnapshot()
        self.sessions: dict[SessionId, Session] = {}
        self.pools: dict[PoolKey, UpstreamPool] = {}
        self.scheduler = Scheduler(clock=clock, events=events, mover=self, hashes_per_difficulty=hashes_per_difficulty)
        self.scheduler.on_pools_wanted_changed = self._pools_wanted_changed
        self.web_bound: tuple[str, int] | None = None
        """Where this process serves the dashboard; None while it does not."""
        self.delivery = BlockDelivery(pools=self.pools, clock=clock, events=events, random=random)
        self.scheduler.wait_s = self._wait_for_block_s
        self.stale_tips = StaleTips(clock=clock, events=events)
        self.stale_tips.on_change = self._tips_changed
        self._dialer = dialer
        self._random = random
        self._session_ids = count(1)
        self._connection_ids = count(1)
        self._extranonces = count(int(random.random() * 2**16))
        self._by_address: Counter[str] = Counter()
        self._paced: deque[tuple[float, Callable[[], None]]] = deque()
        self._pace_timer: Timer | None = None
        self._serve_timer: Timer | None = None
        self._trace_timer: Timer | None = None
        self._accepting = True
        self.outage = Outage(clock=clock, events=events, let_go=self._let_go)
        self._taken_out: set[PoolKey] = set()

    # --- Configuration --------------------------------------------------------------------------------------------

    def apply(self, config: ConfigSnapshot) -> None:
        """Act on a (validated) configuration: only what changed moves."""
        old, self.config = self.config, config
        change = diff(old, config)
        for key in change.pools_added:
            self._add_pool(config.pools[key])
        self._tell_normalized(old, config)
        self.scheduler.apply(self._effective(config))
        for key in change.pools_removed:
            self._remove_pool(key)
        for key in change.pools_moved | change.pools_tuned:
            self._configure_pool(key, old.pools[key])
        self._serve_all()
        self._trace()
        self.events.emit(
            ConfigLoaded(
                revision=config.revision,
                pools=tuple(config.pools),
                changed=_names(
                    change.pools_added | change.pools_removed | change.pools_moved | change.pools_tuned,
                    change.weights_changed,
                ),
            )
        )

    def _tell_normalized(self, old: ConfigSnapshot, new: ConfigSnapshot) -> None:
        """Say which new weights do not sum to 100: they count as parts of their sum."""
        known = list(_given(old))
        for source, given in _given(new):
            total = sum(given.values())
            if total > 0 and abs(total - 100.0) > 1e-6 and (source, given) not in known:
                self.events.emit(
                    WeightsNormalized(
                        source=source,
                        given=given,
                        weights={key: round(100.0 * weight / total, 3) for key, weight in given.items()},
                    )
                )

    def take_out(self, pool: PoolKey, out: bool) -> None:
        """Use no weight of ``pool`` while ``out`` (its payout check failed and the operator chose so)."""
        before = set(self._taken_out)
        (self._taken_out.add if out else self._taken_out.discard)(pool)
        if before != self._taken_out:
            if pool in self.pools:
                self.pools[pool].exclude(out)
            self.scheduler.apply(self._effective(self.config))
            self._serve_all()

    def _effective(self, config: ConfigSnapshot) -> ConfigSnapshot:
        if not self._taken_out:
            return config
        pools = {
            key: replace(pool, status=AdminStatus.DRAIN)
            if key in self._taken_out and pool.status is AdminStatus.ENABLED
            else pool
            for key, pool in config.pools.items()
        }
        return replace(config, pools=pools)

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
        pool.start()

    def _remove_pool(self, key: PoolKey) -> None:
        for session in list(self.sessions.values()):
            session.leave(key, REMOVED)
        self.pools.pop(key).stop()

    def _configure_pool(self, key: PoolKey, old: PoolConfig) -> None:
        pool, new = self.pools[key], self.config.pools[key]
        pool.configure(new, self.config.health)
        self.scheduler.pool_status(key, pool.may_dial)
        if not pool.usable:
            for session in list(self.sessions.values()):
                session.leave(key, SWITCHED_OFF)
        elif new.moved_from(old):
            self._renew_all(key)

    # --- Miners ---------------------------------------------------------------------------------------------------

    def connect(self, peer: str) -> Session | None:
        """A miner connected from ``peer`` (``address:port``): its link handler, or None where a limit is reached."""
        address = peer.rpartition(":")[0]
        limits = self.config.limits
        limit = ""
        if not self._accepting:
            limit = "shutting down"
        elif len(self.sessions) >= limits.max_sessions:
            limit = f"{limits.max_sessions} connections"
        elif self._by_address[address] >= limits.max_sessions_per_address:
            limit = f"{limits.max_sessions_per_address} connections from one address"
        if limit:
            self.events.emit(MinerRefused(peer=peer, limit=limit))
            return None
        session = Session(SessionId(next(self._session_ids)), self)
        session.peer = peer
        self.sessions[session.id] = session
        self._by_address[address] += 1
        self.events.emit(MinerConnected(session=session.id, peer=peer))
        session.expect_handshake(limits.handshake_timeout_s)
        return session

    @property
    def takes_miners(self) -> bool:
        """Whether a subscribe is answered."""
        return not self.outage.is_long

    @property
    def web_address(self) -> tuple[str, int]:
        """Host and port of the dashboard: where it was bound, else as configured (another process may serve it)."""
        return self.web_bound or (self.config.listeners.web_host, self.config.listeners.web_port)

    def session_started(self, session: Session) -> None:
        """Subscribed and authorised: it wants work."""
        if not self.config.pools:
            session.wait(NO_POOL)
        self.scheduler.add_miner(session.id, session.worker, session.wish)
        self._serve(session)
        if session.current is None and self.config.pools:
            hopeless = not any(pool.may_dial for pool in self.pools.values())
            session.wait("No pool is up." if hopeless else "Waiting for the first job of a pool.", tell=hopeless)

    def session_ready_changed(self, session: Session, ready: frozenset[PoolKey]) -> None:
        """Let the scheduler act."""
        self.scheduler.set_ready(session.id, ready)

    def session_ended(self, session: Session) -> None:
        """The miner is gone."""
        if self.sessions.pop(session.id, None) is None:
            return
        address = session.peer.rpartition(":")[0]
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
        self.stale_tips.forget(session.id)
        if session.started:
            self.scheduler.remove_miner(session.id)

    def share_judged(self, session: Session, pool: PoolKey, difficulty: float, credited: float, accepted: bool) -> None:
        """Evidence for the scheduler."""
        if session.id in self.sessions:
            self.scheduler.share(session.id, pool, difficulty, accepted, credited)

    def deliver(self, block: UndeliveredBlock, answered: Callable[[ShareAnswer], None]) -> None:
        """Try to bring a block candidate to its pool all the same."""
        self.delivery.deliver(block, answered)

    def hashrate(self, session: Session) -> float:
        """The scheduler's estimate."""
        return self.scheduler.rate(session.id) if session.started else 0.0

    def sure_hashrate(self, session: Session) -> float:
        """The scheduler's estimate once it rests on enough shares."""
        return self.scheduler.sure_rate(session.id)

    def aimed_at(self, session: Session) -> frozenset[PoolKey]:
        """The scheduler's aim."""
        return self.scheduler.aimed_at(session.id)

    def share_s(self, session: SessionId) -> float:
        """The seconds that a session needs for a share at the difficulty it was told; 0 while that is not known."""
        miner, rate = self.sessions.get(session), self.scheduler.rate(session)
        told = miner.told if miner is not None else None
        return told * self.hashes_per_difficulty / rate if told and rate > 0 else 0.0

    def is_traced(self, worker: WorkerName) -> bool:
        """Whether raw traffic of ``worker`` is wanted now."""
        return self.config.trace_workers.get(worker, 0.0) > self.clock.wall()

    def _trace(self) -> None:
        """Hear the raw traffic of the workers that are traced now, of no others, until the first one's time is over."""
        if self._trace_timer is not None:
            self._trace_timer.cancel()
            self._trace_timer = None
        left = [until - self.clock.wall() for until in self.config.trace_workers.values()]
        if any(time > 0 for time in left):
            soonest = min(time for time in left if time > 0)
            self._trace_timer = self.clock.call_at(self.clock.now() + max(soonest, TRACE_LOOK_S), self._trace)
        for session in self.sessions.values():
            session.trace(self.is_traced(session.worker))

    def login_of(self, session: SessionId) -> tuple[WorkerName, str, str, str]:
        """What a pool may be told about a miner."""
        miner = self.sessions[session]
        return miner.worker, miner.user, miner.password, miner.downstream.agent or f"dpmp/{self.version}"

    def asked_difficulty(
        self, session: SessionId, pool: PoolKey, productive: ProductiveDifficulty, *, estimated: bool
    ) -> float | None:
        """The difficulty that suits a miner on ``pool``."""
        return self.sessions[session].asked_difficulty(pool, productive, estimated=estimated)

    def extranonce_for(self, session: Session, profile: Profile) -> MinerExtranonce:
        """An extranonce that fits all pools the miner may be sent to, as far as their sizes are known."""
        sizes = [pool.extranonce2_size for pool in self.pools.values() if pool.usable] or [None]
        length, size = sizes_for(
            sizes,
            needs_extranonce1=profile.needs_extranonce1,
            even=profile.even_extranonce2,
            wants_extranonce1=not profile.accepts_empty_extranonce1,
            least=profile.least_extranonce2,
        )
        number = next(self._extranonces) % (1 << 8 * length) if length else 0
        return MinerExtranonce(number.to_bytes(length, "big"), size)

    def profile_of(self, agent: str) -> Profile:
        """What is known of the firmware that calls itself ``agent``, or what the operator says of it."""
        return profile_of(agent, self.config.firmware)

    def offered_mask(self, requested: int) -> int:
        """The bits that all pools with rolling allow; BIP 320's while none is known, none where no pool rolls."""
        known = {pool.mask for pool in self.pools.values() if pool.usable}
        if known == {0}:
            return 0
        mask = USUAL_MASK
        for pool in self.pools.values():
            if pool.usable and pool.mask:
                mask &= pool.mask
        return mask & requested

    # --- Pools ----------------------------------------------------------------------------------------------------

    def pool(self, key: PoolKey) -> UpstreamPool:
        """The pool called ``key``."""
        return self.pools[key]

    def unusable(self, key: PoolKey) -> str:
        """Why no miner may stay on the pool; "" while miners may (also on one that its operator drains)."""
        config, pool = self.config.pools.get(key), self.pools.get(key)
        if config is None or pool is None:
            return REMOVED
        if config.status is AdminStatus.DISABLED:
            return SWITCHED_OFF
        if pool.status is PoolStatus.DOWN:
            return pool.health.reason or "the pool is down"
        return "its payout check failed" if key in self._taken_out else ""

    def next_connection_id(self) -> ConnectionId:
        """An id never used before."""
        return ConnectionId(next(self._connection_ids))

    def attach(self, session: Session, pool: PoolKey) -> PoolLink:
        """A new link."""
        return PoolLink(pool=self.pools[pool], owner=session, clock=self.clock, events=self.events, random=self._random)

    def pool_changed(self, pool: UpstreamPool, *, was: PoolStatus) -> None:
        """Down: its miners leave at once. Up again: they come back a few at a time, not as a herd."""
        up = pool.may_dial
        self.scheduler.pool_status(pool.key, up)
        sessions = list(self.sessions.values())
        if not up:
            for session in sessions:
                session.update_ready()
                if pool.key in session.links:
                    session.links[pool.key].pool_gone(pool.health.reason)
        elif was is PoolStatus.DOWN:
            gap = 1.0 / self.config.health.returns_per_s
            self._pace((gap, _back(session, pool.key)) for session in sessions)
        self._serve_all()

    def pool_suspected(self, pool: UpstreamPool) -> None:
        """Nobody is moved to a pool that may be silent; who works there stays until it is known."""
        for session in list(self.sessions.values()):
            session.update_ready()

    def pool_learned(self, pool: UpstreamPool) -> None:
        """Miners that connect from now on get what fits."""
        self._look_for_pools()

    def _look_for_pools(self) -> None:
        config = self._effective(self.config)
        self.outage.look(any_works(self.pools.values(), config, self.clock.wall()), config.health.no_pool_minutes)

    def _let_go(self) -> int:
        """Close the connections of all miners that have subscribed: a lost pool is what their firmware acts on."""
        miners = [session for session in self.sessions.values() if session.jobs is not None]
        for session in miners:
            session.downstream.close("no pool has worked for long: let go")
        return len(miners)

    def pool_endpoint_changed(self, pool: UpstreamPool) -> None:
        """The primary endpoint is back: connections move over one after the other."""
        self._renew_all(pool.key)

    def _renew_all(self, key: PoolKey) -> None:
        gap = 1.0 / RENEWALS_PER_S
        self._pace((gap, _renewal(session, key)) for session in list(self.sessions.values()))

    def _pace(self, steps: Iterable[tuple[float, Callable[[], None]]]) -> None:
        """Run steps one after the other, each followed by its gap (seconds)."""
        self._paced.extend(steps)
        if self._pace_timer is None:
            self._next_paced()

    def _next_paced(self) -> None:
        self._pace_timer = None
        if self._paced:
            gap, step = self._paced.popleft()
            self._pace_timer = self.clock.call_at(self.clock.now() + gap, self._next_paced)
            step()

    # --- Scheduling -----------------------------------------------------------------------------------------------

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        """The scheduler's wish."""
        miner = self.sessions.get(session)
        return miner is not None and miner.switch_to(pool, reason)

    def _tips_changed(self, sessions: frozenset[SessionId]) -> None:
        """Connections of these sessions are late with a block, or may be used again."""
        for session in sorted(sessions):
            if session in self.sessions:
                self.sessions[session].update_ready()

    def _wait_for_block_s(self, session: SessionId, pool: PoolKey) -> float:
        miner = self.sessions.get(session)
        link = miner.links.get(pool) if miner is not None else None
        connection = link.warm_connection if link is not None else None
        return self.stale_tips.wait_s(connection.id) if connection is not None else 0.0

    def _pools_wanted_changed(self) -> None:
        """Serve all sessions once this turn is over, however often the scheduler asks in it."""
        if self._serve_timer is None:
            self._serve_timer = self.clock.call_at(self.clock.now(), self._serve_all)

    def _serve_all(self) -> None:
        if self._serve_timer is not None:
            self._serve_timer.cancel()
            self._serve_timer = None
        for session in list(self.sessions.values()):
            self._serve(session)
        self._look_for_pools()

    def _serve(self, session: Session) -> None:
        if session.started:
            wanted = self.scheduler.pools_wanted(session.id)
            session.set_wanted(shared(frozenset(key for key in wanted if key in self.pools and self.pools[key].usable)))

    # --- The end --------------------------------------------------------------------------------------------------

    @property
    def open_submits(self) -> int:
        """Shares that wait for a pool's verdict."""
        return self.delivery.open_submits + sum(
            link.open_submits for session in self.sessions.values() for link in session.links.values()
        )

    def stop_accepting(self) -> None:
        """Refuse new miners from now on."""
        self._accepting = False

    def close(self) -> None:
        """End everything: pools first, so that miners hear the last verdicts."""
        self.delivery.close()
        self.outage.stop()
        for pool in self.pools.values():
            pool.stop()
        for session in list(self.sessions.values()):
            session.downstream.close("the proxy ends")


def _back(session: Session, key: PoolKey) -> Callable[[], None]:
    return lambda: session.pool_back(key)


def _renewal(session: Session, key: PoolKey) -> Callable[[], None]:
    return lambda: session.renew(key)


def _names(pools: Iterable[PoolKey], weights: bool) -> tuple[str, ...]:
    return (*sorted(f"pool {key}" for key in pools), *(("weights",) if weights else ()))


def _given(config: ConfigSnapshot) -> Iterable[tuple[str, dict[PoolKey, float]]]:
    """Whose weights, and what they are, as the operator wrote them."""
    yield from ((schedule.name, schedule.weights()) for schedule in config.schedules)
    if config.override is not None:
        yield "override", dict(config.override.weights)
