"""Nobody who is connected waits for a collection of everything, and yet all garbage is found some time."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from proxy.net import garbage
from proxy.net.garbage import ALL_S, ALONE_S, ASIDE_AFTER, LOOK_S, GarbageCollection
from proxy.observe.events import EventStream, MinerConnected
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import SessionId
from tests.support.shares import gone

EVERYTHING = 2


def came(session: int = 1) -> MinerConnected:
    return MinerConnected(session=SessionId(session), peer="127.0.0.1:1", listener="main", through="")


class Bench:
    def __init__(self) -> None:
        self.clock, self.events = VirtualClock(), EventStream()
        self.collected: list[int] = []
        """Which generations were looked through, since the start."""
        self.garbage = GarbageCollection(clock=self.clock, events=self.events, collect=self.collected.append)
        self.garbage.start()
        self.collected.clear()

    def wholes(self, seconds: float) -> int:
        """How often everything was looked through in the next seconds."""
        self.collected.clear()
        self.clock.advance(seconds)
        return self.collected.count(EVERYTHING)


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_each_object_is_looked_at_twice_while_it_is_young() -> None:
    bench = Bench()
    bench.events.emit(came())
    bench.clock.advance(2 * ASIDE_AFTER * LOOK_S)
    assert bench.collected == 2 * [*[0] * (ASIDE_AFTER - 1), 1]
    assert gc.get_threshold() == (garbage.YOUNG, garbage.MIDDLE, garbage.NEVER)


def test_collections_begin_when_all_is_loaded() -> None:
    gc.disable()  # as the command line does
    Bench()
    assert gc.isenabled()


def test_no_miner_waits_for_a_collection_of_everything_however_many_leave() -> None:
    bench = Bench()
    bench.events.emit(came(0))
    for number in range(1, 5_000):
        bench.events.emit(came(number))
        bench.events.emit(gone(number))
    assert bench.wholes(ALL_S - LOOK_S) == 0
    assert bench.wholes(2 * LOOK_S) == 1
    assert bench.wholes(ALL_S - 3 * LOOK_S) == 0


def test_everything_is_looked_through_once_all_have_left() -> None:
    bench = Bench()
    assert bench.wholes(2 * ALONE_S) == 0  # nobody was there
    for _ in range(2):
        bench.events.emit(came(1))
        bench.events.emit(came(2))
        bench.events.emit(gone(1))
        assert bench.wholes(2 * ALONE_S) == 0
        bench.events.emit(gone(2))
        assert bench.wholes(2 * LOOK_S) == 1
        assert bench.wholes(2 * ALONE_S) == 0


def test_a_miner_that_comes_and_goes_makes_no_more_of_them_than_one_in_minutes() -> None:
    bench = Bench()
    bench.clock.advance(ALONE_S)
    wholes = 0
    for _ in range(round(3 * ALONE_S)):
        bench.events.emit(came())
        bench.events.emit(gone())
        wholes += bench.wholes(1.0)
    assert 2 <= wholes <= 4


class Node:
    itself: object = None


def circle() -> tuple[Node, "weakref.ref[Node]"]:
    node = Node()
    node.itself = node
    return node, weakref.ref(node)


@pytest.mark.no_cover
def test_a_circle_is_found_in_seconds_where_it_is_young_and_else_while_nobody_is_connected() -> None:
    clock, events = VirtualClock(), EventStream()
    GarbageCollection(clock=clock, events=events).start()
    events.emit(came())
    node, young = circle()
    clock.advance(LOOK_S)
    assert young() is not None
    del node
    clock.advance(ASIDE_AFTER * LOOK_S)
    assert young() is None

    node, old = circle()
    clock.advance(2 * ASIDE_AFTER * LOOK_S)
    del node
    clock.advance(ALONE_S)
    assert old() is not None
    events.emit(gone())
    clock.advance(LOOK_S)
    assert old() is None
