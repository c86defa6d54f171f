"""A new block, or the end of a pool, comes on all connections at once: miners at work are served first."""

from typing import Any

import orjson
import pytest

from proxy.config.snapshot import Connections
from proxy.engine.shared_link import SharedLink
from proxy.observe.events import (
    ConnectionTipChanged,
    EmergencySwitch,
    MinerWaiting,
    PoolDisconnected,
    PoolExcluded,
    PoolStateChanged,
    SwitchSkipped,
)
from proxy.stratum.firmware import Profile
from proxy.types import PoolKey, SessionId, SwitchReason
from tests.support.world import Connection, ScriptedMiner, World


def connection_of(world: World, miner: ScriptedMiner, key: str) -> Connection:
    """The pool's end of the miner's connection."""
    link = miner.session.links[PoolKey(key)].connection
    return next(each for each in world.pools[key].live() if each.handler is link)


def elsewhere(miner: ScriptedMiner) -> str:
    """The pool that the miner does not work on."""
    return "B" if miner.session.current == "A" else "A"


def say(connection: Connection, params: list[Any]) -> None:
    """A job comes now, in this very turn of the loop."""
    connection.handler.received(orjson.dumps({"id": None, "method": "mining.notify", "params": params}) + b"\n")


def next_job(world: World, key: str, **changes: Any) -> list[Any]:
    pool = world.pools[key]
    pool.height += 1
    job = pool.job(clean=True)
    return [changes.get("coinbase2", part) if place == 3 else part for place, part in enumerate(job)]


def working(*, miners: int = 1, agent: str = "cpuminer/2.5.1") -> tuple[World, list[ScriptedMiner]]:
    world = World(min_switch_s=300.0)
    made = [world.miner(agent, user=f"addr.{number}") for number in range(miners)]
    world.advance(5)
    assert all(miner.session.current and len(miner.session.ready) == 2 for miner in made)
    return world, made


def test_what_a_block_means_for_idle_connections_is_noted_after_the_miners_at_work_have_it() -> None:
    world, miners = working(miners=6)
    jobs = {key: next_job(world, key) for key in "AB"}
    tips = len(world.events_of(ConnectionTipChanged))
    for miner in miners:
        say(connection_of(world, miner, elsewhere(miner)), jobs[elsewhere(miner)])
    for miner in miners:
        say(connection_of(world, miner, str(miner.session.current)), jobs[str(miner.session.current)])
        assert miner.job[1] == jobs[str(miner.session.current)][1]
    told = {event.connection for event in world.events_of(ConnectionTipChanged)[tips:]}
    assert len(told) == 2, "the first connection of each pool tells the block for all"
    world.advance(0)
    told_later = [event.connection for event in world.events_of(ConnectionTipChanged)[tips:]]
    assert len(told_later) == len(set(told_later)) == 12


def test_a_miner_without_work_does_not_wait_for_others() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(3)
    world.pools["A"].drop()
    world.advance(3)
    assert miner.pool_of(miner.job) == "A"
    job = next_job(world, "A")
    say(connection_of(world, miner, "A"), job)
    assert miner.job[1] == job[1]


def test_a_switch_before_the_job_was_noted_sends_it_once() -> None:
    world, (miner,) = working()
    other = elsewhere(miner)
    job = next_job(world, other)
    say(connection_of(world, miner, other), job)
    assert miner.session.switch_to(PoolKey(other), SwitchReason.SLICE)
    assert (miner.job[1], miner.job[8]) == (job[1], True)
    count = len(miner.all("mining.notify"))
    world.advance(1)
    assert len(miner.all("mining.notify")) == count
    following = next_job(world, other)
    say(connection_of(world, miner, other), following)
    assert miner.job[1] == following[1]
    miner.submit()
    world.advance(1)
    assert world.pools[other].submits[-1][1] == following[0]


def test_a_switch_to_a_job_that_nobody_has_looked_at_and_that_does_not_fit_is_not_made() -> None:
    world, (miner,) = working()
    here, other = miner.session.current, elsewhere(miner)
    profile: Profile = miner.session.profile
    assert profile.max_coinbase is None
    miner.session.profile = Profile(**{**_fields(profile), "name": "small", "max_coinbase": 200})
    say(connection_of(world, miner, other), next_job(world, other, coinbase2="ff" * 300))
    assert not miner.session.switch_to(PoolKey(other), SwitchReason.SLICE)
    assert world.events_of(SwitchSkipped)[-1].pool == other
    world.advance(1)
    assert miner.session.current == here
    assert miner.session.ready == {here}
    assert [event.pool for event in world.events_of(PoolExcluded)] == [other]


