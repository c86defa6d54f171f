"""Counting every share: tallies, hash rates with their uncertainty, waiting times. Constant work per share."""

from proxy.core.accounting.accounting import Accounting
from proxy.core.accounting.latency import Percentiles
from proxy.core.accounting.rates import NO_RATE, WINDOWS_S, Rate, Work, estimate
from proxy.core.accounting.tallies import (
    NO_POOL,
    OTHERS,
    Counts,
    FleetTally,
    PoolTally,
    Rates,
    RejectKey,
    Slice,
    Stored,
    Tally,
    WorkerTally,
    proves_work,
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
    "Slice",
    "Stored",
    "Tally",
    "Work",
    "WorkerTally",
    "estimate",
    "proves_work",
]
