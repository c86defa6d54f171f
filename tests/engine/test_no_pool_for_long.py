"""Without any pool for long, miners are let go and not taken, so that the fallback pool in their firmware works."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.config.snapshot import HealthConfig
from proxy.observe.events import MinerDisconnected, MinerSubscribed, NoPoolForLong, PoolWorksAgain
from proxy.types import AdminStatus, PoolKey
from tests.support.world import Connection, ScriptedMiner, World

MINUTE = 60


def lose(world: World, *keys: str) -> None:
    """Pools that cannot be reached any more."""
    for key in keys:
        world.pools[key].reachable = False
        world.pools[key].drop()


def is_answered(world: World, user: str = "addr.probe") -> bool:
    """What ESP-Miner finds out at its primary pool each minute: subscribe and authorize on a new connection."""
    miner = world.miner("bitaxe/BM1370/v2.15.0", user, mask="1fffe000")
    answered = bool(miner.answers(2))
    if answered:
        miner.leave()
    else:
        assert miner.link.closed
        assert not miner.answers(3)
    return answered


def test_miners_are_kept_for_ten_minutes_then_let_go_and_taken_again_when_a_pool_is_back() -> None:
    world = World()
    miner = world.miner()
    world.advance(1)
    lose(world, "A", "B")
    world.advance(9.5 * MINUTE)
    assert not miner.link.closed
    assert is_answered(world)
    assert not world.events_of(NoPoolForLong)
    world.advance(MINUTE)
    assert miner.link.closed
    for _ in range(5):
        assert not is_answered(world)
        world.advance(MINUTE)
    reasons = [event.reason for event in world.events_of(MinerDisconnected)]
    assert reasons.count("no pool has worked for long: disconnected") == 1
    assert reasons.count("no pool has worked for long: not taken") == 5
    (event,) = world.events_of(NoPoolForLong)
    assert (event.minutes, event.miners) == (10, 1)
    assert not world.events_of(PoolWorksAgain)
    subscribed = len(world.events_of(MinerSubscribed))
    world.pools["B"].reachable = True
    world.advance(2 * MINUTE)
    assert len(world.events_of(PoolWorksAgain)) == 1
    back = world.miner()
    world.advance(1)
    assert back.all("mining.notify")
    assert len(world.events_of(MinerSubscribed)) == subscribed + 1
    ident = back.submit()
    world.advance(1)
    assert back.answers(ident)[0]["result"] is True


def test_one_pool_that_works_is_enough_and_a_short_return_counts_anew() -> None:
    world = World()
    miner = world.miner()
    lose(world, "A")
    world.advance(30 * MINUTE)
    assert not miner.link.closed
    lose(world, "B")
    world.advance(8 * MINUTE)
    world.pools["A"].reachable = True
    world.advance(2 * MINUTE)
    lose(world, "A")
    world.advance(8 * MINUTE)
    assert not miner.link.closed
    assert is_answered(world)


def test_zero_minutes_keeps_miners_always_and_a_change_of_the_setting_acts_at_once() -> None:
    world = World(health=HealthConfig(no_pool_minutes=0))
    miner = world.miner()
    lose(world, "A", "B")
    world.advance(60 * MINUTE)
    assert not miner.link.closed
    assert is_answered(world)
    world.config = replace(world.config, revision=2, health=HealthConfig(no_pool_minutes=5))
    world.engine.apply(world.config)
    world.advance(1)
    assert miner.link.closed
    assert not is_answered(world)
    world.config = replace(world.config, revision=3, health=HealthConfig(no_pool_minutes=0))
    world.engine.apply(world.config)
    assert is_answered(world)


def test_a_pool_without_weight_that_is_no_fallback_does_not_keep_miners_from_their_own() -> None:
    world = World(weights={"A": 100.0, "B": 0.0})
    miner = world.miner()
    world.advance(1)
    lose(world, "A")
    world.advance(11 * MINUTE)
    assert miner.link.closed
    assert not is_answered(world)
    world.slider(A=50, B=50)
    assert is_answered(world)


def test_pools_that_refuse_the_user_or_are_switched_off_count_as_none() -> None:
    world = World()
    miner = world.miner()
    world.pools["A"].refuse = "no such account"
    world.pools["A"].drop()
    off = replace(world.config.pools[PoolKey("B")], status=AdminStatus.DISABLED)
    pools = {**world.config.pools, PoolKey("B"): off}
    world.engine.apply(replace(world.config, revision=2, pools=pools))
    world.advance(16 * MINUTE)  # a refusal shows at the next look at the pool, five minutes later at most
    assert miner.link.closed
    assert not is_answered(world)
    world.pools["A"].refuse = ""
    world.advance(6 * MINUTE)
    assert is_answered(world)


def test_without_any_pool_set_up_miners_are_let_go_as_well() -> None:
    world = World({})
    miner = world.miner()
    world.advance(11 * MINUTE)
    assert miner.link.closed
    assert not is_answered(world)


def test_what_comes_before_and_behind_an_unanswered_subscribe() -> None:
    world = World(health=HealthConfig(no_pool_minutes=1))
    world.miner()
    lose(world, "A", "B")
    world.advance(2 * MINUTE)
    lines: Any = ScriptedMiner(world, "", "addr.rig", handshake=False, mask=None)
    lines.raw(
        b'{"id":1,"method":"mining.configure","params":[["version-rolling"],{}]}\n'
        b'{"id":2,"method":"mining.subscribe","params":["x/1"]}\n'
        b'{"id":3,"method":"mining.authorize","params":["a.b","x"]}\n'
    )
    assert [line["id"] for line in lines.lines] == [1]
    assert lines.link.closed
    world.advance(1)
    assert not world.engine.sessions


@pytest.mark.parametrize("minutes", [0.5, 3.0])
def test_how_long_is_what_the_setting_says(minutes: float) -> None:
    world = World(health=HealthConfig(no_pool_minutes=minutes))
    world.miner()
    lose(world, "A", "B")
    world.advance(10)
    assert world.engine.outage.since is not None
    assert world.engine.outage.is_long is False
    world.advance(minutes * MINUTE)
    assert world.engine.outage.is_long is True


def test_a_longer_patience_acts_at_once_while_miners_are_not_taken() -> None:
    world = World({"A": 8}, health=HealthConfig(no_pool_minutes=10))
    world.miner()
    world.advance(1)
    lose(world, "A")
    world.advance(15 * MINUTE)
    assert not is_answered(world)
    world.config = replace(world.config, revision=9, health=HealthConfig(no_pool_minutes=120))
    world.engine.apply(world.config)
    assert is_answered(world)
    world.advance(104 * MINUTE)
    assert is_answered(world)
    world.advance(2 * MINUTE)
    assert not is_answered(world)


def test_miners_that_work_on_a_drained_pool_are_kept_until_they_have_no_work_for_long() -> None:
    world = World({"A": 8}, health=HealthConfig(no_pool_minutes=10))
    miner = world.miner()
    world.advance(5)
    drained = replace(world.config.pools[PoolKey("A")], status=AdminStatus.DRAIN)
    world.config = replace(world.config, revision=2, pools={PoolKey("A"): drained})
    world.engine.apply(world.config)
    for number in range(14 * 12):
        world.advance(5)
        if number % 6 == 0:
            world.pools["A"].notify()
            ident = miner.submit(nonce=f"{number + 1:08x}")
            world.advance(0.1)
            assert miner.answers(ident)[0]["result"] is True
    assert not miner.link.closed
    lose(world, "A")
    world.advance(9 * MINUTE)
    assert not miner.link.closed
    world.advance(2 * MINUTE)
    assert miner.link.closed


def refuse_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that takes only workers that were set up there, and ours was not."""
    plain = Connection.answer

    def answer(self: Connection, message: dict[str, Any]) -> None:
        refused, is_login = self.pool.refuse, message["method"] == "mining.authorize"
        if is_login and message["params"][0].endswith(".dpmp"):
            self.pool.refuse = "unknown worker"
        plain(self, message)
        self.pool.refuse = refused

    monkeypatch.setattr(Connection, "answer", answer)