def _fields(profile: Profile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in profile.__dataclass_fields__}


def test_every_block_of_a_connection_is_noted_in_its_order() -> None:
    world, miners = working(miners=2)
    miner = next(each for each in miners if each.session.current == miners[0].session.current)
    other = elsewhere(miner)
    first, second = next_job(world, other), next_job(world, other)
    for end in world.pools[other].live():
        say(end, first)
        say(end, second)
    world.advance(1)
    for end in world.pools[other].live():
        link = end.handler
        told = [each for each in world.events_of(ConnectionTipChanged) if each.connection == link.id]  # type: ignore[attr-defined]
        heights = [each.prevhash for each in told[-2:]]
        assert heights[0] != heights[1], "none was left out"


def test_a_connection_that_ends_before_its_job_was_noted_leaves_nothing_behind() -> None:
    world, (miner,) = working()
    other = elsewhere(miner)
    end = connection_of(world, miner, other)
    link = miner.session.links[PoolKey(other)].connection
    assert link is not None
    say(end, next_job(world, other))
    say(end, next_job(world, other))
    link.closed("closed by the other side")
    tips = [each for each in world.events_of(ConnectionTipChanged) if each.connection == link.id]
    world.advance(0.1)
    assert [each for each in world.events_of(ConnectionTipChanged) if each.connection == link.id] == tips
    assert link.id not in world.engine.stale_tips._tips


def told_of_ends(world: World, key: str) -> list[SessionId]:
    """Whose connections to the pool have ended, as the log has it."""
    ends = [event for event in world.events_of(PoolDisconnected) if event.pool == key]
    return [event.session for event in ends if event.session is not None]


def test_a_pool_that_dies_costs_its_miners_no_time_for_the_connections_of_others() -> None:
    world, miners = working(miners=6)
    links = [miner.session.links[PoolKey("A")] for miner in miners]
    lost = [link.connection for link in links if link.connection is not None]
    at_work = [miner for miner in miners if miner.session.current == "A"]
    world.pools["A"].reachable = False
    for connection in lost:
        connection.closed("closed by the other side")
    assert 0 < len(at_work) < 6
    assert all(miner.pool_of(miner.job) == "B" for miner in miners)
    assert all(connection.ended for connection in lost)
    assert told_of_ends(world, "A") == [miner.session.id for miner in at_work]
    world.advance(0)
    assert sorted(told_of_ends(world, "A")) == [miner.session.id for miner in miners], "the others are told later"
    assert all(miner.session.ready == {"B"} for miner in miners)
    world.advance(5)
    assert world.events_of(PoolStateChanged)[-1].pool == "A"


def test_nobody_is_moved_to_a_connection_whose_end_was_not_looked_at_yet() -> None:
    world, (miner,) = working()
    here, other = miner.session.current, elsewhere(miner)
    connection_of(world, miner, other).handler.closed("closed by the other side")
    assert not miner.session.switch_to(PoolKey(other), SwitchReason.SLICE)
    assert miner.session.current == here
    world.advance(0)
    assert miner.session.ready == {here}


def test_a_miner_that_leaves_before_an_end_was_looked_at_leaves_nothing_behind() -> None:
    world, (miner,) = working()
    other = elsewhere(miner)
    connection_of(world, miner, other).handler.closed("closed by the other side")
    miner.session.downstream.close("left")
    world.advance(1)
    assert told_of_ends(world, other) == [miner.session.id]
    assert not world.engine.pools[PoolKey(other)].ready_connections


def test_jobs_that_differ_for_each_connection_are_taken_for_what_they_are() -> None:
    world, miners = working(miners=4)
    job = next_job(world, "A")
    own = {}
    for number, miner in enumerate(miners):
        own[miner.user] = f"ff{number:02x}" * 8
        say(connection_of(world, miner, "A"), [*job[:3], own[miner.user], *job[4:]])
    world.advance(0)
    for miner in miners:
        if miner.session.current != "A":
            assert miner.session.switch_to(PoolKey("A"), SwitchReason.SLICE)
        assert miner.job[3] == own[miner.user], "a pool may pay each worker by a coinbase of its own"


