"""A pool dies, falls silent, lies, or comes back: no miner is disconnected, and only its own miners move."""

from dataclasses import replace

import pytest

from proxy.config.snapshot import Endpoint, HealthConfig
from proxy.observe.events import (
    AuthResult,
    EmergencySwitch,
    MinerDisconnected,
    PoolDown,
    PoolReconnectWait,
    PoolRedirect,
    PoolSwitched,
    PoolUp,
    ShareResult,
)
from proxy.types import PoolKey, PoolStatus, Verdict, WorkerName
from tests.support.world import World


def test_a_closed_connection_moves_its_miners_at_once_and_nobody_else() -> None:
    world = World(weights={"A": 50, "B": 50})
    world.config = replace(
        world.config, revision=2, pins={WorkerName(f"rig{n}"): PoolKey("A" if n < 3 else "B") for n in range(6)}
    )
    world.engine.apply(world.config)
    miners = [world.miner(user=f"addr.rig{n}") for n in range(6)]
    world.advance(40)
    on_a = [miner for miner in miners if miner.session.current == "A"]
    on_b = [miner for miner in miners if miner.session.current == "B"]
    assert on_a
    assert on_b
    jobs_b = [len(miner.all("mining.notify")) for miner in on_b]
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(0.05)
    assert all(miner.pool_of(miner.job) == "B" for miner in on_a)
    assert [len(miner.all("mining.notify")) for miner in on_b] == jobs_b
    assert world.engine.pools[PoolKey("A")].status is PoolStatus.DOWN
    assert len(world.events_of(PoolDown)) == 1
    assert not world.events_of(MinerDisconnected)


def test_a_pool_that_returns_is_up_after_its_rise_and_the_weights_resume() -> None:
    world = World(weights={"A": 50, "B": 50})
    miner = world.miner()
    world.advance(5)
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(30)
    assert miner.session.current == "B"
    world.pools["A"].reachable = True
    world.advance(70)
    assert len([up for up in world.events_of(PoolUp) if up.down_s > 0]) == 1
    before = len(world.pools["A"].submits), len(world.pools["B"].submits)
    for number in range(200):
        miner.submit(nonce=f"{number:08x}")
        world.advance(3)
    gained = len(world.pools["A"].submits) - before[0]
    assert abs(gained / 200 - 0.5) < 0.06
    assert all(result.verdict is Verdict.ACCEPTED for result in world.events_of(ShareResult))


def test_miners_return_to_a_pool_a_few_a_second() -> None:
    world = World(weights={"A": 50, "B": 50}, health=HealthConfig(returns_per_s=2.0))
    for number in range(20):
        world.miner(user=f"addr.rig{number}")
    world.advance(5)
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(5)
    world.pools["A"].reachable = True
    while world.engine.pools[PoolKey("A")].status is not PoolStatus.UP:
        world.advance(0.5)
    world.advance(3)
    back = len(world.pools["A"].live())
    assert 4 <= back <= 9
    world.advance(20)
    assert len(world.pools["A"].live()) == 20


def test_an_open_but_silent_pool_is_left_ten_seconds_after_a_share_went_unheard() -> None:
    world = World(min_switch_s=600)
    miner = world.miner()
    world.advance(5)
    here = miner.session.current
    world.pools[here].silent = True
    ident = miner.submit()
    world.advance(9)
    assert miner.session.current == here
    world.advance(1.5)
    assert miner.pool_of(miner.job) != here
    assert len(miner.answers(ident)) == 1
    assert miner.answers(ident)[0]["error"]
    assert world.engine.pools[here].status is PoolStatus.DOWN
    assert not miner.link.closed


def test_a_pool_silent_between_shares_is_found_by_its_missing_jobs_and_a_probe() -> None:
    world = World(weights={"A": 50, "B": 50})
    miner = world.miner()
    world.advance(5)
    world.pools["A"].silent = True
    for _ in range(40):
        world.pools["B"].notify()
        world.advance(5)
    assert world.engine.pools[PoolKey("A")].status is PoolStatus.DOWN
    assert miner.session.current == "B"


def test_a_quiet_pool_that_is_alive_is_not_left() -> None:
    world = World({"A": 8}, weights={"A": 100})
    miner = world.miner()
    world.advance(600)
    assert miner.session.current == "A"
    assert len(world.pools["A"].live()) == 1
    assert not world.events_of(PoolDown)


