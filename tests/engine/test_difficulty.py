"""Difficulty belongs to jobs; miners get what their firmware can read."""

import pytest

from proxy.config.snapshot import PoolConfig
from proxy.engine.assigned_difficulty import as_number, assigned_difficulty_for, difficulty_to_suggest
from proxy.observe.events import ShareResult
from proxy.stratum.difficulty import network_difficulty
from proxy.stratum.firmware import UNKNOWN, profile_of
from proxy.stratum.suggestions import SUGGEST_PAUSE_S
from proxy.types import HASHES_PER_DIFFICULTY, PoolKey, Reason
from tests.support.world import EASY, World

POOL = PoolConfig(key=PoolKey("A"), wallet="w", endpoints=())
NERDQAXE = profile_of("NerdQAxe++/BM1370")


def assigned(
    pool_difficulty: float,
    pool: PoolConfig = POOL,
    profile: object = UNKNOWN,
    rate: float = 0.0,
    held: float = 0.0,
    network: float = 1e12,
    minimum: float = 0.0,
) -> float:
    return assigned_difficulty_for(
        pool_difficulty,
        pool,
        profile,
        hashrate=rate,
        held=held,  # type: ignore[arg-type]
        hashes_per_difficulty=1024.0,
        network_difficulty=network,
        miner_minimum=minimum,
    )


@pytest.mark.parametrize(("pool", "expected"), [(0.5, 0.5), (1.75, 1.75), (4096.0, 4096.0)])
def test_firmware_that_reads_floats_gets_the_pools_difficulty_exactly(pool: float, expected: float) -> None:
    assert assigned(pool) == expected


@pytest.mark.parametrize(("pool", "expected"), [(0.5, 1.0), (1.75, 1.0), (4096.9, 4096.0)])
def test_integer_firmware_gets_it_rounded_down_and_never_below_one(pool: float, expected: float) -> None:
    assert assigned(pool, profile=NERDQAXE) == expected


def test_floor_and_cap_of_the_operator() -> None:
    from dataclasses import replace

    assert assigned(10.0, replace(POOL, min_difficulty=64.0)) == 64.0
    assert assigned(100.0, replace(POOL, max_difficulty=64.0)) == 100.0
    assert assigned(1.0, replace(POOL, max_difficulty=64.0), rate=1e9, held=500.0) == 64.0
    assert difficulty_to_suggest(None, replace(POOL, max_difficulty=64.0), 100.0) == 64.0
    assert difficulty_to_suggest(5.0, replace(POOL, min_difficulty=16.0), 1.0) == 16.0
    assert difficulty_to_suggest(5.0, POOL, 1.0) == 5.0
    assert difficulty_to_suggest(None, POOL, 1.0) is None


def test_a_pool_whose_difficulty_fell_while_idle_is_entered_at_two_shares_a_second() -> None:
    assert assigned(0.001, rate=1024.0 * 500, held=16_384.0) == 250.0


def test_a_misjudged_rate_never_asks_for_more_than_the_pool_did_before() -> None:
    assert assigned(0.001, rate=1e15, held=16_384.0) == 16_384.0
    assert assigned(0.001, rate=1e15) == 0.001


def test_whole_numbers_are_written_without_a_point() -> None:
    assert (as_number(512.0), as_number(0.25)) == (512, 0.25)
    assert isinstance(as_number(512.0), int)


def test_a_new_difficulty_waits_for_the_next_job_and_comes_with_it() -> None:
    world = World({"A": 8}, difficulty=4)
    miner = world.miner()
    world.advance(2)
    old = miner.job
    world.pools["A"].push("mining.set_difficulty", [2.0**40])
    world.advance(5)
    assert miner.all("mining.set_difficulty") == [[4]]
    first = miner.submit(old)
    world.pools["A"].notify()
    world.advance(1)
    assert [line["method"] for line in miner.writes[-1]] == ["mining.set_difficulty", "mining.notify"]
    assert miner.difficulty == 2.0**40
    late = miner.submit(old, nonce="00000002")
    new = miner.submit(nonce="00000003")
    world.advance(1)
    assert miner.answers(first)[0]["result"] is True
    assert miner.answers(late)[0]["result"] is True  # checked against its own job
    assert miner.answers(new)[0]["error"][0] == 23


def test_a_difficulty_after_the_first_job_counts_for_it_too() -> None:
    world = World({"A": 8}, difficulty=1)
    connection_difficulty = 16
    world.pools["A"].difficulty = 1
    miner = world.miner()
    world.advance(2)
    assert miner.difficulty == 1
    world.pools["A"].push("mining.set_difficulty", [connection_difficulty])
    world.pools["A"].notify()
    world.advance(1)
    assert miner.difficulty == 16


