"""Counters follow the events one to one."""

import pytest
from prometheus_client import CollectorRegistry

from proxy.observe.events import (
    BlockFound,
    EventStream,
    JobsForwarded,
    PoolDisconnected,
    PoolDown,
    PoolSwitched,
)
from proxy.observe.metrics import MetricsSink
from proxy.types import Chain, ConnectionId, DecidedBy, LineCount, Reason, SessionId, SwitchReason, Verdict, WorkerName
from tests.observe.metrics_cast import A, B, Scene, share, shares_of


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_series_of_configured_pools_start_at_zero(scene: Scene) -> None:
    assert scene.value("dpmp_shares_accepted_total", pool="A") == 0
    assert scene.value("dpmp_shares_rejected_total", pool="B") == 0
    assert scene.value("dpmp_messages_rx_total", side="upstreamB") == 0


def test_accepted_share_adds_the_difficulty_that_the_pool_credits(scene: Scene) -> None:
    scene.events.emit(share(pool_difficulty=1000.0))
    scene.events.emit(share(pool_difficulty=500.5))
    assert scene.value("dpmp_shares_submitted_total") == 2
    assert scene.value("dpmp_shares_accepted_total", pool="A") == 2
    assert scene.value("dpmp_accepted_difficulty_sum_total", pool="A") == 1500.5


def test_rejection_by_the_pool_counts_as_the_pools_verdict(scene: Scene) -> None:
    scene.events.emit(share(Verdict.REJECTED, reason=Reason.STALE))
    assert scene.value("dpmp_shares_rejected_total", pool="A") == 1
    assert scene.value("dpmp_share_rejects_total", pool="A", reason="stale", by="pool") == 1
    assert scene.value("dpmp_accepted_difficulty_sum_total", pool="A") == 0


def test_rejection_by_the_proxy_is_not_a_pools_verdict(scene: Scene) -> None:
    scene.events.emit(share(Verdict.REJECTED, reason=Reason.DUPLICATE, by=DecidedBy.PROXY, latency_s=0.0))
    assert scene.value("dpmp_shares_rejected_total", pool="A") == 0
    assert scene.value("dpmp_share_rejects_total", pool="A", reason="duplicate", by="proxy") == 1
    assert scene.value("dpmp_share_latency_seconds_count", pool="A") == 0


def test_share_without_a_known_job_belongs_to_no_pool(scene: Scene) -> None:
    scene.events.emit(share(Verdict.REJECTED, pool=None, reason=Reason.UNKNOWN_JOB, by=DecidedBy.PROXY))
    assert scene.value("dpmp_share_rejects_total", pool="none", reason="unknown_job", by="proxy") == 1
    assert scene.value("dpmp_shares_submitted_total") == 1


def test_submitted_is_the_sum_of_all_ends(scene: Scene) -> None:
    for end in (
        share(),
        share(pool=B),
        share(Verdict.REJECTED, reason=Reason.STALE),
        share(Verdict.REJECTED, pool=None, reason=Reason.UNKNOWN_JOB, by=DecidedBy.PROXY),
        share(Verdict.UNANSWERED, reason=Reason.TIMEOUT, by=DecidedBy.PROXY),
    ):
        scene.events.emit(end)
    accepted = sum(scene.value("dpmp_shares_accepted_total", pool=key) or 0 for key in "AB")
    assert scene.value("dpmp_shares_unanswered_total", pool="A") == 1
    assert scene.value("dpmp_shares_submitted_total") == accepted + 2 + 1


def test_share_latency_falls_into_its_bucket(scene: Scene) -> None:
    scene.events.emit(share(latency_s=0.04))
    assert scene.value("dpmp_share_latency_seconds_bucket", pool="A", le="0.03") == 0
    assert scene.value("dpmp_share_latency_seconds_bucket", pool="A", le="0.05") == 1
    assert scene.value("dpmp_share_latency_seconds_bucket", pool="A", le="+Inf") == 1
    assert scene.value("dpmp_share_latency_seconds_sum", pool="A") == pytest.approx(0.04)


