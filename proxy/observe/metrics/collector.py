"""Numbers and gauges -> metric families, at each scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.history.counters import COUNTERS, Counts
from proxy.history.switch_cost import SwitchCost
from proxy.observe.metrics.counting import RARE, EventCounts
from proxy.observe.metrics.distributions import Distribution, PoolTraffic
from proxy.observe.metrics.gauges import Gauges, GaugeSource, OracleGauges, PoolGauges, WorkerGauges
from proxy.types import LineCount, PoolKey

NO_POOL = "none"
"""Label for a share that named no job of ours, so belongs to no pool."""

ShareSource = Callable[[], Iterable[tuple[PoolKey, Counts]]]
"""What this run has counted on each pool; the empty key for shares of no pool. Called in the scrape's thread."""

Rows = Iterable[tuple[tuple[str, ...], float]]
"""Label values and the value of each sample."""


def _counter(name: str, says: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _gauge(name: str, says: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _histogram(
    name: str, says: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], Distribution]]
) -> Metric:
    family = HistogramMetricFamily(name, says, labels=labels)
    for values, distribution in rows:
        family.add_metric(values, distribution.buckets(), distribution.total)
    return family


class CountCollector(Collector):
    """What was counted of shares and from other events, and the loop's lag."""

    def __init__(self, counts: EventCounts, shares: ShareSource, lag: Distribution) -> None:
        self.miner_lines = LineCount()
        self.pool_lines: Mapping[PoolKey, LineCount] = {}
        self._counts = counts
        self._shares = shares
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Every family, also those without a sample yet: their names are there from the first scrape on."""
        pools = sorted(list(self._counts.pools.items()))  # the copy is made in one step, whatever the loop does
        yield from self._traffic([key for key, _ in pools])
        yield from _shares(list(self._shares()), [key for key, _ in pools])
        yield _counter(
            "dpmp_jobs_forwarded", "Jobs sent to miners", ("pool",), [((key,), each.jobs) for key, each in pools]
        )
        yield from _latencies(pools)
        yield from self._rare()
        yield _histogram("dpmp_loop_lag_seconds", "How late the event loop runs what is due", (), [((), self._lag)])

    def _traffic(self, known: list[PoolKey]) -> Iterator[Metric]:
        """``known``: pools whose series are there although nothing came or went yet."""
        of_pools = {key: LineCount() for key in known} | dict(self.pool_lines)
        sides = [("downstream", self.miner_lines), *((f"upstream{key}", of_pools[key]) for key in sorted(of_pools))]
        rx = [((side,), lines.received) for side, lines in sides]
        tx = [((side,), lines.sent) for side, lines in sides]
        yield _counter("dpmp_messages_rx", "Lines received", ("side",), rx)
        yield _counter("dpmp_messages_tx", "Lines sent", ("side",), tx)

    def _rare(self) -> Iterator[Metric]:
        happened = list(self._counts.rare.items())
        for rare in RARE:
            rows = [(values, float(number)) for (name, values), number in happened if name == rare.name]
            if not rows and not rare.labels:
                rows = [((), 0.0)]
            yield _counter(rare.name, rare.says, rare.labels, rows)


def _shares(counted: list[tuple[PoolKey, Counts]], known: list[PoolKey]) -> Iterator[Metric]:
    """``known``: pools whose series are there although they have no share yet."""
    yield _counter(
        "dpmp_shares_submitted", "Shares from miners", (), [((), sum(each.submitted for _, each in counted))]
    )
    of_pools = {key: Counts() for key in known} | {key: each for key, each in counted if key in known or each.submitted}
    rows = [(key, each) for key, each in sorted(of_pools.items()) if key]
    for counter in COUNTERS:
        if counter.pool_metric:
            values = [((key,), float(getattr(each, counter.name))) for key, each in rows]
            yield _counter(counter.pool_metric, counter.says, ("pool",), values)
    refused = [
        ((key or NO_POOL, reason.value, who.value), float(number))
        for key, each in counted
        for (reason, who), number in list((each.rejects or {}).items())
    ]
    yield _counter(
        "dpmp_share_rejects", "Refused shares by reason and by who refused them", ("pool", "reason", "by"), refused
    )


def _latencies(pools: list[tuple[PoolKey, PoolTraffic]]) -> Iterator[Metric]:
    pool = ("pool",)
    yield _histogram(
        "dpmp_share_latency_seconds",
        "From asking the pool about a share to its verdict",
        pool,
        [((key,), traffic.share_latency) for key, traffic in pools],
    )
    yield _histogram(
        "dpmp_job_latency_seconds",
        "From the pool's job to its being sent to a miner at work",
        pool,
        [((key,), traffic.job_latency) for key, traffic in pools],
    )
    yield _histogram(
        "dpmp_new_block_latency_seconds",
        "The same, for the first job of a new block",
        pool,
        [((key,), traffic.new_block_latency) for key, traffic in pools],
    )


class GaugeCollector(Collector):
    """The present, read from the source at each scrape."""

    def __init__(self) -> None:
        self.source: GaugeSource | None = None
        self.worker_limit = 0
        """How many workers get series of their own; 0: none."""

    def describe(self) -> Iterator[Metric]:
        """The families without samples, for the registry."""
        yield from _present(Gauges())
        yield from _workers((), 0)

    def collect(self) -> Iterator[Metric]:
        """One picture of the present; only the families' names while there is no source."""
        if self.source is None:
            return
        yield from _present(self.source.gauges())
        if self.worker_limit > 0:
            yield from _workers(self.source.workers(), self.worker_limit)