@pytest.mark.no_cover
def test_a_share_between_whole_and_fractional_difficulty_is_a_fraction_and_not_forwarded() -> None:
    """NerdQAxe truncates 1.9 to 1: what it finds between is worth nothing to the pool."""
    diff = 1.9e6
    world = World({"A": 8}, difficulty=diff, hashes_per_difficulty=EASY)
    miner = world.miner("NerdQAxe++/BM1370")
    world.advance(2)
    assert miner.difficulty == int(diff)
    world2 = World({"A": 8}, difficulty=2.0**40 + 0.5, hashes_per_difficulty=EASY)
    miner2 = world2.miner("NerdQAxe++/BM1370")
    world2.advance(2)
    assert miner2.difficulty == 2**40
    idents = [miner.submit(nonce=f"{nonce:08x}") for nonce in range(400)]
    world.advance(1)
    reasons = {result.reason for result in world.events_of(ShareResult)}
    assert reasons <= {Reason.NONE, Reason.LOW_DIFFICULTY, Reason.FRACTION}
    accepted = sum(result.reason is Reason.NONE for result in world.events_of(ShareResult))
    assert len(world.pools["A"].submits) == accepted
    assert all(len(miner.answers(ident)) == 1 for ident in idents)


def test_a_fraction_is_23_with_a_reason_of_its_own() -> None:
    from proxy.engine.reject_reasons import code_of

    world = World({"A": 8}, difficulty=1.0)
    miner = world.miner("NerdQAxe++/BM1370")
    world.advance(2)
    issued = miner.session.jobs.find(miner.job[0])
    assert issued is not None
    from dataclasses import replace

    issued.job = replace(issued.job, difficulty=1e300)  # the pool wants more than the whole number sent
    ident = miner.submit()
    assert miner.answers(ident)[0]["error"][0] == 23 == code_of(Reason.FRACTION)
    assert world.events_of(ShareResult)[-1].reason is Reason.FRACTION
    assert not world.pools["A"].submits


def test_a_suggestion_reaches_the_pool_after_its_login_once_and_as_an_integer_from_one_on() -> None:
    world = World({"A": 8})
    miner = world.miner(handshake=False)
    miner.call("mining.subscribe", ["x"], 2)
    miner.call("mining.authorize", ["addr.rig", "x"], 3)
    miner.call("mining.suggest_difficulty", [512.7], 4)
    world.advance(1)
    miner.call("mining.suggest_difficulty", [512.2], 5)
    miner.call("mining.suggest_difficulty", [0.25], 6)
    world.advance(SUGGEST_PAUSE_S)
    (connection,) = world.pools["A"].live()
    methods = [m["method"] for m in connection.received]
    suggested = [m["params"] for m in connection.received if m["method"] == "mining.suggest_difficulty"]
    assert suggested == [[512], [0.25]]
    assert methods.index("mining.suggest_difficulty") > methods.index("mining.authorize")


def test_a_low_difficulty_that_the_pool_set_on_purpose_is_given_exactly() -> None:
    """The pool credits no more than it for a share: anything above would be work for nothing."""
    world = World({"A": 8}, difficulty=4, hashes_per_difficulty=1.0)
    world.engine.scheduler.rate = lambda session: 1e6  # type: ignore[method-assign,assignment]
    miner = world.miner()
    for _ in range(5):
        world.advance(20)
        world.pools["A"].notify()
    assert {params[0] for params in miner.all("mining.set_difficulty")} == {4}


def test_a_temporary_difficulty_ends_after_two_minutes_of_work_in_which_the_pool_left_its_own_low() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 100, "B": 1}, difficulty=64, hashes_per_difficulty=1.0)
    world.engine.scheduler.rate = lambda session: 1e6  # type: ignore[method-assign,assignment]
    miner = world.miner()
    world.advance(2)
    idle = "B" if miner.session.current == "A" else "A"
    world.pools[idle].push("mining.set_difficulty", [4])
    world.pools[idle].notify()
    world.slider(**{idle: 100.0, str(miner.session.current): 0.0})
    world.advance(2)
    assert miner.session.current == idle
    assert miner.difficulty == 64
    world.advance(115)
    world.pools[idle].notify()
    world.advance(1)
    assert miner.difficulty == 64
    world.advance(5)
    world.pools[idle].notify()
    world.advance(1)
    assert miner.difficulty == 4


