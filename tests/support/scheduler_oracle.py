"""Reads from a scheduler's inside what no page shows: its ledger, and each miner's role and rate."""

from collections.abc import Mapping
from typing import NamedTuple

from proxy.scheduling.scheduler import Scheduler
from proxy.types import PoolKey, SessionId, WorkerName


class FleetState(NamedTuple):
    """The present ledger of (most of) the fleet, in hashes."""

    since: float
    work: Mapping[PoolKey, float]
    surplus: Mapping[PoolKey, float]


class MinerState(NamedTuple):
    """What the scheduler believes of one session."""

    session: SessionId
    worker: WorkerName
    role: str
    rate: float
    rate_error: float
    is_quiet: bool


def fleet(scheduler: Scheduler) -> FleetState:
    fleet = scheduler._main_fleet()
    assert fleet is not None
    totals = fleet.totals(scheduler._clock.now())
    return FleetState(fleet.ledger.since, totals.work, totals.surplus)


def miners(scheduler: Scheduler) -> list[MinerState]:
    now, states = scheduler._clock.now(), []
    for session, miner in scheduler._miners.items():
        miner.settle(now, scheduler._fleet_of[session].ledger)
        estimate = miner.estimate
        role = miner.assignment.role.value
        states.append(MinerState(session, miner.worker, role, estimate.rate, estimate.error, miner.is_quiet))
    return states