# --- Shared connections -----------------------------------------------------------------------------------------------


def shared(most_miners: int) -> tuple[World, list[ScriptedMiner]]:
    """Eight miners on shared connections to A and B."""
    each = {"connections": Connections.SHARED, "most_miners": most_miners}
    world = World({"A": 8, "B": 4}, options={"A": each, "B": each})
    miners = [world.miner("bitaxe/BM1370/v2.15.0", f"account.rig{number}") for number in range(8)]
    world.advance(3)
    return world, miners


def lose_shared(world: World, key: str) -> None:
    """Its pool ends all of them and is not to be reached."""
    world.pools[key].reachable = False
    for each in world.engine.sharing.connections[PoolKey(key)]:
        assert each.link.connection is not None
        each.link.connection.closed("closed by the other side")


@pytest.mark.parametrize("most_miners", [3, 100])
def test_a_pool_with_shared_connections_that_dies_costs_its_miners_no_time_for_others(most_miners: int) -> None:
    world, miners = shared(most_miners)
    at_work = [miner for miner in miners if miner.session.current == "A"]
    lose_shared(world, "A")
    assert 0 < len(at_work) < 8
    assert all(miner.pool_of(miner.job) == "B" for miner in miners)
    assert [miner for miner in miners if miner.session.ready == {"B"}] == at_work, "the others are told later"
    world.advance(0)
    assert all(miner.session.ready == {"B"} for miner in miners)


def test_the_second_pool_dies_before_the_end_of_the_first_was_looked_at_by_all() -> None:
    world, miners = shared(100)
    lose_shared(world, "A")
    lose_shared(world, "B")
    assert {miner.session.current for miner in miners} == {None}, "nobody is moved to what is lost as well"
    world.advance(0)
    assert {miner.session.ready for miner in miners} == {frozenset()}


def test_a_miner_that_leaves_before_the_end_of_its_shared_connection_was_looked_at_is_left_alone() -> None:
    world, miners = shared(100)
    lose_shared(world, "A")
    leaving = next(miner for miner in miners if "A" in miner.session.ready)
    leaving.session.closed("left")
    world.advance(1)
    told = [*world.events_of(EmergencySwitch), *world.events_of(MinerWaiting)]
    assert leaving.session.id not in {event.session for event in told}, "it has left"


def test_a_shared_connection_that_is_back_before_its_end_was_looked_at_was_never_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, miners = shared(100)
    elsewhere_at_work = [miner for miner in miners if miner.session.current == "B"]
    [line] = world.engine.sharing.connections[PoolKey("A")]
    lost = line.link.connection
    assert lost is not None
    with monkeypatch.context() as waiting:
        waiting.setattr(world.engine.backlog, "_work", lambda: None)
        lost.closed("closed by the other side")
        world.advance(1)
    assert line.link.job is not None
    world.engine.backlog._work()
    world.advance(0)
    for miner in elsewhere_at_work:
        assert miner.session.ready == {"A", "B"}
        assert miner.session.switch_to(PoolKey("A"), SwitchReason.SLICE)
        assert miner.pool_of(miner.job) == "A"


def test_one_miner_that_cannot_be_looked_at_keeps_no_other_of_its_connection_from_being_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World({"A": 8}, options={"A": {"connections": Connections.SHARED}})
    miners = [world.miner(user=f"addr.{number}") for number in range(12)]
    world.advance(3)
    looked: list[SharedLink] = []
    settle = SharedLink.settle

    def look(link: SharedLink, now: float) -> None:
        looked.append(link)
        if len(looked) == 1:
            raise ZeroDivisionError
        settle(link, now)

    monkeypatch.setattr(SharedLink, "settle", look)
    world.pools["A"].notify(new_block=True)
    with pytest.raises(ZeroDivisionError):
        world.advance(1)
    world.advance(1)
    assert len(looked) == len(set(looked)) == len(miners), "the others of that very block"
    looked[1:] = []
    world.pools["A"].notify(new_block=True)
    world.advance(1)
    assert len(looked) == 1 + len(miners)
