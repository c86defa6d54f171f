"""The sink that counts, and its place in a Prometheus registry."""

from collections import Counter
from collections.abc import Mapping

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.observe.events import Event, EventStream
from proxy.observe.metrics.collector import CountCollector, GaugeCollector, ShareSource
from proxy.observe.metrics.counting import EventCounts, connect
from proxy.observe.metrics.distributions import LAG_BOUNDS_S, Distribution
from proxy.observe.metrics.gauges import GaugeSource
from proxy.types import LineCount, PoolKey


class MetricsSink:
    """All ``dpmp_*`` metrics in ``registry``; one at a time for a registry.

    In the default registry they appear wherever that is exposed, ``django_prometheus`` included. Events are counted
    on the loop; a scrape may run in any thread.
    """

    def __init__(self, events: EventStream, shares: ShareSource, registry: CollectorRegistry = REGISTRY) -> None:
        """``shares`` is ``Accounting.counts_of_run``: each share is counted there, once, and read here at a scrape."""
        self._registry = registry
        self.counts = EventCounts()
        self.loop_lag = Distribution(LAG_BOUNDS_S)
        """Give its ``observe`` to the ``LagMeter``."""
        self._handler_errors = _HandlerErrors()
        self._gauges = GaugeCollector()
        self._counted = CountCollector(self.counts, shares, self.loop_lag)
        self._collectors: tuple[Collector, ...] = (
            self._counted,
            self._handler_errors,
            self._gauges,
        )
        for collector in self._collectors:
            registry.register(collector)
        self._disconnect = connect(self.counts, events)

    def attach(self, source: GaugeSource) -> None:
        """Read the gauges from ``source`` from the next scrape on."""
        self._gauges.source = source

    def attach_lines(self, miners: LineCount, pools: Mapping[PoolKey, LineCount]) -> None:
        """Read from the next scrape on how many lines came and went, from and to miners and each pool."""
        self._counted.miner_lines, self._counted.pool_lines = miners, pools

    def limit_worker_series(self, limit: int) -> None:
        """Expose series of the ``limit`` workers with the highest hash rate; 0 (as at first): of none."""
        self._gauges.worker_limit = max(0, limit)

    def handler_failed(self, error: Exception, event: Event) -> None:
        """Count that another sink raised while it was told ``event``; for ``EventStream``'s ``on_error``."""
        self._handler_errors.counts[event.name] += 1

    def close(self) -> None:
        """Stop counting and leave the registry."""
        self._disconnect()
        for collector in self._collectors:
            self._registry.unregister(collector)


class _HandlerErrors(Collector):
    """Events that a sink could not handle, by event name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def collect(self) -> list[Metric]:
        family = CounterMetricFamily(
            "dpmp_event_handler_errors", "Events that a part of the proxy failed to handle", labels=("event",)
        )
        for name, number in list(self.counts.items()):
            family.add_metric((name,), number)
        return [family]
