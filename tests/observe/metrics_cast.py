"""What the metrics tests share: a stream, a sink in a registry of its own, and events with usual values."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest

from proxy.history import Accounting
from proxy.history.switch_cost import SwitchCost
from proxy.observe.events import ConfigLoaded, EventStream, ShareResult
from proxy.observe.metrics import Gauges, MetricsSink, OracleGauges, PoolGauges, WorkerGauges
from proxy.observe.metrics.collector import ShareSource
from proxy.types import DecidedBy, JobId, PoolKey, Reason, SessionId, Verdict, WorkerName
from tests.support.clock import VirtualClock

A, B = PoolKey("A"), PoolKey("B")


class FixedSource:
    """A read side that answers with what it was given."""

    def __init__(self, gauges: Gauges, workers: Sequence[WorkerGauges] = ()) -> None:
        self._gauges = gauges
        self._workers = workers

    def gauges(self) -> Gauges:
        return self._gauges

    def workers(self) -> Sequence[WorkerGauges]:
        return self._workers


def shares_of(events: EventStream) -> ShareSource:
    """What is counted of the shares on ``events``."""
    return Accounting(clock=VirtualClock(), events=events).counts_of_run


@dataclass
class Scene:
    """A running sink and what a scrape says."""

    events: EventStream = field(default_factory=EventStream)
    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))

    def __post_init__(self) -> None:
        self.sink = MetricsSink(self.events, shares_of(self.events), self.registry)
        self.events.emit(ConfigLoaded(revision=1, pools=(A, B), changed=()))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


def share(
    verdict: Verdict = Verdict.ACCEPTED,
    *,
    pool: PoolKey | None = A,
    reason: Reason = Reason.NONE,
    by: DecidedBy = DecidedBy.POOL,
    pool_difficulty: float = 1000.0,
    latency_s: float = 0.04,
) -> ShareResult:
    return ShareResult(
        session=SessionId(1),
        worker=WorkerName("rig"),
        pool=pool,
        job=JobId("1"),
        difficulty=2000.0,
        pool_difficulty=pool_difficulty,
        true_difficulty=2500.0,
        verdict=verdict,
        reason=reason,
        decided_by=by,
        message="",
        latency_s=latency_s,
        header_hash=b"",
    )


def full_gauges() -> Gauges:
    """Every gauge with a value."""
    return Gauges(
        downstream_connections=3,
        downstream_difficulty=4096.0,
        pools=(
            PoolGauges(
                key=A,
                up=True,
                active=True,
                connections=3,
                share=0.7,
                time_sum_s=700.0,
                weight=0.7,
                hashrate=7e12,
                ratio_window=0.7,
                extranonce2_size=8,
                shared_connections=4,
                waiting_for_place=2,
            ),
            PoolGauges(key=B, up=False, active=False, connections=1, share=0.3, time_sum_s=300.0, weight=0.3),
        ),
        oracle=OracleGauges(
            hashrates={("BTC", "short"): 9e20, ("BTC", "long"): 8e20},
            ratios={"BTC": 1.125},
            weights={A: 55.0, B: 45.0},
            healthy=True,
            data_age_s=30.0,
        ),
        queues={"log": 2, "database": 5},
        log_lines_dropped={"DEBUG": 4},
        log_write_errors=1,
        database_write_lag_s=0.8,
        nodes={"rack-1": True, "rack-2": False},
        version="4.0.0",
        devices_heard=3,
        devices_power_w=1557.8,
        switch_costs=(
            SwitchCost(
                profile="cgminer", switches=40, shares=38, measured_s=3.4, expected_s=3.1, cost_s=0.3, error_s=1.0
            ),
        ),
    )