def test_a_pool_that_accepts_and_says_nothing_never_comes_up_and_harms_nobody() -> None:
    world = World({"A": 8, "B": 8}, settle=False)
    world.pools["A"].silent = True
    world.advance(3)
    miner = world.miner()
    world.advance(2)
    assert miner.pool_of(miner.job) == "B"
    world.advance(60)
    assert world.engine.pools[PoolKey("A")].status is PoolStatus.DOWN


def test_all_pools_down_keeps_the_miners_and_the_first_job_goes_out_when_one_is_back() -> None:
    world = World()
    miner = world.miner()
    world.advance(5)
    for pool in world.pools.values():
        pool.reachable = False
        pool.drop()
    world.advance(200)
    assert not miner.link.closed
    assert miner.session.current is None
    jobs = len(miner.all("mining.notify"))
    world.pools["B"].reachable = True
    world.advance(65)
    assert len(miner.all("mining.notify")) > jobs
    assert miner.pool_of(miner.job) == "B"
    assert {event.new for event in world.events_of(EmergencySwitch)} >= {None}


def test_a_refused_user_is_parked_and_the_pool_does_not_count_as_down() -> None:
    world = World({"A": 8, "B": 8})
    world.pools["A"].refuse = "unknown wallet"
    miner = world.miner()
    world.advance(120)
    assert miner.session.current == "B"
    assert world.engine.pools[PoolKey("A")].status is PoolStatus.UP
    refused = [event for event in world.events_of(AuthResult) if not event.ok and event.session is not None]
    assert 1 <= len(refused) <= 3
    assert "unknown wallet" in miner.session.facts()[PoolKey("A")]
    world.pools["A"].refuse = ""
    world.advance(600)
    assert len(world.pools["A"].live()) == 1


def test_a_backup_endpoint_is_used_and_left_again_when_the_first_is_back() -> None:
    world = World({"A": 8, "X": 8}, weights={"A": 1.0})
    first, backup = 1000, 1001
    pool = replace(
        world.config.pools[PoolKey("A")],
        endpoints=(Endpoint(host="127.0.0.1", port=first), Endpoint(host="127.0.0.1", port=backup)),
    )
    world.config = replace(world.config, pools={PoolKey("A"): pool}, revision=2)
    world.engine.apply(world.config)
    miner = world.miner()
    world.advance(5)
    assert miner.pool_of(miner.job) == "A"
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(10)
    assert miner.pool_of(miner.job) == "X"
    world.pools["A"].reachable = True
    world.advance(90)
    assert miner.pool_of(miner.job) == "A"
    assert not miner.link.closed
    world.advance(20)
    assert not world.pools["X"].live()


def test_a_redirect_is_honoured_to_the_same_host_and_never_reaches_the_miner() -> None:
    world = World({"A": 8, "X": 8}, weights={"A": 1.0, "X": 0.0})
    miner = world.miner()
    world.advance(2)
    world.pools["A"].push("client.reconnect", ["evil.example", 3333, 0])
    world.advance(5)
    assert miner.pool_of(miner.job) == "A"
    world.pools["A"].push("client.reconnect", ["127.0.0.1", 1001, 0])
    world.advance(5)
    assert [event.honoured for event in world.events_of(PoolRedirect)] == [False, True]
    assert miner.pool_of(miner.job) == "X"
    assert not [line for line in miner.lines if str(line.get("method", "")).startswith("client.")]


def test_a_pools_own_extranonce_change_is_a_clean_job_and_no_miner_hears_of_it() -> None:
    world = World({"A": 8}, weights={"A": 1.0})
    miner = world.miner()
    world.advance(2)
    old = miner.job
    pool = world.pools["A"]
    pool.push("mining.set_extranonce", ["cafebabe", 6])
    pool.notify()
    world.advance(1)
    assert not miner.all("mining.set_extranonce")
    _, size = miner.subscribed()
    ident = miner.submit(extranonce2="11" * size)
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert len(pool.submits[-1][2]) == 2 * 6
    assert "cafebabe" in miner.job[2]
    assert miner.job[8] is True
    late = miner.submit(old)
    world.advance(1)
    assert len(pool.submits[-1][2]) == 2 * 8
    assert miner.answers(late)


