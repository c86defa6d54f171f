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
    group = scheduler._fleet_group()
    assert group is not None
    books = group.books(scheduler._clock.now())
    return FleetState(group.ledger.since, books.work, books.in_hand)


def miners(scheduler: Scheduler) -> list[MinerState]:
    now, states = scheduler._clock.now(), []
    for session, member in scheduler._members.items():
        member.settle(now, scheduler._group_of[session].ledger)
        estimate = member.estimate
        role = member.assignment.role.value
        states.append(MinerState(session, member.worker, role, estimate.rate, estimate.error, member.is_quiet))
    return states
