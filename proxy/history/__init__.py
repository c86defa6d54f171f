"""What is counted and kept: shares, hash rates, the split, records; and its way into the database and back."""

# ruff: noqa: F401 (a face: each name is for whoever imports it from here)

from proxy.history.accounting import Accounting
from proxy.history.counters import Counts, RejectKey, Tally, proves_work
from proxy.history.latency import Percentiles
from proxy.history.rates import NO_RATE, WINDOWS_S, Rate, Work
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
