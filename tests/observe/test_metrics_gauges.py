"""Gauges are the present, read from the source at each scrape."""

import pytest
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import REGISTRY

from proxy.observe.events import EventStream, PoolConnected
from proxy.observe.metrics import Gauges, MetricsSink, PoolGauges, WorkerGauges
from proxy.types import ConnectionId, WorkerName
from tests.observe.metrics_cast import A, FixedSource, Scene, full_gauges, share, shares_of


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_without_a_source_there_are_counters_only(scene: Scene) -> None:
    assert "dpmp_shares_submitted_total" in scene.text()
    assert "dpmp_downstream_connections" not in scene.text()


def test_scrape_shows_what_the_source_says(scene: Scene) -> None:
    scene.sink.attach(FixedSource(full_gauges()))
    assert scene.value("dpmp_downstream_connections") == 3
    assert scene.value("dpmp_scheduler_share", pool="A") == 0.7
    assert scene.value("dpmp_scheduler_time_sum_total", pool="B") == 300.0
    assert scene.value("dpmp_active_pool", pool="B") == 0
    assert scene.value("dpmp_oracle_hashrate", chain="BTC", window="long") == 8e20
    assert scene.value("dpmp_log_lines_dropped_total", level="DEBUG") == 4
    assert scene.value("dpmp_queue_size", queue="database") == 5


def test_upstream_connections_come_from_the_source_and_not_from_events(scene: Scene) -> None:
    scene.sink.attach(FixedSource(Gauges(pools=(PoolGauges(key=A, connections=2),))))
    for connection in range(5):
        scene.events.emit(
            PoolConnected(pool=A, connection=ConnectionId(connection), endpoint="", probe=False, latency_ms=1.0)
        )
    assert scene.value("dpmp_upstream_connections", pool="A") == 2


def test_oracle_that_never_ran_has_no_samples(scene: Scene) -> None:
    scene.sink.attach(FixedSource(Gauges()))
    assert scene.value("dpmp_oracle_status") is None
    assert "# TYPE dpmp_oracle_status gauge" in scene.text()


def test_worker_series_are_off_until_switched_on(scene: Scene) -> None:
    scene.sink.attach(FixedSource(Gauges(), [WorkerGauges(name=WorkerName("rig"), hashrate=1e12)]))
    assert "dpmp_worker" not in scene.text()
    scene.sink.limit_worker_series(10)
    assert scene.value("dpmp_worker_hashrate", worker="rig") == 1e12


def test_worker_series_are_bounded_to_the_strongest(scene: Scene) -> None:
    rigs = [WorkerGauges(name=WorkerName(f"rig{n}"), hashrate=float(n)) for n in range(50)]
    scene.sink.attach(FixedSource(Gauges(), rigs))
    scene.sink.limit_worker_series(2)
    assert scene.value("dpmp_worker_hashrate", worker="rig49") == 49
    assert scene.value("dpmp_worker_hashrate", worker="rig47") is None
    assert scene.value("dpmp_workers_without_series") == 48


def test_hostile_worker_name_does_not_break_the_exposition(scene: Scene) -> None:
    scene.sink.attach(FixedSource(Gauges(), [WorkerGauges(name=WorkerName('a"} 1\nevil 2'), hashrate=5.0)]))
    scene.sink.limit_worker_series(1)
    assert not [line for line in scene.text().splitlines() if line.startswith("evil")]


def test_loop_lag_goes_into_its_histogram(scene: Scene) -> None:
    scene.sink.loop_lag.observe(0.003)
    assert scene.value("dpmp_loop_lag_seconds_bucket", le="0.005") == 1


def test_default_registry_shows_the_same_through_django_prometheus() -> None:
    events = EventStream()
    sink = MetricsSink(events, shares_of(events), REGISTRY)
    try:
        events.emit(share())
        page = ExportToDjangoView(None).content.decode()
    finally:
        sink.close()
    assert 'dpmp_shares_accepted_total{pool="A"} 1.0' in page
