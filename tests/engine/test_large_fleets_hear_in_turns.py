"""What concerns all miners of a large fleet reaches them some in a turn of the loop; who works there comes first."""

from collections.abc import Iterator

import pytest

from proxy.engine import in_turns
from proxy.engine.in_turns import InTurns
from proxy.engine.pool import UpstreamPool
from proxy.engine.pool_link import LinkState
from proxy.observe.events import EmergencySwitch
from proxy.types import PoolKey, SwitchReason
from tests.support.world import ScriptedMiner, World

A, B = PoolKey("A"), PoolKey("B")


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six miners are many, and a place of the backlog is for one of them."""
    monkeypatch.setattr(in_turns, "AT_ONCE", 2)
    monkeypatch.setattr(in_turns, "A_PLACE", 1)
    yield


def working(miners: int = 6) -> tuple[World, list[ScriptedMiner]]:
    world = World(min_switch_s=300.0)
    made = [world.miner("cpuminer/2.5.1", user=f"addr.{number}") for number in range(miners)]
    world.advance(5)
    assert {miner.session.current for miner in made} == {A, B}
    assert all(miner.session.ready == {A, B} for miner in made)
    return world, made


def falls_silent(world: World) -> UpstreamPool:
    """Nothing comes from A any more, and a probe does not reach it; connections to it still stand."""
    pool = world.engine.pools[A]
    world.pools["A"].reachable = False
    pool.health.fell_silent(all_silent=True)
    pool.health.failed("no answer")
    assert pool.health.is_down
    return pool


def test_who_works_on_a_pool_that_is_down_leaves_at_once_and_nobody_else_comes() -> None:
    world, miners = working()
    falls_silent(world)
    assert all(miner.pool_of(miner.job) == "B" for miner in miners)
    assert all(miner.session.links[A].job is not None for miner in miners), "nobody has told them yet"
    assert not any(miner.session.switch_to(A, SwitchReason.SLICE) for miner in miners)
    world.advance(0)
    assert all(miner.session.ready == {B} for miner in miners)
    assert all(miner.session.links[A].state is LinkState.WAITING for miner in miners)  # type: ignore[union-attr]


def test_who_has_nowhere_else_to_go_waits_at_once() -> None:
    world = World({"A": 8})
    miners = [world.miner("cpuminer/2.5.1", user=f"addr.{number}") for number in range(6)]
    world.advance(5)
    falls_silent(world)
    assert all(miner.session.current is None and miner.session.waiting for miner in miners)


def test_a_pool_that_is_back_before_all_have_heard_keeps_their_connections() -> None:
    world, miners = working()
    others = {miner: miner.session.links[A].connection for miner in miners if miner.session.current == B}
    pool = falls_silent(world)
    world.pools["A"].reachable = True
    while pool.health.is_down:
        pool.health.answered()
    world.advance(1)
    assert {miner: miner.session.links[A].connection for miner in others} == others
    assert all(miner.session.ready == {A, B} for miner in others)


def test_a_miner_that_has_left_hears_of_nothing() -> None:
    world, miners = working()
    leaving = next(miner for miner in miners if miner.session.current == B)
    falls_silent(world)
    leaving.session.closed("left")
    world.advance(1)
    assert leaving.session.id not in {event.session for event in world.events_of(EmergencySwitch)}
    assert all(miner.session.ready == {B} for miner in miners if miner is not leaving)


def test_a_suspected_pool_gets_nobody_from_that_moment_on() -> None:
    world, miners = working()
    pool = world.engine.pools[A]
    pool.health.fell_silent(all_silent=False)
    others = [miner for miner in miners if miner.session.current == B]
    assert all(miner.session.ready == {A, B} for miner in others), "nobody has told them yet"
    assert not any(miner.session.switch_to(A, SwitchReason.SLICE) for miner in others)
    world.advance(0)
    assert all(miner.session.ready == {B} for miner in others)
    assert all(A in miner.session.ready for miner in miners if miner not in others), "who works there stays"


def test_a_pool_that_is_wanted_no_more_is_let_go_by_all() -> None:
    world, miners = working()
    world.slider(A=0.0, B=1.0)
    world.advance(0)
    assert {miner.session.pool_links.wanted for miner in miners} == {frozenset({B})}
    assert {miner.session.current for miner in miners} == {B}


def test_a_call_is_made_once_however_often_it_is_asked_for_and_one_that_fails_keeps_no_other_back() -> None:
    world, _miners = working()
    turns = InTurns(world.engine.sessions, world.engine.backlog)
    sessions, called = list(world.engine.sessions.values()), []

    def call(session: object) -> None:
        called.append(session)
        if session is sessions[2]:
            raise ValueError

    turns.for_each(sessions, call)
    turns.for_each(sessions, call)
    assert called == []
    with pytest.raises(ValueError):
        world.advance(0)
    world.advance(0)
    assert called == sessions
    turns.for_each(sessions[:2], call)
    assert called == [*sessions, *sessions[:2]], "few are called at once"