def test_a_pool_that_leaves_too_little_room_is_left_visibly() -> None:
    world = World({"A": 8, "B": 8})
    miner = world.miner()
    world.advance(2)
    assert miner.subscribed()[1] + len(miner.subscribed()[0]) // 2 == 6
    world.pools["A"].push("mining.set_extranonce", ["cafebabe", 4])
    world.pools["A"].notify()
    world.advance(1)
    assert miner.session.current == "B"
    assert "needs 6" in miner.session.facts()[PoolKey("A")]
    assert not miner.link.closed


def test_malformed_jobs_never_reach_firmware() -> None:
    world = World({"A": 8}, weights={"A": 1.0})
    miner = world.miner()
    world.advance(2)
    jobs = len(miner.all("mining.notify"))
    good = world.pools["A"].job(clean=False)
    for bad in (
        [],
        good[:5],
        [*good[:1], "zz", *good[2:]],
        [*good[:4], ["ab"], *good[5:]],
        [*good[:5], 5, *good[6:]],
        [*good[:4], ["ab" * 32] * 40, *good[5:]],
        [*good[:2], "00" * 13_000, *good[3:]],
    ):
        world.pools["A"].push("mining.notify", bad)
    for bad in ([0], [-1], ["x"], [None], [1e30], []):
        world.pools["A"].push("mining.set_difficulty", bad)
    world.advance(1)
    assert len(miner.all("mining.notify")) == jobs
    assert world.pools["A"].live()


def test_nobody_is_moved_to_a_pool_that_fell_silent_while_a_probe_finds_out() -> None:
    world = World(min_switch_s=5)
    miners = [world.miner(user=f"addr.rig{n}") for n in range(2)]
    world.advance(21)
    silent = str(miners[0].session.current)
    world.pools[silent].silent = True
    for miner in miners:
        miner.submit()
    world.advance(10.5)
    assert all(miner.session.current != silent for miner in miners)
    switches = [event for event in world.events_of(PoolSwitched) if event.new == silent]
    for _ in range(30):
        world.advance(2)
        for miner in miners:
            miner.submit(nonce=f"{int(world.clock.now()):08x}")
    assert [event for event in world.events_of(PoolSwitched) if event.new == silent] == switches


@pytest.mark.no_cover
def test_a_pool_with_jobs_but_no_answers_is_tried_less_and_less_often() -> None:
    world = World()
    miner = world.miner()
    world.advance(1)
    mute = world.pools["A"]
    mute.answer_submits = False
    for number in range(1200):
        miner.submit(nonce=f"{number:08x}")
        world.advance(2)
        if number % 10 == 0:
            world.pools["B"].notify()
    downs = [event for event in world.events_of(PoolDown) if event.pool == "A"]
    assert 2 <= len(downs) <= 45  # about one a minute in forty, not three
    lost = [result for result in world.events_of(ShareResult) if result.verdict is Verdict.UNANSWERED]
    assert len(lost) < 250
    mute.answer_submits = True
    world.advance(130)
    for number in range(100):
        miner.submit(nonce=f"{5000 + number:08x}")
        world.advance(3)
    assert any(params[4] >= "00001388" for params in mute.submits)


def test_a_pool_whose_endpoints_all_fail_is_down_although_nobody_works_there() -> None:
    world = World({"A": 8, "B": 8})
    key = PoolKey("A")
    endpoints = (Endpoint(host="127.0.0.1", port=1000), Endpoint(host="127.0.0.1", port=1999))
    pools = {**world.config.pools, key: replace(world.config.pools[key], endpoints=endpoints)}
    world.config = replace(world.config, revision=2, pools=pools)
    world.engine.apply(world.config)
    world.advance(5)
    assert world.engine.pools[key].status is PoolStatus.UP
    world.pools["A"].reachable = False
    world.advance(330)
    assert world.engine.pools[key].status is PoolStatus.DOWN


def test_the_pause_before_the_next_probe_doubles_with_each_failure() -> None:
    world = World({"A": 8, "B": 8}, health=HealthConfig(backoff_min_s=2.0, backoff_max_s=60.0), settle=False)
    world.pools["A"].reachable = False
    world.advance(300)
    pauses = [wait.delay_s for wait in world.events_of(PoolReconnectWait) if wait.pool == "A"]
    assert pauses[:2] == [2.0, 2.0]  # not down before the third failure
    for pause, longest in zip(pauses[2:], [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0], strict=False):
        assert longest / 2 <= pause <= longest