def test_value_on_a_bound_belongs_to_the_bucket_below_or_at_it(scene: Scene) -> None:
    scene.events.emit(share(latency_s=0.05))
    assert scene.value("dpmp_share_latency_seconds_bucket", pool="A", le="0.05") == 1


def test_jobs_that_miners_waited_for_have_a_latency(scene: Scene) -> None:
    scene.events.emit(JobsForwarded(pool=A, number=3, waits_s=[0.004, 0.002], new_block_waits_s=[0.002]))
    scene.events.emit(JobsForwarded(pool=A, number=2))
    assert scene.value("dpmp_jobs_forwarded_total", pool="A") == 5
    assert scene.value("dpmp_job_latency_seconds_count", pool="A") == 2
    assert scene.value("dpmp_job_latency_seconds_sum", pool="A") == pytest.approx(0.006)
    assert scene.value("dpmp_new_block_latency_seconds_count", pool="A") == 1
    assert scene.value("dpmp_jobs_forwarded_total", pool="B") == 0


def test_lines_are_counted_by_side(scene: Scene) -> None:
    miners, of_pools = LineCount(), {A: LineCount(), B: LineCount()}
    scene.sink.attach_lines(miners, of_pools)
    miners.received, miners.sent = 3, 7
    of_pools[A].received, of_pools[B].sent = 2, 5
    assert scene.value("dpmp_messages_rx_total", side="downstream") == 3
    assert scene.value("dpmp_messages_rx_total", side="upstreamA") == 2
    assert scene.value("dpmp_messages_tx_total", side="upstreamB") == 5
    assert scene.value("dpmp_messages_tx_total", side="downstream") == 7


def test_switches_and_closed_connections_say_why(scene: Scene) -> None:
    scene.events.emit(
        PoolSwitched(session=SessionId(1), worker=WorkerName("rig"), old=A, new=B, reason=SwitchReason.FAILOVER)
    )
    scene.events.emit(PoolDisconnected(pool=A, connection=ConnectionId(1), reason="reset", wanted=False))
    assert scene.value("dpmp_pool_switches_total", pool="B", reason="failover") == 1
    assert scene.value("dpmp_pool_disconnects_total", pool="A", by="pool") == 1


def test_only_accepted_block_is_a_found_block(scene: Scene) -> None:
    for accepted in (True, False):
        scene.events.emit(
            BlockFound(worker=WorkerName("rig"), pool=A, chain=Chain.BTC, header_hash=b"", accepted=accepted)
        )
    assert scene.value("dpmp_blocks_found_total", pool="A") == 1


def test_failing_handler_is_counted_by_event() -> None:
    registry = CollectorRegistry()
    events = EventStream(on_error=lambda error, event: sink.handler_failed(error, event))
    sink = MetricsSink(events, shares_of(events), registry)

    def broken(down: PoolDown) -> None:
        raise RuntimeError("disk on fire")

    events.subscribe(PoolDown, broken)
    events.emit(PoolDown(pool=A, reason=""))
    assert registry.get_sample_value("dpmp_event_handler_errors_total", {"event": "pool_down"}) == 1
    assert registry.get_sample_value("dpmp_pool_downs_total", {"pool": "A"}) == 1


def test_two_sinks_in_two_registries_count_apart() -> None:
    one, other = Scene(), Scene()
    one.events.emit(share())
    assert one.value("dpmp_shares_submitted_total") == 1
    assert other.value("dpmp_shares_submitted_total") == 0


def test_closed_sink_leaves_its_registry_and_counts_no_more(scene: Scene) -> None:
    scene.sink.close()
    scene.events.emit(share())
    assert not scene.sink.counts.pools[A].share_latency.total
    assert "dpmp_" not in scene.text()
    MetricsSink(scene.events, shares_of(scene.events), scene.registry)
