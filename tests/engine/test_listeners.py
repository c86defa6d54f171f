"""Miners of a listener: difficulty, password and directives, and a route that is changed while they work."""

from dataclasses import replace

import pytest

from proxy.config.snapshot import ListenerConfig, MinerAccess, MinerDirectives, ScheduleConfig
from proxy.observe.events import DirectiveIgnored, MinerAuthorized, MinerConnected, ShareResult
from proxy.types import ListenerId, PoolKey, Verdict
from tests.support.world import ScriptedMiner, World

RACK = ListenerId(7)
A, B = PoolKey("A"), PoolKey("B")


def rack(**fields: object) -> ListenerConfig:
    return ListenerConfig(**{"id": RACK, "name": "Rack", "host": "", "port": 3360, **fields})  # type: ignore[arg-type]


def world_with(listener: ListenerConfig, *schedules: ScheduleConfig) -> World:
    world = World({"A": 8, "B": 8})
    apply(world, listener, *schedules)
    return world


def apply(world: World, listener: ListenerConfig | None, *schedules: ScheduleConfig) -> None:
    listeners = (*world.config.miner_listeners[:1], *([listener] if listener else []))
    world.config = replace(world.config, miner_listeners=listeners, schedules=schedules or world.config.schedules)
    world.engine.apply(world.config)


def route(weights: dict[PoolKey, float]) -> ScheduleConfig:
    return ScheduleConfig(id=2, name="customer", allocations=tuple(weights.items()), listener=RACK)


def always(weights: dict[PoolKey, float]) -> ScheduleConfig:
    return ScheduleConfig(id=1, name="always", allocations=tuple(weights.items()), is_default=True)


def miner_of(world: World, password: str = "x", user: str = "addr.rig") -> ScriptedMiner:
    world.next_listener = RACK
    miner = world.miner(handshake=False)
    miner.call("mining.subscribe", ["cpuminer/2.5.1"], 2)
    miner.call("mining.authorize", [user, password], 3)
    world.advance(1)
    return miner


def test_a_route_that_changes_moves_its_miners_and_no_share_of_the_old_pool_is_lost() -> None:
    world = world_with(rack(), always({A: 1}), route({B: 1}))
    miner = miner_of(world)
    assert miner.session.current == B
    old = miner.job
    apply(world, rack(), always({A: 1}), route({A: 1}))
    world.advance(3)  # it had no connection to A
    assert miner.session.current == A and miner.job != old
    miner.submit(old)
    world.advance(1)
    [result] = world.events_of(ShareResult)
    assert (result.pool, result.verdict) == (B, Verdict.ACCEPTED)


def test_a_listener_has_a_default_and_a_least_difficulty() -> None:
    listener = rack(default_difficulty=5000.0, least_difficulty=64.0)
    world = world_with(listener, always({A: 1}))
    miner = miner_of(world)
    assert miner.session.asked_difficulty.suggested == 5000.0 and miner.session.asked_difficulty.least == 64.0
    assert world.miner().session.asked_difficulty.least in (0.0, 64.0)
    assert miner.difficulty >= 64.0
    apply(world, replace(listener, least_difficulty=128.0))
    assert miner.session.asked_difficulty.least == 128.0
    apply(world, None)
    assert miner.session.asked_difficulty.least == 0.0


def test_a_password_may_hold_the_access_password_and_directives_of_which_pools_see_only_the_difficulty() -> None:
    directives = MinerDirectives(difficulty=True, most_difficulty=1e6, pin=True, split=True)
    listener = rack(access=MinerAccess(password="sesame"), directives=directives)
    world = world_with(listener, always({A: 1, B: 1}))
    miner = miner_of(world, "p=B,sesame,d=4096")
    assert miner.session.current == B
    assert (miner.session.password, miner.session.asked_difficulty.suggested) == ("d=4096", 4096.0)
    miner.call("mining.suggest_difficulty", [16], 9)
    assert miner.session.asked_difficulty.suggested == 4096.0
    assert "sesame" not in str(world.seen)


def test_without_the_access_password_directives_open_nothing() -> None:
    listener = rack(access=MinerAccess(password="sesame"), directives=MinerDirectives(pin=True))
    world = world_with(listener, always({A: 1}))
    for password in ("p=A", "p=sesame", "d=sesame", ""):
        assert miner_of(world, password).answers(3)[0]["result"] is False


def test_what_cannot_be_used_is_told_in_a_sentence_and_the_miner_works_on() -> None:
    world = world_with(rack(directives=MinerDirectives(split=True)), always({A: 1}))
    miner = miner_of(world, "s=nonsense,p=B")
    assert miner.session.current == A and miner.session.password == "p=B"
    [told] = world.events_of(DirectiveIgnored)
    assert (told.worker, told.listener) == ("rig", "Rack") and "for example 70:30" in told.problem


def test_the_log_says_which_listener_a_miner_came_through() -> None:
    world = world_with(rack(), always({A: 1}))
    miner_of(world)
    assert world.events_of(MinerConnected)[-1].listener == world.events_of(MinerAuthorized)[-1].listener == "Rack"


@pytest.mark.no_cover
def test_miners_of_a_listener_that_is_gone_are_let_go_one_after_the_other() -> None:
    world = world_with(rack(), always({A: 1}))
    miners = [miner_of(world, user=f"addr.rig{number}") for number in range(50)]
    assert world.engine.miners_through[RACK] == 50
    apply(world, None)
    world.engine.let_go(RACK)
    assert sum(miner.link.closed for miner in miners) == 1
    world.advance(3)
    assert all(miner.link.closed for miner in miners)


def test_miners_of_a_node_that_stops_soon_are_let_go_over_the_time_that_was_asked_for() -> None:
    world = world_with(rack(), always({A: 1}))
    miners = [miner_of(world, user=f"addr.rig{number}") for number in range(200)]
    assert world.engine.leaving_s(5.0) == 5.0 and world.engine.leaving_s(60.0) == 10.0
    world.engine.let_all_go(5.0)
    miners[-1].leave()
    world.advance(2.5)
    assert 80 <= sum(miner.link.closed for miner in miners) <= 120
    world.advance(3)
    assert all(miner.link.closed for miner in miners) and not world.engine.sessions
