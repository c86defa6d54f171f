"""What the metrics need to know of the present, asked for at each scrape so that no gauge can drift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.history.counters import NO_SHARES, Tally
from proxy.history.switch_cost import SwitchCost
from proxy.types import PoolKey, WorkerName


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolGauges:
    """One pool as it is now."""

    key: PoolKey
    up: bool = False
    active: bool = False
    """Whether at least one miner works on it."""
    connections: int = 0
    """Open connections to it, probes included."""
    share: float = 0.0
    """Part of the miners' time spent on it, 0..1, averaged over miners."""
    time_sum_s: float = 0.0
    """Miner-seconds spent on it since the process started; never falls."""
    weight: float = 0.0
    """Configured part of the work, 0..1, by what is in control; not 0 because it is down (``PoolView.weight``)."""
    hashrate: float = 0.0
    """H/s of the miners that work on it."""
    ratio_window: float | None = None
    """Part of all pools' work of the last ten minutes, 0..1; None while there was none."""
    extranonce2_size: int | None = None
    """Bytes; None before the pool said it."""
    shared_connections: int | None = None
    """None where each miner has a connection of its own."""
    waiting_for_place: int | None = None
    """Miners for whom there is no place on the shared connections; None as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleGauges:
    """What auto-balance knows; ``None`` in place of it where auto-balance has not run."""

    hashrates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(chain, ``short`` or ``long``) -> H/s."""
    ratios: Mapping[str, float] = field(default_factory=dict)
    """Chain -> short / long."""
    weights: Mapping[PoolKey, float] = field(default_factory=dict)
    healthy: bool = False
    data_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGauges:
    """One worker; asked for only where the operator switched per-worker series on."""

    name: WorkerName
    connections: int = 0
    hashrate: float = 0.0
    """H/s over five minutes."""
    difficulty: float = 0.0
    health: float = 1.0
    """1 healthy, 0.5 needs attention, 0.1 bad."""
    counts: Tally = NO_SHARES
    power_w: float | None = None
    """As its miners say; None where they are not asked or do not know."""
    temperature_c: float | None = None
    """Of the hottest of its miners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """One consistent picture for one scrape."""

    downstream_connections: int = 0
    downstream_difficulty: float = 0.0
    """Last sent to any miner."""
    pools: tuple[PoolGauges, ...] = ()
    oracle: OracleGauges | None = None
    queues: Mapping[str, int] = field(default_factory=dict)
    """Queue name (``log``, ``database``, ``alerts``, ...) -> what waits in it."""
    log_lines_dropped: Mapping[str, int] = field(default_factory=dict)
    """Level -> lines dropped since start (``LogSink.dropped``)."""
    log_write_errors: int = 0
    database_write_lag_s: float = 0.0
    """Age of the oldest entry that is not in the database yet; 0 when all is written."""
    version: str = ""
    switch_costs: tuple[SwitchCost, ...] = ()
    """By firmware."""
    devices_heard: int | None = None
    """Miners that say something of themselves; None where they are not asked."""
    devices_power_w: float | None = None
    """Of all that say it."""
    nodes: Mapping[str, bool] = field(default_factory=dict)
    """Node -> whether it is heard; empty where this process knows of no other."""


class GaugeSource(Protocol):
    """The read side that the composition root puts behind the metrics.

    Both methods are called from any thread, once a scrape, and must not block: answer from frozen values.
    """

    def gauges(self) -> Gauges:
        """The present."""

    def workers(self) -> Sequence[WorkerGauges]:
        """All known workers, each name once, in any order."""
