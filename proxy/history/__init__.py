"""Counting every share: tallies, hash rates with their uncertainty, waiting times. Constant work per share."""

from proxy.history.accounting import Accounting
from proxy.history.counters import Counts, RejectKey, Tally, proves_work
from proxy.history.latency import Percentiles
from proxy.history.rates import NO_RATE, WINDOWS_S, Rate, Work, estimate
from proxy.history.tallies import (
    NO_POOL,
    OTHERS,
    FleetTally,
    PoolTally,
    Rates,
    ShareDelta,
    Stored,
    WorkerTally,
)

__all__ = [
    "NO_POOL",
    "NO_RATE",
    "OTHERS",
    "WINDOWS_S",
    "Accounting",
    "Counts",
    "FleetTally",
    "Percentiles",
    "PoolTally",
    "Rate",
    "Rates",
    "RejectKey",
    "ShareDelta",
    "Stored",
    "Tally",
    "Work",
    "WorkerTally",
    "estimate",
    "proves_work",
]
