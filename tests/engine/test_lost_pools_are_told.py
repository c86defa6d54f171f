"""However a miner loses its pool, the log says once which pool it was, where the miner went, and why."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.observe.events import EmergencySwitch, PoolSwitched
from proxy.types import AdminStatus, PoolKey
from tests.support.world import ScriptedMiner, World

A, B = PoolKey("A"), PoolKey("B")


def connection_lost(world: World, miner: ScriptedMiner) -> None:
    """The pool closes the connection, and can be dialled again."""
    world.pools["A"].drop()


def one_of_many_lost(world: World, miner: ScriptedMiner) -> None:
    """The pool closes this miner's connection only."""
    [mine] = [each for each in world.pools["A"].live() if each.user.endswith(".rig")]
    mine.link.close("closed by the other side")


def pool_down(world: World, miner: ScriptedMiner) -> None:
    """The pool closes the connection and cannot be dialled again."""
    world.pools["A"].reachable = False
    world.pools["A"].drop()


def pool_silent(world: World, miner: ScriptedMiner) -> None:
    """Shares go unheard."""
    world.pools["A"].silent = True
    miner.submit()


def pool_suspected(world: World, miner: ScriptedMiner) -> None:
    """Shares of this miner go unheard while another miner's connection is alive."""
    [mine] = [each for each in world.pools["A"].live() if each.user.endswith(".rig")]
    mine.link._on_send = lambda payload: None
    miner.submit()


def pool_removed(world: World, miner: ScriptedMiner) -> None:
    pools = {key: pool for key, pool in world.config.pools.items() if key != A}
    [schedule] = world.config.schedules
    schedule = replace(schedule, allocations=tuple(each for each in schedule.allocations if each[0] != A))
    world.engine.apply(replace(world.config, pools=pools, schedules=(schedule,), revision=2))


def pool_disabled(world: World, miner: ScriptedMiner) -> None:
    pools = {**world.config.pools, A: replace(world.config.pools[A], status=AdminStatus.DISABLED)}
    world.engine.apply(replace(world.config, pools=pools, revision=2))


def room_gone(world: World, miner: ScriptedMiner) -> None:
    """The pool leaves too little room for this miner from now on."""
    world.pools["A"].push("mining.set_extranonce", ["cafebabe", 4])
    world.pools["A"].notify()


def payout_wrong(world: World, miner: ScriptedMiner) -> None:
    world.engine.exclude_pool(A, True)


Loss = Callable[[World, ScriptedMiner], None]
WAYS: list[tuple[Loss, str]] = [
    (connection_lost, "closed by the other side"),
    (one_of_many_lost, "closed by the other side"),
    (pool_down, "closed by the other side"),
    (pool_silent, "no answer"),
    (pool_suspected, "no answer"),
    (pool_removed, "the pool was removed"),
    (pool_disabled, "the pool was switched off"),
    (room_gone, "needs 6"),
]


def at_work_on_a(*others: str) -> tuple[World, ScriptedMiner]:
    """A miner on A (with a neighbour); ``others`` are the pools that could take it over."""
    world = World({"A": 8, **dict.fromkeys(others, 8)}, weights={"A": 99, **dict.fromkeys(others, 1.0)})
    miner, neighbour = world.miner(user="addr.rig"), world.miner(user="addr.neighbour")
    world.advance(5)
    for each in (miner, neighbour):
        if each.session.current != A:
            assert each.session.switch_to(A, next(iter(world.events_of(PoolSwitched))).reason)
    world.seen.clear()
    return world, miner


def switches_of(world: World, miner: ScriptedMiner) -> list[EmergencySwitch]:
    return [event for event in world.events_of(EmergencySwitch) if event.session == miner.session.id]


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("lose", "why"), [*WAYS, (payout_wrong, "payout check")], ids=lambda value: getattr(value, "__name__", "")
)
def test_a_miner_that_another_pool_takes_over_leaves_a_word_of_why(lose: Loss, why: str) -> None:
    world, miner = at_work_on_a("B")
    lose(world, miner)
    world.advance(11)
    [switch] = switches_of(world, miner)
    assert (switch.old, switch.new) == (A, B)
    assert why in switch.why
    [moved, *_later] = [event for event in world.events_of(PoolSwitched) if event.session == miner.session.id]
    assert (moved.old, moved.new) == (A, B)


@pytest.mark.parametrize(("lose", "why"), WAYS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_miner_that_no_pool_takes_over_leaves_a_word_of_why(lose: Loss, why: str) -> None:
    world, miner = at_work_on_a()
    lose(world, miner)
    world.advance(11)
    switch = switches_of(world, miner)[0]
    assert (switch.old, switch.new) == (A, None)
    assert why in switch.why
    assert why in miner.session.waiting or miner.session.current == A


def test_a_payout_check_that_fails_on_the_only_pool_moves_nobody_and_tells_nothing() -> None:
    world, miner = at_work_on_a()
    payout_wrong(world, miner)
    world.advance(11)
    assert miner.session.current == A
    assert not switches_of(world, miner)


def test_a_lost_pool_is_told_although_the_scheduler_moved_the_miner_first() -> None:
    world, miner = at_work_on_a("B")
    [connection] = [each for each in world.pools["A"].live() if each.user.endswith(".rig")]
    link = miner.session.links[A]
    connection_ended = link.pool.connection_ended

    def move_first(*loss: object) -> None:
        world.engine.scheduler.pool_status(A, False)
        connection_ended(*loss)  # type: ignore[arg-type]

    link.pool.connection_ended = move_first  # type: ignore[assignment, method-assign]
    connection.link.close("closed by the other side")
    world.advance(0.1)
    [switch] = switches_of(world, miner)
    assert (switch.old, switch.new, switch.why) == (A, B, "closed by the other side")


def test_a_pool_that_the_operator_drains_is_left_without_an_alarm() -> None:
    world, miner = at_work_on_a("B")
    pools = {**world.config.pools, A: replace(world.config.pools[A], status=AdminStatus.DRAIN)}
    world.engine.apply(replace(world.config, pools=pools, revision=2))
    world.advance(5)
    assert miner.session.current == B
    assert not switches_of(world, miner)


def test_a_miner_that_waited_tells_which_pool_it_came_from() -> None:
    world, miner = at_work_on_a("B")
    for key in "BA":
        world.pools[key].reachable = False
        world.pools[key].drop()
        world.advance(0.1)
    world.advance(100)
    assert miner.session.current is None
    world.seen.clear()
    world.pools["B"].reachable = True
    world.advance(90)
    first = next(event for event in world.events_of(PoolSwitched) if event.session == miner.session.id)
    assert (first.old, first.new) == (A, B)