Family = Callable[[str, str, tuple[str, ...], Rows], Metric]

OF_A_POOL: tuple[tuple[Family, str, str, Callable[[PoolGauges], float | None]], ...] = (
    (_gauge, "dpmp_pool_up", "1 while the pool counts as up", lambda p: p.up),
    (_gauge, "dpmp_active_pool", "1 while the pool is being worked on", lambda p: p.active),
    (_gauge, "dpmp_upstream_connections", "Connections to the pool", lambda p: p.connections),
    (_gauge, "dpmp_scheduler_share", "Share of time on the pool, averaged over miners", lambda p: p.share),
    (_counter, "dpmp_scheduler_time_sum", "Miner-seconds spent on the pool", lambda p: p.time_sum_s),
    (_gauge, "dpmp_pool_weight", "Configured part of the work, 0 to 1", lambda p: p.weight),
    (_gauge, "dpmp_pool_hashrate", "Hash rate of the miners that work on the pool, H/s", lambda p: p.hashrate),
    (_gauge, "dpmp_ratio_window", "Part of the work of the last ten minutes, 0 to 1", lambda p: p.ratio_window),
    (_gauge, "dpmp_extranonce2_size", "Bytes of extranonce2 that the pool leaves", lambda p: p.extranonce2_size),
    (
        _gauge,
        "dpmp_pool_shared_connections",
        "Connections to the pool that many miners have together",
        lambda p: p.shared_connections,
    ),
    (
        _gauge,
        "dpmp_pool_waiting_for_place",
        "Miners without a place on the pool's shared connections",
        lambda p: p.waiting_for_place,
    ),
)
"""Families with a sample for each pool; None: this one has none."""

OF_A_SWITCH: tuple[tuple[Family, str, str, Callable[[SwitchCost], float]], ...] = (
    (_counter, "dpmp_switches_measured", "Switches whose cost was measured, by firmware", lambda c: c.switches),
    (
        _gauge,
        "dpmp_switch_first_share_seconds",
        "Mean time from a switch to the first accepted share",
        lambda c: c.measured_s,
    ),
    (
        _gauge,
        "dpmp_switch_expected_share_seconds",
        "The same for a miner that loses nothing by a switch",
        lambda c: c.expected_s,
    ),
    (_gauge, "dpmp_switch_cost_seconds", "Time that a switch costs; below 0 by luck", lambda c: c.cost_s),
    (_gauge, "dpmp_switch_cost_error_seconds", "Half of the 95 % interval of the cost", lambda c: c.error_s),
)
"""The same for each firmware."""

OF_A_WORKER: tuple[tuple[Family, str, str, Callable[[WorkerGauges], float | None]], ...] = (
    (_gauge, "dpmp_worker_power_watts", "Power, as the worker's miners say", lambda w: w.power_w),
    (
        _gauge,
        "dpmp_worker_temperature_celsius",
        "Temperature of the worker's hottest miner, as it says",
        lambda w: w.temperature_c,
    ),
    (_gauge, "dpmp_worker_hashrate", "Hash rate of the worker over five minutes, H/s", lambda w: w.hashrate),
    (_gauge, "dpmp_worker_connections", "Open connections of the worker", lambda w: w.connections),
    (_gauge, "dpmp_worker_difficulty", "Difficulty last sent to the worker", lambda w: w.difficulty),
    (_gauge, "dpmp_miner_health", "1 healthy, 0.5 needs attention, 0.1 bad", lambda w: w.health),
)
"""The same for each worker."""


