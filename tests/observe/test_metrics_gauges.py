"""Gauges are the present, read from the source at each scrape."""

import pytest
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import REGISTRY

from proxy.observe.events import EventStream, PoolConnected
from proxy.observe.live.gauges import SnapshotGauges
from proxy.observe.live.views import LiveSnapshot, LiveStore, NodeView, PoolView, SharedView
from proxy.observe.metrics import Gauges, MetricsSink, PoolGauges, WorkerGauges
from proxy.types import AdminStatus, Chain, ConnectionId, PoolKey, PoolStatus, WorkerName
from tests.observe.metrics_cast import A, B, FixedSource, Scene, full_gauges, share, shares_of


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


def parts_of(spark: list[tuple[float, dict[PoolKey, float]]], at: float) -> dict[str, float | None]:
    snapshots = LiveStore()
    pools = tuple(
        PoolView(
            key=key, name=key, chain=Chain.BTC, status=PoolStatus.UP, admin=AdminStatus.ENABLED, colour=0,
            extranonce2_size=8 if key == A else None,
            shared=SharedView(connections=4, miners=900, waiting=2) if key == A else None,
        )
        for key in (A, B)
    )  # fmt: skip
    snapshots.put(LiveSnapshot(revision=1, at=at, started_at=0.0, pools=pools, spark=tuple(spark)))
    source = SnapshotGauges(
        snapshots, queues=dict, dropped=dict, write_errors=lambda: 0, write_lag_s=lambda: 0.0, shown=LiveStore()
    ).gauges()
    assert [pool.extranonce2_size for pool in source.pools] == [8, None]
    assert [pool.shared_connections for pool in source.pools] == [4, None]
    assert [pool.waiting_for_place for pool in source.pools] == [2, None]
    return {pool.key: pool.ratio_window for pool in source.pools}


def test_ratio_window_is_the_work_of_the_last_ten_minutes() -> None:
    spark = [(slot * 120.0, {A: 1e12, B: 0.0}) for slot in range(24)]
    spark += [(slot * 120.0, {A: 1e12, B: 3e12}) for slot in range(24, 30)]
    assert parts_of(spark, at=30 * 120.0) == {"A": pytest.approx(0.25), "B": pytest.approx(0.75)}


def test_slot_that_still_fills_weighs_by_its_time() -> None:
    assert parts_of([(0.0, {A: 1e12}), (120.0, {B: 1e12})], at=180.0) == {
        "A": pytest.approx(2 / 3),
        "B": pytest.approx(1 / 3),
    }


def test_ratio_window_says_nothing_while_there_was_no_work(scene: Scene) -> None:
    assert parts_of([(0.0, {A: 0.0, B: 0.0})], at=60.0) == {"A": None, "B": None}
    scene.sink.attach(FixedSource(Gauges(pools=(PoolGauges(key=A),))))
    assert scene.value("dpmp_ratio_window", pool="A") is None
    assert scene.value("dpmp_extranonce2_size", pool="A") is None


def test_nodes_are_up_while_they_are_heard_also_where_no_miner_is() -> None:
    shown = LiveStore()
    nodes = tuple(NodeView(name=state, state=state) for state in ("working", "draining", "silent", "unreadable"))
    shown.put(LiveSnapshot(revision=1, at=0.0, started_at=0.0, nodes=nodes))
    source = SnapshotGauges(
        LiveStore(), queues=dict, dropped=dict, write_errors=lambda: 0, write_lag_s=lambda: 0.0, shown=shown
    )
    assert source.gauges().nodes == {"working": True, "draining": True, "silent": False, "unreadable": False}
