"""Names, types and labels of every metric: boards and alerts of users depend on them."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.observe.events import (
    BlockCandidate,
    BlockFound,
    LateVerdict,
    PoolDisconnected,
    PoolDown,
    PoolProtocolError,
    PoolSwitched,
)
from proxy.observe.metrics import WorkerGauges
from proxy.types import Chain, ConnectionId, DecidedBy, JobId, Reason, SessionId, SwitchReason, Verdict, WorkerName
from tests.observe.metrics_cast import A, B, FixedSource, Scene, full_gauges, share

OF_V2 = {
    "dpmp_downstream_connections": ("gauge", ()),
    "dpmp_upstream_connections": ("gauge", ("pool",)),
    "dpmp_messages_rx": ("counter", ("side",)),
    "dpmp_messages_tx": ("counter", ("side",)),
    "dpmp_shares_submitted": ("counter", ()),
    "dpmp_shares_accepted": ("counter", ("pool",)),
    "dpmp_shares_rejected": ("counter", ("pool",)),
    "dpmp_jobs_forwarded": ("counter", ("pool",)),
    "dpmp_accepted_difficulty_sum": ("counter", ("pool",)),
    "dpmp_scheduler_time_sum": ("counter", ("pool",)),
    "dpmp_scheduler_share": ("gauge", ("pool",)),
    "dpmp_downstream_difficulty": ("gauge", ()),
    "dpmp_active_pool": ("gauge", ("pool",)),
    "dpmp_oracle_hashrate": ("gauge", ("chain", "window")),
    "dpmp_oracle_ratio": ("gauge", ("chain",)),
    "dpmp_oracle_weight": ("gauge", ("pool",)),
    "dpmp_oracle_status": ("gauge", ()),
    "dpmp_oracle_data_age_seconds": ("gauge", ()),
    "dpmp_ratio_window": ("gauge", ("pool",)),
    "dpmp_extranonce2_size": ("gauge", ("pool",)),
    "dpmp_miner_health": ("gauge", ("worker",)),
}
NEW = {
    "dpmp_shares_unanswered": ("counter", ("pool",)),
    "dpmp_shares_work_only": ("counter", ("pool",)),
    "dpmp_work_difficulty_sum": ("counter", ("pool",)),
    "dpmp_share_rejects": ("counter", ("by", "pool", "reason")),
    "dpmp_share_latency_seconds": ("histogram", ("pool",)),
    "dpmp_job_latency_seconds": ("histogram", ("pool",)),
    "dpmp_new_block_latency_seconds": ("histogram", ("pool",)),
    "dpmp_pool_up": ("gauge", ("pool",)),
    "dpmp_pool_weight": ("gauge", ("pool",)),
    "dpmp_pool_hashrate": ("gauge", ("pool",)),
    "dpmp_pool_shared_connections": ("gauge", ("pool",)),
    "dpmp_pool_waiting_for_place": ("gauge", ("pool",)),
    "dpmp_pool_switches": ("counter", ("pool", "reason")),
    "dpmp_pool_disconnects": ("counter", ("by", "pool")),
    "dpmp_pool_downs": ("counter", ("pool",)),
    "dpmp_pool_bad_messages": ("counter", ("pool",)),
    "dpmp_late_verdicts": ("counter", ("pool",)),
    "dpmp_block_candidates": ("counter", ("pool",)),
    "dpmp_blocks_found": ("counter", ("pool",)),
    "dpmp_miner_bad_messages": ("counter", ()),
    "dpmp_miners_refused": ("counter", ()),
    "dpmp_miners_slowed": ("counter", ()),
    "dpmp_addresses_refused": ("counter", ()),
    "dpmp_internal_errors": ("counter", ()),
    "dpmp_config_refused": ("counter", ()),
    "dpmp_database_errors": ("counter", ()),
    "dpmp_database_write_lag_seconds": ("gauge", ()),
    "dpmp_event_handler_errors": ("counter", ("event",)),
    "dpmp_loop_lag_seconds": ("histogram", ()),
    "dpmp_switches_measured": ("counter", ("profile",)),
    "dpmp_switch_first_share_seconds": ("gauge", ("profile",)),
    "dpmp_switch_expected_share_seconds": ("gauge", ("profile",)),
    "dpmp_switch_cost_seconds": ("gauge", ("profile",)),
    "dpmp_switch_cost_error_seconds": ("gauge", ("profile",)),
    "dpmp_queue_size": ("gauge", ("queue",)),
    "dpmp_log_lines_dropped": ("counter", ("level",)),
    "dpmp_log_write_errors": ("counter", ()),
    "dpmp_node_up": ("gauge", ("node",)),
    "dpmp_build_info": ("gauge", ("version",)),
    "dpmp_miners_heard": ("gauge", ()),
    "dpmp_miners_power_watts": ("gauge", ()),
    "dpmp_worker_power_watts": ("gauge", ("worker",)),
    "dpmp_worker_temperature_celsius": ("gauge", ("worker",)),
    "dpmp_worker_hashrate": ("gauge", ("worker",)),
    "dpmp_worker_connections": ("gauge", ("worker",)),
    "dpmp_worker_difficulty": ("gauge", ("worker",)),
    "dpmp_worker_shares_accepted": ("counter", ("worker",)),
    "dpmp_worker_shares_rejected": ("counter", ("worker",)),
    "dpmp_worker_shares_work_only": ("counter", ("worker",)),
    "dpmp_workers_without_series": ("gauge", ()),
}

RIG, ONE, CONNECTION = WorkerName("rig"), SessionId(1), ConnectionId(1)
ONE_OF_EACH = (
    share(),
    share(Verdict.REJECTED, reason=Reason.STALE, by=DecidedBy.POOL),
    PoolSwitched(session=ONE, worker=RIG, old=A, new=B, reason=SwitchReason.SLICE),
    PoolDisconnected(pool=A, connection=CONNECTION, reason="", wanted=True),
    PoolDown(pool=A, reason=""),
    PoolProtocolError(pool=A, connection=CONNECTION, problem=""),
    LateVerdict(pool=A, connection=CONNECTION, accepted=True),
    BlockFound(worker=RIG, pool=A, chain=Chain.BTC, header_hash=b"", accepted=True),
    BlockCandidate(
        session=ONE,
        worker=RIG,
        pool=A,
        chain=Chain.BTC,
        job=JobId("1"),
        header=b"",
        header_hash=b"",
        coinbase=b"",
        merkle_branches=(),
        nbits=0,
        true_difficulty=1.0,
        network_difficulty=1.0,
    ),
)


def full_scene() -> Scene:
    """Every metric has at least one sample."""
    scene = Scene()
    for event in ONE_OF_EACH:
        scene.events.emit(event)
    scene.sink.handler_failed(RuntimeError(), ONE_OF_EACH[0])
    scene.sink.attach(FixedSource(full_gauges(), [WorkerGauges(name=RIG, power_w=15.0, temperature_c=61.0)]))
    scene.sink.limit_worker_series(10)
    return scene


@pytest.fixture(scope="module")
def exposed() -> dict[str, tuple[str, tuple[str, ...]]]:
    families = text_string_to_metric_families(full_scene().text())
    return {
        family.name: (
            family.type,
            tuple(sorted({label for sample in family.samples for label in sample.labels} - {"le"})),
        )
        for family in families
    }


@pytest.mark.no_cover
@pytest.mark.parametrize("name", OF_V2)
def test_metric_of_v2_is_as_it_was(name: str, exposed: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    assert exposed[name] == OF_V2[name]


def test_all_metrics_are_declared_here(exposed: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    assert exposed == OF_V2 | NEW


def test_counters_are_exposed_with_total() -> None:
    names = {line.split("{")[0].split()[0] for line in full_scene().text().splitlines() if not line.startswith("#")}
    assert {f"{name}_total" for name, (kind, _) in (OF_V2 | NEW).items() if kind == "counter"} <= names


def test_names_are_there_before_the_first_event() -> None:
    scene = Scene()
    scene.sink.attach(FixedSource(full_gauges()))
    text = scene.text()
    assert not [
        name
        for name, (kind, labels) in (OF_V2 | NEW).items()
        if "worker" not in name
        and "worker" not in labels
        and f"# TYPE {name}{'_total' if kind == 'counter' else ''} {kind}" not in text
    ]


def test_page_explains_every_metric(exposed: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*) \| \S.* \|$", page, re.MULTILINE)
    assert {
        name.removesuffix("_total"): (kind, tuple(labels.replace(",", " ").split())) for name, kind, labels in rows
    } == exposed
