"""All ``dpmp_*`` metrics: counters and histograms from events, gauges from a read side at scrape time."""

from proxy.observe.metrics.gauges import Gauges, GaugeSource, OracleGauges, PoolGauges, WorkerGauges
from proxy.observe.metrics.sink import MetricsSink

__all__ = ["GaugeSource", "Gauges", "MetricsSink", "OracleGauges", "PoolGauges", "WorkerGauges"]
