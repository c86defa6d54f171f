"""Our own lag is not a peer's silence: deadlines count only time in which the loop was free to hear."""

from collections.abc import Callable

import orjson
import pytest

from proxy.engine.engine import Engine
from proxy.net.free_time import FreeTimeClock
from proxy.observe.events import PoolDown, ShareResult
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import PoolKey, PoolStatus, Verdict
from tests.support.world import World


class HeldLoop(VirtualClock):
    """Virtual time that a call can use up, as one does that holds a real loop; what fell due then runs late."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: list[Exception] = []
        self.free = FreeTimeClock(self, self.failed.append)

    @property
    def deadlines(self) -> FreeTimeClock:  # type: ignore[override]
        return self.free

    def hold(self, seconds: float) -> None:
        self._now += seconds


def test_free_time_is_the_time_while_nothing_holds_the_loop():
    clock = HeldLoop()
    for _ in range(1000):
        clock.advance(0.37)
        assert clock.free.now() == pytest.approx(clock.now())
    assert clock.free.wall() == clock.wall()
    assert clock.free.deadlines is clock.free


def test_it_stands_still_while_a_call_holds_the_loop():
    clock = HeldLoop()
    clock.advance(10)
    clock.hold(30)
    assert clock.free.now() == pytest.approx(10.5, abs=0.3)
    clock.advance(2)
    assert clock.free.now() == pytest.approx(12.5, abs=0.3)


def test_a_deadline_is_put_off_by_the_time_that_the_loop_was_held():
    clock, late = HeldLoop(), list[float]()
    clock.free.call_at(10.0, lambda: late.append(clock.now()))
    clock.advance(5)
    clock.hold(30)
    clock.advance(4)
    assert late == []
    clock.advance(1)
    assert late == [pytest.approx(39.5, abs=0.5)]
    clock.advance(100)
    assert len(late) == 1


def test_a_deadline_that_is_cancelled_never_comes_even_after_it_was_put_off():
    clock, late = HeldLoop(), list[float]()
    timer = clock.free.call_at(1.0, lambda: late.append(clock.now()))
    clock.hold(30)
    clock.advance(0)
    timer.cancel()
    clock.advance(100)
    assert late == []


def test_thousands_of_deadlines_that_are_far_off_share_a_timer_and_an_error_of_one_hinders_no_other():
    clock, late = HeldLoop(), list[float]()
    before = clock.pending
    clock.free.call_at(20.0, lambda: late.append(1 / 0))
    for _ in range(1000):
        clock.free.call_at(20.0, lambda: late.append(clock.free.now()))
    assert clock.pending == before + 1
    clock.advance(10)
    clock.hold(30)
    clock.advance(9)
    assert late == []
    clock.advance(2)
    assert late == [pytest.approx(20.25, abs=0.26)] * 1000
    assert [type(error) for error in clock.failed] == [ZeroDivisionError]


def test_a_loop_that_is_always_a_little_late_still_finds_a_silent_peer():
    clock, late = HeldLoop(), list[float]()
    clock.free.call_at(10.0, lambda: late.append(clock.now()))
    while not late:
        clock.hold(0.3)
        clock.advance(0.1)
    assert late[0] < 12


def held_world() -> tuple[World, HeldLoop]:
    clock = HeldLoop()
    return World({"A": 8}, clock=clock), clock


class Waiting:
    """What a pool says waits in the socket until the loop reads it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.unread: list[Callable[[], None]] = []
        for pool in world.pools.values():
            for connection in pool.connections:
                connection.say = self.say(connection.handler)  # type: ignore[method-assign]

    def say(self, handler: object) -> Callable[..., None]:
        def later(message: dict[str, object], *, later_s: float = 0.0) -> None:
            self.unread.append(lambda: handler.received(orjson.dumps(message) + b"\n"))  # type: ignore[attr-defined]

        return later

    def read(self) -> None:
        unread, self.unread = self.unread, []
        for each in unread:
            each()


def test_a_loop_that_was_held_for_30_s_does_not_take_a_pool_down_whose_answer_waits_in_the_socket():
    world, clock = held_world()
    miner = world.miner()
    world.advance(2)
    socket = Waiting(world)
    miner.submit()
    clock.hold(30)
    world.advance(0)  # the timers that fell due meanwhile run before the socket is read
    assert world.engine.pools[PoolKey("A")].status is PoolStatus.UP
    socket.read()
    world.advance(20)
    assert world.events_of(PoolDown) == []
    [result] = world.events_of(ShareResult)
    assert result.verdict is Verdict.ACCEPTED
    assert result.latency_s < 1, "the pool answered at once"


def test_a_pool_that_is_silent_is_found_all_the_same():
    world, clock = held_world()
    miner = world.miner()
    world.advance(2)
    world.pools["A"].silent = True
    miner.submit()
    clock.hold(30)
    world.advance(world.health.request_stall_s + 1)
    assert len(world.events_of(PoolDown)) == 1


def test_handshakes_with_a_pool_survive_a_held_loop():
    world, clock = held_world()
    world.pools["A"].delay_s = 1.0
    world.miner()
    world.advance(0.5)
    clock.hold(40)
    world.advance(10)
    assert world.events_of(PoolDown) == []
    assert len(world.pools["A"].live()) == 1


def test_a_miner_whose_login_waits_in_the_socket_is_not_cut_off():
    world, clock = held_world()
    miner = world.miner(handshake=False)
    clock.hold(200)
    world.advance(0)
    miner.call("mining.subscribe", ["cpuminer/2.5.1"], 2)
    miner.call("mining.authorize", [miner.user, "x"], 3)
    world.advance(5)
    assert not miner.link.closed
    assert miner.all("mining.notify")


def test_the_clock_of_deadlines_is_the_one_of_the_clock():
    world, clock = held_world()
    assert isinstance(world.engine, Engine)
    assert world.engine.clock.deadlines is clock.free
