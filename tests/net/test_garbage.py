"""All objects are looked through when connections have ended, and not while miners come."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from proxy.net import garbage
from proxy.net.garbage import GarbageCollection
from proxy.observe.events import EventStream
from proxy.scheduling.virtual_clock import VirtualClock
from tests.support.shares import gone, ready


class Bench:
    def __init__(self) -> None:
        self.clock, self.events = VirtualClock(), EventStream()
        self.collected: list[float] = []
        self.garbage = GarbageCollection(
            clock=self.clock, events=self.events, collect=lambda: self.collected.append(self.clock.now())
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    before = gc.get_threshold()
    bench = Bench()
    bench.garbage.start()
    yield bench
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_fleet_that_comes_and_stays_is_not_looked_through(bench: Bench) -> None:
    assert gc.get_threshold() == (garbage.YOUNG, garbage.MIDDLE, garbage.NEVER)
    for number in range(5000):
        bench.events.emit(ready(number))
    bench.clock.advance(garbage.ALL_S - garbage.LOOK_S)
    assert len(bench.collected) == 1  # at the start
    bench.clock.advance(2 * garbage.LOOK_S)
    assert len(bench.collected) == 2


def test_collections_begin_when_all_is_loaded(bench: Bench) -> None:
    gc.disable()  # as the command line does
    bench.garbage.start()
    assert gc.isenabled()


def test_what_a_few_connections_left_is_collected_in_minutes(bench: Bench) -> None:
    [start] = bench.collected
    bench.clock.advance(1000)
    bench.events.emit(gone())
    bench.clock.advance(garbage.LOOK_S)
    bench.events.emit(gone())
    bench.clock.advance(1000)
    assert [at - start for at in bench.collected] == [0.0, 1020.0, 1320.0]


def test_what_many_connections_left_is_looked_for_everywhere(bench: Bench) -> None:
    [start] = bench.collected
    frozen = gc.get_freeze_count()
    for _ in range(2):
        for number in range(garbage.ENDED_MOST):
            bench.events.emit(gone(number))
        bench.clock.advance(garbage.LOOK_S)
    assert [at - start for at in bench.collected] == [0.0, 30.0, 60.0]
    assert gc.get_freeze_count() > frozen / 2


@pytest.mark.no_cover
def test_a_cycle_that_was_left_aside_is_found_again() -> None:
    """A collection that leaves aside what is in use must not lose it for good."""

    class Node:
        itself: object = None

    clock, events = VirtualClock(), EventStream()
    before = gc.get_threshold()
    found: list[bool] = []
    node = Node()
    node.itself = node
    weak = weakref.ref(node)
    try:
        GarbageCollection(clock=clock, events=events).start()
        del node
        for number in range(garbage.ENDED_MOST):
            events.emit(gone(number))
        found.append(weak() is not None)
        clock.advance(garbage.LOOK_S)
        found.append(weak() is None)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    assert found == [True, True]
