"""Delivered against wanted, with an interval that tells chance from error."""

import random

import pytest

from proxy.history import Accounting, Counts, Stored, Work
from proxy.history.split import Span, SplitMeter, parts_of, saved_changes, variance
from proxy.observe.events import EventStream, SplitTargetChanged
from proxy.scheduling.virtual_clock import VirtualClock
from tests.support.shares import ANN, BOB, A, B, ready, share


class World:
    def __init__(self):
        self.clock, self.events = VirtualClock(), EventStream()
        self.accounting = Accounting(clock=self.clock, events=self.events, hashes_per_difficulty=1.0)
        self.meter = SplitMeter(clock=self.clock, events=self.events, accounting=self.accounting)

    def want(self, **weights):
        self.events.emit(SplitTargetChanged(weights=weights))


@pytest.mark.no_cover
def test_the_variance_is_that_of_a_compound_poisson_process():
    rng = random.Random(11)
    truth = 10_000 * 3.0 / (10_000 * 3.0 + 2_000 * 20.0)
    inside, runs = 0, 400
    for _ in range(runs):
        mine = _poisson_work(rng, 10_000 / 20, 3.0)
        others = _poisson_work(rng, 2_000 / 20, 20.0)
        part = mine.sum / (mine.sum + others.sum)
        inside += abs(part - truth) <= 1.96 * variance(mine, others) ** 0.5
    assert 0.92 <= inside / runs <= 0.98


def _poisson_work(rng, mean, difficulty):
    at, shares = rng.expovariate(1), 0
    while at < mean:
        shares += 1
        at += rng.expovariate(1)
    return Work(shares * difficulty, shares * difficulty**2, shares)


def test_a_pool_without_a_share_is_not_surely_without_any():
    [mine, other] = parts_of({A: Work(10.0, 10.0, 10), B: Work()}, {A: 0.5, B: 0.5})
    assert (mine.delivered, other.delivered) == (1.0, 0.0)
    assert other.error == pytest.approx(0.196, abs=0.001)
    assert abs(other.delivered - other.wanted) > other.error


def test_one_pool_alone_has_no_error():
    [part] = parts_of({A: Work(10.0, 10.0, 10)}, {A: 1.0})
    assert (part.delivered, part.error, part.wanted) == (1.0, 0.0, 1.0)


def test_no_work_gives_no_parts():
    assert parts_of({A: Work()}, {A: 1.0}) == ()


def test_since_the_change_counts_only_what_came_after_it():
    world = World()
    world.events.emit(ready())
    world.want(A=90, B=10)
    for _ in range(90):
        world.clock.advance(1)
        world.events.emit(share(pool=A))
    world.want(A=50, B=50)
    world.want(A=0.5, B=0.5)
    for turn in range(100):
        world.clock.advance(1)
        world.events.emit(share(pool=(A, B)[turn % 2], worker=(ANN, BOB)[turn % 2]))
    change = world.meter.fleet(Span.CHANGE)
    assert [(part.pool, part.delivered, part.wanted) for part in change.parts] == [(A, 0.5, 0.5), (B, 0.5, 0.5)]
    assert change.since == pytest.approx(world.clock.wall() - 100)
    assert change.parts[0].error == pytest.approx(1.96 * 0.05, rel=0.01)


def test_what_was_wanted_in_an_hour_is_averaged_over_its_changes():
    world = World()
    world.want(A=100)
    world.clock.advance(900)
    world.want(A=50, B=50)
    world.clock.advance(900)
    for pool in (A, A, A, B):
        world.events.emit(share(pool=pool))
    hour = world.meter.fleet(Span.HOUR)
    assert [(part.delivered, part.wanted) for part in hour.parts] == [(0.75, 0.75), (0.25, 0.25)]
    world.clock.advance(2700)
    [a, b] = world.meter.fleet(Span.HOUR).parts
    assert (a.wanted, b.wanted) == (pytest.approx(0.5), pytest.approx(0.5))


def test_work_of_earlier_runs_is_not_work_since_the_change():
    world = World()
    counts = Counts()
    counts.work, counts.work_squares, counts.work_shares = 100.0, 100.0, 100
    world.accounting.restore([Stored(worker=ANN, pool=A, counts=counts)])
    assert world.meter.fleet(Span.CHANGE).parts == ()
    world.want(A=1, B=1)
    world.events.emit(share(pool=B))
    assert [part.delivered for part in world.meter.fleet(Span.CHANGE).parts] == [0.0, 1.0]


def test_weights_of_nothing_are_ignored():
    world = World()
    world.want(A=1, B=1)
    world.want()
    world.events.emit(share())
    assert world.meter.fleet(Span.DAY).parts[1].wanted == 0.5


def test_all_three_spans_are_told():
    world = World()
    world.want(A=1, B=1)
    world.events.emit(share())
    assert [split.span for split in world.meter.splits()] == [Span.CHANGE, Span.HOUR, Span.DAY]


def test_a_span_begins_no_earlier_than_somebody_watched():
    world = World()
    world.want(A=1, B=1)
    world.clock.advance(600)
    world.events.emit(share())
    hour, day = world.meter.fleet(Span.HOUR), world.meter.fleet(Span.DAY)
    assert hour.since == day.since == pytest.approx(world.clock.wall() - 600)
    world.clock.advance(3600)
    assert world.meter.fleet(Span.HOUR).since == pytest.approx(world.clock.wall() - 3600)


def test_changes_of_a_dump_can_be_read_and_nonsense_tells_none():
    assert saved_changes({"changes": [[5, {"A": 1}]]}) == [(5.0, {A: 1.0})]
    for nonsense in ({}, {"changes": 3}, {"changes": [[None, {}]]}, {"changes": [[1, "x"]]}, {"changes": [[1]]}):
        assert saved_changes(nonsense) == []
