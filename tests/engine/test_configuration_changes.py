"""A saved change acts at once, and only what changed moves."""

from dataclasses import replace

from proxy.config.snapshot import ConfigSnapshot, PoolConfig
from proxy.observe.events import (
    ConfigLoaded,
    MinerDisconnected,
    PoolNotify,
    PoolSwitched,
    ShareResult,
    WeightsNormalized,
)
from proxy.types import AdminStatus, PoolKey, Verdict
from tests.support.world import World

A, B = PoolKey("A"), PoolKey("B")


def apply(world: World, config: ConfigSnapshot) -> None:
    world.config = replace(config, revision=world.config.revision + 1)
    world.engine.apply(world.config)


def with_pool(world: World, key: str, **changes: object) -> ConfigSnapshot:
    pools = dict(world.config.pools)
    pools[PoolKey(key)] = replace(pools[PoolKey(key)], **changes)  # type: ignore[arg-type]
    return replace(world.config, pools=pools)


def test_all_on_one_pool_connects_no_other_and_can_be_left_again() -> None:
    """v2 never connected pool B when it was started at 100/0 and the slider was moved later."""
    world = World(weights={"A": 100, "B": 0})
    miner = world.miner()
    world.advance(30)
    assert not world.pools["B"].live()
    world.slider(A=50, B=50)
    world.advance(1)
    assert world.pools["B"].live()
    world.advance(120)
    assert {event.new for event in world.events_of(PoolSwitched)} == {A, B}
    world.slider(A=0, B=100)
    world.advance(30)
    assert miner.session.current == B
    assert not world.pools["A"].live()
    assert not world.events_of(MinerDisconnected)


def test_a_connection_that_is_not_wanted_any_more_lets_its_shares_finish() -> None:
    world = World(weights={"A": 100, "B": 0})
    miner = world.miner()
    world.advance(5)
    old = miner.job
    world.slider(A=0, B=100)
    world.advance(1)
    ident = miner.submit(old)
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    world.advance(15)
    assert not world.pools["A"].live()
    late = miner.submit(old, nonce="00000007")
    world.advance(1)
    assert miner.answers(late)[0]["error"]


def test_another_wallet_renews_that_pools_connections_without_a_gap() -> None:
    world = World(weights={"A": 100, "B": 1})
    miner = world.miner()
    world.advance(3)
    b_before = world.pools["B"].live()
    apply(world, with_pool(world, "A", wallet="another"))
    world.advance(1)
    (connection,) = [c for c in world.pools["A"].live() if c.user.startswith("another")]
    assert miner.session.current in (A, B)
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert connection.user == "another.rig"
    world.advance(10)
    assert len(world.pools["A"].live()) == 1
    assert world.pools["B"].live() == b_before


def test_weights_alone_touch_no_connection() -> None:
    world = World()
    world.miner()
    world.advance(5)
    before = {key: pool.live() for key, pool in world.pools.items()}
    world.slider(A=80, B=20)
    world.advance(5)
    assert {key: pool.live() for key, pool in world.pools.items()} == before
    assert world.events_of(ConfigLoaded)[-1].changed == ("weights",)


def test_a_new_pool_is_used_without_anybody_reconnecting() -> None:
    world = World({"A": 8, "B": 8})
    both = world.config
    apply(
        world, replace(both, pools={A: both.pools[A]}, schedules=(replace(both.schedules[0], allocations=((A, 1.0),)),))
    )
    world.advance(2)
    miner = world.miner()
    world.advance(5)
    apply(world, both)
    world.advance(120)
    assert {event.new for event in world.events_of(PoolSwitched)} == {A, B}
    assert not miner.link.closed


def test_a_removed_pool_is_left_at_once() -> None:
    world = World()
    miner = world.miner()
    world.advance(3)
    here = miner.session.current
    other = B if here == A else A
    config = world.config
    apply(
        world,
        replace(
            config,
            pools={other: config.pools[other]},
            schedules=(replace(config.schedules[0], allocations=((other, 1.0),)),),
        ),
    )
    world.advance(1)
    assert miner.session.current == other
    assert not world.pools[str(here)].live()
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