def _alone(value: float | None) -> Rows:
    """The one sample of a family without labels; none where nothing is known."""
    return [] if value is None else [((), float(value))]


def _each(of: Mapping[str, float] | Mapping[PoolKey, float]) -> Rows:
    return [((name,), float(value)) for name, value in of.items()]


def _present(gauges: Gauges) -> Iterator[Metric]:
    connections, difficulty = gauges.downstream_connections, gauges.downstream_difficulty
    yield _gauge("dpmp_downstream_connections", "Miners connected", (), _alone(connections))
    yield _gauge("dpmp_downstream_difficulty", "Difficulty last sent to a miner", (), _alone(difficulty))
    for family, name, says, pools in OF_A_POOL:
        rows = [((pool.key,), float(value)) for pool in gauges.pools if (value := pools(pool)) is not None]
        yield family(name, says, ("pool",), rows)
    yield from _oracle(gauges.oracle or OracleGauges(), is_there=gauges.oracle is not None)
    for family, name, says, costs in OF_A_SWITCH:
        yield family(name, says, ("profile",), [((cost.profile,), float(costs(cost))) for cost in gauges.switch_costs])
    yield _gauge("dpmp_miners_heard", "Miners that say something of themselves", (), _alone(gauges.devices_heard))
    yield _gauge("dpmp_miners_power_watts", "Power of all miners that say it", (), _alone(gauges.devices_power_w))
    yield _gauge("dpmp_queue_size", "What waits in a queue", ("queue",), _each(gauges.queues))
    yield _counter(
        "dpmp_log_lines_dropped",
        "Log lines dropped because the writer did not keep up",
        ("level",),
        _each(gauges.log_lines_dropped),
    )
    yield _counter("dpmp_log_write_errors", "Log lines that could not be written", (), _alone(gauges.log_write_errors))
    yield _gauge(
        "dpmp_database_write_lag_seconds",
        "Age of the oldest entry that is not in the database yet; up to half a minute with hundreds of miners",
        (),
        _alone(gauges.database_write_lag_s),
    )
    yield _gauge("dpmp_node_up", "1 while the node is heard, 0 when it is silent", ("node",), _each(gauges.nodes))
    yield _gauge("dpmp_build_info", "1, with the version as a label", ("version",), [((gauges.version,), 1.0)])


def _oracle(oracle: OracleGauges, *, is_there: bool) -> Iterator[Metric]:
    rates, healthy = oracle.hashrates.items(), float(oracle.healthy) if is_there else None
    yield _gauge("dpmp_oracle_hashrate", "Network hash rate, H/s", ("chain", "window"), rates)
    yield _gauge("dpmp_oracle_ratio", "Network hash rate, short window / long window", ("chain",), _each(oracle.ratios))
    yield _gauge("dpmp_oracle_weight", "Weight computed by auto-balance", ("pool",), _each(oracle.weights))
    yield _gauge("dpmp_oracle_status", "1 healthy, 0 error", (), _alone(healthy))
    yield _gauge("dpmp_oracle_data_age_seconds", "Age of the network data", (), _alone(oracle.data_age_s))


def _workers(workers: Iterable[WorkerGauges], limit: int) -> Iterator[Metric]:
    ordered = sorted(workers, key=lambda worker: (-worker.hashrate, worker.name))
    shown = ordered[:limit]
    for family, name, says, read in OF_A_WORKER:
        rows = [((worker.name,), float(value)) for worker in shown if (value := read(worker)) is not None]
        yield family(name, says, ("worker",), rows)
    for counter in COUNTERS:
        if counter.worker_metric:
            rows = [((worker.name,), float(getattr(worker.counts, counter.name))) for worker in shown]
            yield _counter(counter.worker_metric, counter.worker_says, ("worker",), rows)
    yield _gauge(
        "dpmp_workers_without_series", "Workers left out because of the limit", (), _alone(len(ordered) - len(shown))
    )