def test_a_pool_that_kept_its_difficulty_is_entered_with_it() -> None:
    world = World({"A": 8, "B": 8}, difficulty=4, hashes_per_difficulty=1.0)
    miner = world.miner()
    world.advance(400)
    world.engine.scheduler.rate = lambda session: 1e6  # type: ignore[method-assign,assignment]
    miner.forget()
    world.advance(100)
    assert miner.all("mining.notify")
    assert {params[0] for params in miner.all("mining.set_difficulty")} == {4}
    for connection in world.pools["A"].live() + world.pools["B"].live():
        connection.push("mining.set_difficulty", [0.5])
    for pool in world.pools.values():
        pool.notify()
    miner.forget()
    world.advance(100)
    assert {params[0] for params in miner.all("mining.set_difficulty")} == {4}  # as it was before, on both
    world.advance(300)
    for pool in world.pools.values():
        pool.notify()
    world.advance(1)
    assert miner.difficulty == 0.5  # the pools mean it


def test_nothing_lifts_the_assigned_difficulty_above_the_networks() -> None:
    """Above it a miner never reports its blocks (floor of 5e6 on a chain of 1e6: 4 of 5 were never seen)."""
    from dataclasses import replace

    floor = replace(POOL, min_difficulty=5e6)
    assert assigned(16.0, floor, network=1e6) == 1e6
    assert assigned(16.0, rate=1e15, held=5e6, network=1e6) == 1e6
    assert assigned(16.0, minimum=5e6, network=1e6) == 1e6
    nicehash = assigned_difficulty_for(
        16.0,
        POOL,
        profile_of("NiceHash/1.0.0"),
        hashrate=0.0,
        held=0.0,
        miner_minimum=0.0,
        hashes_per_difficulty=HASHES_PER_DIFFICULTY,
        network_difficulty=4096.0,
    )
    assert nicehash == 4096.0
    assert assigned(16.0, floor, NERDQAXE, network=1000.5) == 1000.0


def test_a_pool_above_the_network_keeps_its_difficulty() -> None:
    from dataclasses import replace

    assert assigned(64.0, network=8.0) == 64.0
    assert assigned(64.0, replace(POOL, min_difficulty=128.0), network=8.0) == 64.0


def test_the_miners_own_minimum_is_a_floor_above_the_operators_cap() -> None:
    from dataclasses import replace

    assert assigned(16.0, minimum=2048.0) == 2048.0
    assert assigned(4096.0, minimum=2048.0) == 4096.0
    assert assigned(16.0, replace(POOL, max_difficulty=64.0), minimum=2048.0) == 2048.0


def test_a_floor_of_the_operator_is_capped_by_the_jobs_own_nbits() -> None:
    world = World({"A": 8}, difficulty=4, hashes_per_difficulty=1.0)
    config = world.config
    from dataclasses import replace

    pool = replace(config.pools[PoolKey("A")], min_difficulty=2.0**50)
    world.engine.apply(replace(config, pools={PoolKey("A"): pool}, revision=2))
    miner = world.miner()
    world.advance(1)
    assert miner.difficulty == 2.0**32 == network_difficulty(0x1D00FFFF, world.engine.diff1)


def test_a_minimum_difficulty_that_was_answered_true_is_kept() -> None:
    world = World({"A": 8}, difficulty=16, hashes_per_difficulty=1.0)
    miner = world.miner(handshake=False)
    miner.call("mining.configure", [["minimum-difficulty"], {"minimum-difficulty.value": 2048}], 1)
    miner.call("mining.subscribe", ["bmminer/1.0.0"], 2)
    miner.call("mining.authorize", ["addr.rig", "x"], 3)
    world.advance(1)
    assert miner.answers(1)[0]["result"] == {"minimum-difficulty": True}
    assert miner.difficulty == 2048
    suggested = [
        m["params"] for c in world.pools["A"].live() for m in c.received if m["method"] == "mining.suggest_difficulty"
    ]
    assert suggested == [[2048]]
    world.pools["A"].push("mining.set_difficulty", [8192])
    world.pools["A"].notify()
    world.advance(1)
    assert miner.difficulty == 8192
    world.pools["A"].push("mining.set_difficulty", [1])
    world.pools["A"].notify()
    world.advance(1)
    assert miner.difficulty == 2048


@pytest.mark.no_cover
@pytest.mark.parametrize("value", [None, 0, -1, "2048", True, 1e18, 1e300, 1e-300])
def test_a_minimum_difficulty_without_sense_is_answered_false(value: object) -> None:
    world = World({"A": 8}, difficulty=16, hashes_per_difficulty=1.0)
    miner = world.miner(handshake=False)
    miner.call("mining.configure", [["minimum-difficulty"], {"minimum-difficulty.value": value}], 1)
    miner.call("mining.subscribe", ["bmminer/1.0.0"], 2)
    miner.call("mining.authorize", ["addr.rig", "x"], 3)
    world.advance(1)
    assert miner.answers(1)[0]["result"] == {"minimum-difficulty": False}
    assert miner.difficulty == 16