def test_a_pool_that_refuses_only_the_probes_user_goes_on_taking_miners(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_probes(monkeypatch)
    world = World({"A": 8}, settle=False)
    miner = world.miner()
    world.advance(30)
    assert miner.all("mining.notify")
    miner.leave()
    world.advance(20 * MINUTE)
    again = world.miner()
    world.advance(30)
    assert again.all("mining.notify")


def test_a_refusal_of_a_miner_keeps_others_away_for_a_while_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_probes(monkeypatch)
    world = World({"A": 8}, settle=False)
    world.pools["A"].refuse = "no such account"
    miner = world.miner()
    world.advance(20 * MINUTE)
    assert miner.link.closed
    assert not is_answered(world)
    world.pools["A"].refuse = ""
    world.advance(31 * MINUTE)
    again = world.miner()
    world.advance(30)
    assert again.all("mining.notify")


def test_nothing_is_told_of_pools_after_the_end_although_the_last_one_was_looked_after() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(2)
    drained = {PoolKey("A"): replace(world.config.pools[PoolKey("A")], status=AdminStatus.DRAIN)}
    world.engine.apply(replace(world.config, pools=drained, revision=2))
    assert world.engine._outage_timer is not None
    world.engine.close()
    world.advance(60 * MINUTE)
    assert not world.events_of(NoPoolForLong) and not world.events_of(PoolWorksAgain)
