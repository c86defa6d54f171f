"""Switching: one write in a fixed order, shares checked against their job, no search space handed out twice."""

import pytest

from proxy.observe.events import JobForwarded, PoolSwitched, ShareResult
from proxy.types import Verdict
from tests.support.world import World

pytestmark = pytest.mark.no_cover


@pytest.mark.no_cover
def test_the_split_follows_the_weights_and_each_pool_gets_its_own_shares() -> None:
    world = World({"A": 8, "B": 4}, weights={"A": 70, "B": 30})
    miner = world.miner()
    world.advance(1)
    for number in range(400):
        miner.submit(nonce=f"{number:08x}")
        world.advance(3)
    results = world.events_of(ShareResult)
    assert len(results) == 400
    assert all(result.verdict is Verdict.ACCEPTED for result in results)
    by_pool = {key: len(pool.submits) for key, pool in world.pools.items()}
    assert by_pool == {key: sum(result.pool == key for result in results) for key in "AB"}
    assert abs(by_pool["A"] / 400 - 0.7) < 0.03


def test_a_switch_writes_difficulty_and_then_a_clean_job_in_one_write() -> None:
    world = World({"A": 8, "B": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    miner.writes.clear()
    while len(world.events_of(PoolSwitched)) < 2:
        world.advance(1)
    (write,) = [w for w in miner.writes if any(line.get("method") == "mining.notify" for line in w)]
    assert [line["method"] for line in write] == ["mining.set_difficulty", "mining.notify"]
    assert write[-1]["params"][8] is True


def test_a_narrower_version_mask_comes_before_the_difficulty() -> None:
    world = World({"A": 8, "B": 8}, settle=False)
    world.pools["B"].mask = 0x00FFE000
    world.advance(3)
    miner = world.miner(mask="1fffe000")
    world.advance(120)
    switches = [w for w in miner.writes if any(line.get("method") == "mining.set_version_mask" for line in w)]
    assert switches
    for write in switches:
        assert [line["method"] for line in write] == [
            "mining.set_version_mask",
            "mining.set_difficulty",
            "mining.notify",
        ]


def test_a_share_for_the_pool_just_left_still_goes_there() -> None:
    world = World({"A": 8, "B": 8})
    miner = world.miner()
    world.advance(1)
    old, left = miner.job, miner.session.current
    world.slider(**{"A" if left == "B" else "B": 100.0, str(left): 0.0})
    world.advance(1)
    assert miner.session.current != left
    ident = miner.submit(old)
    world.advance(1)
    assert miner.answers(ident) == [{"id": ident, "result": True, "error": None}]
    assert len(world.pools[str(left)].submits) == 1


def test_pools_with_the_same_job_ids_do_not_mix_up_their_shares() -> None:
    world = World({"A": 8, "B": 8})
    miner = world.miner()
    for _ in range(8):
        for pool in world.pools.values():
            pool.notify(job_id="1")
        world.advance(20)
        job = miner.job
        where = miner.pool_of(job)
        before = len(world.pools[where].submits)
        miner.submit(job)
        world.advance(1)
        assert len(world.pools[where].submits) == before + 1


def test_our_job_ids_are_short_and_never_used_twice() -> None:
    world = World({"A": 8, "B": 4})
    miner = world.miner()
    for _ in range(30):
        world.pools["A"].notify()
        world.pools["B"].notify()
        world.advance(10)
    ids = [params[0] for params in miner.all("mining.notify")]
    assert len(ids) == len(set(ids))
    assert max(map(len, ids)) <= 8


def test_every_issue_of_a_job_differs_in_its_search_space() -> None:
    """Firmware starts each job at extranonce2 0 and nonce 0: coming back must not repeat shares (14 of 83 once did)."""
    for sizes in ({"A": 8, "B": 8}, {"A": 4, "B": 4}, {"A": 8, "B": 4}):
        world = World(sizes)
        miner = world.miner()
        world.advance(900)
        jobs = [tuple(map(str, (*params[1:5], params[7]))) for params in miner.all("mining.notify")]
        assert len(world.events_of(PoolSwitched)) > 10
        assert len(jobs) == len(set(jobs))


def test_without_padding_ntime_grows_with_the_seconds_and_stays_within_what_pools_take() -> None:
    world = World({"A": 4, "B": 4})
    miner = world.miner()
    world.advance(300)
    for forwarded, params in zip(world.events_of(JobForwarded), miner.all("mining.notify"), strict=True):
        template = int(world.pools[forwarded.pool].connections[-1].pool.job(clean=False)[7], 16) - int(
            world.clock.now()
        )
        assert 0 <= int(params[7], 16) - template <= 300 + 600


def test_the_pool_sees_the_coinbase_that_the_miner_hashed() -> None:
    """coinb1' + en1 + en2 + coinb2 of the miner equals coinb1 + pool en1 + pool en2 + coinb2 of the pool."""
    for sizes in ({"A": 8, "B": 8}, {"A": 4, "B": 8}, {"A": 6, "B": 8}, {"A": 16, "B": 16}):
        world = World(sizes)
        miner = world.miner()
        world.advance(1)
        extranonce1, size = miner.subscribed()
        job = miner.job
        miner.submit(job, extranonce2="c0" * size)
        world.advance(1)
        where = world.pools[miner.pool_of(job)]
        connection = where.live()[-1]
        original = "01000000" + where.key.encode().hex() * 8
        mined = job[2] + extranonce1 + "c0" * size + job[3]
        sent = where.submits[-1][2]
        assert len(sent) == 2 * where.size
        assert mined == original + connection.extranonce1 + sent + "ffffffff" * 4