def test_a_pool_switched_off_is_left_and_a_drained_one_gets_no_weight() -> None:
    for status in (AdminStatus.DISABLED, AdminStatus.DRAIN):
        world = World()
        miner = world.miner()
        world.advance(3)
        here = str(miner.session.current)
        apply(world, with_pool(world, here, status=status))
        world.advance(20)
        assert miner.session.current != here
        assert not world.pools[here].live()
        apply(world, with_pool(world, here, status=AdminStatus.ENABLED))
        world.advance(120)
        assert world.pools[here].live()
        assert world.events_of(PoolSwitched)[-1].new in (A, B)


def test_a_pool_excluded_for_its_payout_gets_no_work_until_it_is_right_again() -> None:
    world = World()
    miner = world.miner()
    world.advance(3)
    here = miner.session.current
    assert here is not None
    world.engine.exclude_pool(here, True)
    world.advance(15)
    assert miner.session.current != here
    assert not world.pools[str(here)].live()
    world.engine.exclude_pool(here, False)
    world.advance(120)
    assert world.pools[str(here)].live()


def test_a_pool_excluded_for_its_payout_is_looked_at_often_so_that_it_is_soon_back() -> None:
    """Without miners nothing but a probe hears its jobs, and an idle pool is probed every five minutes only."""
    world = World()
    miner = world.miner()
    world.advance(3)
    here = miner.session.current
    assert here is not None
    world.engine.exclude_pool(here, True)
    world.advance(15)
    jobs = len([job for job in world.events_of(PoolNotify) if job.pool == here])
    world.advance(60)
    assert 3 <= len([job for job in world.events_of(PoolNotify) if job.pool == here]) - jobs <= 5


def test_a_pool_that_was_removed_while_excluded_gets_work_when_it_is_added_again() -> None:
    world = World()
    world.miner()
    world.advance(3)
    world.engine.exclude_pool(A, True)
    both = world.config
    apply(world, replace(both, pools={B: both.pools[B]}, schedules=()))
    world.advance(15)
    apply(world, both)
    world.advance(120)
    assert world.pools["A"].live()
    assert any(switch.new == A for switch in world.events_of(PoolSwitched)[-5:])


def test_nothing_is_refused_over_a_day_of_changes() -> None:
    world = World({"A": 8, "B": 4})
    miners = [world.miner(user=f"addr.rig{n}") for n in range(3)]
    world.advance(3)
    for number in range(300):
        if number % 20 == 0:
            world.slider(A=float(number % 101), B=float(100 - number % 101))
        if number % 7 == 0:
            world.pools["AB"[number % 2]].notify(new_block=number % 3 == 0)
        for miner in miners:
            miner.submit(nonce=f"{number:08x}")
        world.advance(5)
    results = world.events_of(ShareResult)
    assert len(results) == 900
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
    for pool in world.engine.pools.values():
        assert isinstance(pool.config, PoolConfig)
    assert all(len(miner.session.jobs) <= 256 for miner in miners)


def test_weights_that_do_not_sum_to_100_are_taken_as_parts_and_said_once() -> None:
    world = World(weights={"A": 1.0, "B": 3.0})
    world.slider(A=50, B=50)
    world.slider(A=60, B=60)
    changed = world.events_of(WeightsNormalized)
    assert [(event.source, event.weights) for event in changed] == [
        ("main", {A: 25.0, B: 75.0}),
        ("override", {A: 50.0, B: 50.0}),
    ]


def test_a_corrected_wallet_is_tried_at_once_by_miners_that_were_refused() -> None:
    world = World()
    world.pools["A"].refuse = "unknown wallet"
    miner = world.miner()
    world.advance(30)
    assert not world.pools["A"].live()
    world.pools["A"].refuse = ""
    apply(world, with_pool(world, "A", wallet="right"))
    world.advance(2)
    assert [connection.user for connection in world.pools["A"].live()] == ["right.rig"]
    assert miner.session.facts() == {}
