"""The cost of a switch is measured by what is missing of the first shares after it."""

import random

import pytest

from proxy.history.switch_cost import SwitchCosts
from proxy.observe.events import EventStream, MinerAuthorized, MinerDisconnected, PoolSwitched
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Reason, SessionId, SwitchReason, WorkerName
from tests.support.shares import ANN, A, B, refused, share

SHARE_S = 3.0


class Bench:
    def __init__(self, share_s=SHARE_S):
        self.clock, self.events = VirtualClock(), EventStream()
        self.costs = SwitchCosts(clock=self.clock, events=self.events, share_s=lambda session: share_s)

    def login(self, session=1, profile="cgminer"):
        self.events.emit(
            MinerAuthorized(
                session=SessionId(session), worker=ANN, user="u", peer="p", agent="a", profile=profile, first=True
            )
        )

    def switch(self, old, new, session=1):
        self.events.emit(
            PoolSwitched(session=SessionId(session), worker=ANN, old=old, new=new, reason=SwitchReason.SLICE)
        )

    def run(self, visits, cost_s, stay_s, seed=1):
        rng, old, new = random.Random(seed), A, B
        self.login()
        self.switch(None, A)
        for _ in range(visits):
            self.switch(old, new)
            first = cost_s + rng.expovariate(1 / SHARE_S)
            if first < stay_s:
                self.clock.advance(first)
                self.events.emit(share(pool=new))
            self.clock.advance(stay_s - (first if first < stay_s else 0))
            old, new = new, old
        self.switch(old, new)
        [cost] = self.costs.costs()
        return cost


@pytest.mark.simulation
@pytest.mark.parametrize("cost_s", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("stay_s", [4.0, 30.0])
def test_the_cost_is_found_within_its_stated_error_also_where_many_visits_bring_no_share(cost_s, stay_s):
    inside = 0
    for seed in range(40):
        cost = Bench().run(1500, cost_s, stay_s, seed)
        inside += abs(cost.cost_s - cost_s) <= cost.error_s
    assert inside >= 34
    each = (cost.measured_s - cost.expected_s) * cost.shares / cost.switches
    assert each == pytest.approx(cost_s, abs=0.2)


def test_few_switches_are_not_called_precise():
    assert Bench().run(4, 0.3, 30.0).error_s > 2


def test_shares_of_the_pool_that_was_left_and_refused_ones_are_no_first_shares():
    bench = Bench()
    bench.login()
    bench.switch(A, B)
    bench.clock.advance(1)
    bench.events.emit(share(pool=A))
    bench.events.emit(refused(Reason.STALE, pool=B))
    bench.events.emit(share(pool=B, latency_s=1.5))  # of an earlier visit
    bench.clock.advance(1)
    bench.events.emit(share(pool=B, latency_s=0.5))
    [cost] = bench.costs.costs()
    assert (cost.switches, cost.shares, cost.measured_s) == (1, 1, 1.5)


def test_the_first_work_of_a_miner_is_no_switch_and_a_dead_miner_no_cost():
    bench = Bench()
    bench.login()
    bench.switch(None, A)
    bench.events.emit(share(pool=A))
    bench.switch(A, B)
    bench.clock.advance(1000)
    bench.events.emit(share(pool=B))
    assert bench.costs.costs() == ()


def test_nothing_is_kept_of_miners_that_left_and_profiles_are_few():
    bench = Bench()
    for number in range(200):
        bench.login(number, f"profile{number}")
        bench.switch(A, B, number)
        bench.clock.advance(1)
        bench.events.emit(share(pool=B, session=number))
        bench.switch(B, A, number)
        bench.events.emit(
            MinerDisconnected(session=SessionId(number), worker=WorkerName("x"), peer="p", reason="bye", duration_s=1.0)
        )
    assert not bench.costs._visits and not bench.costs._profiles
    assert len(bench.costs.costs()) == 64
