"""Events -> numbers."""

from collections import Counter, defaultdict
from collections.abc import Callable

from proxy.observe.events import (
    AcceptedShares,
    AddressRefused,
    BlockCandidate,
    BlockFound,
    ConfigLoaded,
    ConfigRefused,
    DatabaseTrouble,
    Event,
    EventStream,
    InternalError,
    JobsForwarded,
    LateVerdict,
    MinerBadMessage,
    MinerRefused,
    MinerSlowed,
    PoolDisconnected,
    PoolDown,
    PoolProtocolError,
    PoolSwitched,
    ShareResult,
)
from proxy.observe.metrics.distributions import PoolTraffic
from proxy.types import DecidedBy, PoolKey, Verdict

_ACCEPTED, _REJECTED, _POOL = Verdict.ACCEPTED, Verdict.REJECTED, DecidedBy.POOL


class EventCounts:
    """What is counted from events since the process started; shares themselves are in ``proxy.history.counters``."""

    def __init__(self) -> None:
        self.pools: defaultdict[PoolKey, PoolTraffic] = defaultdict(PoolTraffic)
        self.rare: Counter[tuple[str, tuple[str, ...]]] = Counter()
        """(metric name without ``_total``, label values) -> how often."""

    def share(self, result: ShareResult) -> None:
        """Keep how long the pool took for its verdict."""
        pool, verdict = result.pool, result.verdict
        if pool is not None and (verdict is _ACCEPTED or (verdict is _REJECTED and result.decided_by is _POOL)):
            self.pools[pool].share_latency.observe(result.latency_s)

    def shares(self, shares: AcceptedShares) -> None:
        """The same for a sum."""
        if shares.latencies:
            observe = self.pools[shares.pool].share_latency.observe
            for latency_s in shares.latencies:
                observe(latency_s)

    def jobs(self, jobs: JobsForwarded) -> None:
        """Count jobs, and how late they came to miners that were waiting for them."""
        traffic = self.pools[jobs.pool]
        traffic.jobs += jobs.number
        for wait_s in jobs.waits_s:
            traffic.job_latency.observe(wait_s)
        for wait_s in jobs.new_block_waits_s:
            traffic.new_block_latency.observe(wait_s)

    def show_pools(self, config: ConfigLoaded) -> None:
        """Let every configured pool's series start at 0, so that the first increase is seen as one."""
        for key in config.pools:
            self.pools[key]


def _pool(event: Event) -> tuple[str, ...]:
    return (event.pool,)  # type: ignore[attr-defined]


def _nothing(event: Event) -> tuple[str, ...]:
    return ()


def _switch(event: Event) -> tuple[str, ...]:
    assert isinstance(event, PoolSwitched)
    return (event.new, event.reason.value)


def _closed(event: Event) -> tuple[str, ...]:
    assert isinstance(event, PoolDisconnected)
    return (event.pool, "proxy" if event.wanted else "pool")


def _found(event: Event) -> tuple[str, ...] | None:
    assert isinstance(event, BlockFound)
    return (event.pool,) if event.accepted else None


def _trouble(event: Event) -> tuple[str, ...] | None:
    assert isinstance(event, DatabaseTrouble)
    return None if event.recovered else ()


def _connections(event: Event) -> int:
    assert isinstance(event, MinerRefused)
    return event.connections


class RareCounter:
    """One counter of something that happens seldom: an event class and the labels to take from it."""

    def __init__(
        self,
        name: str,
        says: str,
        event: type[Event],
        labels: tuple[str, ...] = (),
        values: Callable[[Event], tuple[str, ...] | None] = _nothing,
        number: Callable[[Event], int] = lambda event: 1,
    ) -> None:
        self.name = name
        self.says = says
        self.event = event
        self.labels = labels
        self.values = values
        """Label values; None: this one does not count."""
        self.number = number
        """How often it happened, where one event tells of several times."""


RARE = (
    RareCounter("dpmp_pool_switches", "Moves of a miner to the pool", PoolSwitched, ("pool", "reason"), _switch),
    RareCounter(
        "dpmp_pool_disconnects",
        "Ended connections to the pool, by who closed them",
        PoolDisconnected,
        ("pool", "by"),
        _closed,
    ),
    RareCounter("dpmp_pool_downs", "Times the pool went down", PoolDown, ("pool",), _pool),
    RareCounter(
        "dpmp_pool_bad_messages", "What the pool sent against the protocol", PoolProtocolError, ("pool",), _pool
    ),
    RareCounter(
        "dpmp_late_verdicts",
        "Verdicts that came after the miner had been told there is none",
        LateVerdict,
        ("pool",),
        _pool,
    ),
    RareCounter("dpmp_block_candidates", "Shares that meet the network target", BlockCandidate, ("pool",), _pool),
    RareCounter("dpmp_blocks_found", "Block candidates that the pool accepted", BlockFound, ("pool",), _found),
    RareCounter("dpmp_miner_bad_messages", "What miners sent that is no message", MinerBadMessage),
    RareCounter(
        "dpmp_miners_refused", "Connections closed at once because of a limit", MinerRefused, number=_connections
    ),
    RareCounter("dpmp_miners_slowed", "Connections read slowly for what earns nothing", MinerSlowed),
    RareCounter("dpmp_addresses_refused", "Times an address was refused for what it cost", AddressRefused),
    RareCounter("dpmp_internal_errors", "Faults of the proxy itself", InternalError),
    RareCounter("dpmp_config_refused", "Configurations that could not be used", ConfigRefused),
    RareCounter(
        "dpmp_database_errors", "Times the database could not be read or written", DatabaseTrouble, (), _trouble
    ),
)


def connect(counts: EventCounts, events: EventStream) -> Callable[[], None]:
    """Count from ``events`` from now on. Returns what takes it back."""
    undo: list[Callable[[], None]] = []

    def listen(kind: type[Event], handler: Callable[..., None]) -> None:
        events.subscribe(kind, handler)
        undo.append(lambda: events.unsubscribe(kind, handler))

    events.subscribe_counting(ShareResult, counts.share)
    undo.append(lambda: events.unsubscribe(ShareResult, counts.share))
    for kind, handler in (
        (AcceptedShares, counts.shares),
        (JobsForwarded, counts.jobs),
        (ConfigLoaded, counts.show_pools),
    ):
        listen(kind, handler)
    for rare in RARE:
        listen(rare.event, _counter(counts.rare, rare))

    def disconnect() -> None:
        for step in undo:
            step()

    return disconnect


def _counter(into: Counter[tuple[str, tuple[str, ...]]], rare: RareCounter) -> Callable[[Event], None]:
    def count(event: Event) -> None:
        values = rare.values(event)
        if values is not None:
            into[rare.name, values] += rare.number(event)

    return count
