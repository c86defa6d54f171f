"""What a miner last worked at is remembered, held to, and given up where the pool means less."""

import pytest

from proxy.config.snapshot import PoolConfig
from proxy.engine.assigned_difficulty import suitable_difficulty
from proxy.engine.productive import HOLD_MOST_S, HOLD_S, ProductiveDifficulty
from proxy.types import PoolKey
from tests.support.world import World

POOL = PoolConfig(key=PoolKey("A"), wallet="w", endpoints=())


def worked_at(difficulty: float) -> ProductiveDifficulty:
    productive = ProductiveDifficulty()
    productive.start_work(difficulty, 0.0)
    productive.accepted(difficulty)
    productive.stop_work(10.0)
    return productive


def test_a_decayed_difficulty_is_never_remembered_however_often_the_miner_comes_back() -> None:
    productive = worked_at(10_000.0)
    for visit in range(3):
        at = 1000.0 * (visit + 1)
        productive.pool_set(300.0, at - 1, at_work=False)
        productive.start_work(300.0, at)
        productive.accepted(300.0)
        assert productive.held(300.0, at + 30) == 10_000.0
        productive.stop_work(at + 30)
    assert productive.value == 10_000.0


def test_it_is_held_until_the_pool_is_at_half_of_it_however_long_that_takes_it() -> None:
    productive = worked_at(10_000.0)
    productive.start_work(100.0, 0.0)
    now = 0.0
    for difficulty in (200.0, 800.0, 3_000.0, 4_900.0):
        now += HOLD_S - 1
        productive.pool_set(difficulty, now, at_work=True)
        assert productive.held(difficulty, now) == 10_000.0
    productive.pool_set(5_000.0, now, at_work=True)
    assert productive.held(5_000.0, now) == 0.0
    assert productive.value == 10_000.0


def test_a_pool_that_leaves_it_low_for_two_minutes_of_work_means_it() -> None:
    productive = worked_at(10_000.0)
    productive.start_work(100.0, 100.0)
    assert productive.held(100.0, 100.0 + HOLD_S - 1) == 10_000.0
    assert productive.held(100.0, 100.0 + HOLD_S) == 0.0
    assert productive.value == 100.0


def test_time_spent_elsewhere_does_not_count_and_time_of_several_visits_does() -> None:
    productive = worked_at(10_000.0)
    for visit in range(4):
        at = 1000.0 * (visit + 1)
        productive.start_work(100.0, at)
        assert productive.held(100.0, at + HOLD_S / 5) == 10_000.0
        productive.stop_work(at + HOLD_S / 5)
    productive.start_work(100.0, 9000.0)
    assert productive.held(100.0, 9000.0 + HOLD_S / 5) == 0.0


def test_a_pool_that_moves_without_ever_coming_back_is_believed_after_ten_minutes() -> None:
    productive = worked_at(10_000.0)
    productive.start_work(100.0, 0.0)
    for minute in range(int(HOLD_MOST_S / 60)):
        assert productive.held(100.0, 60.0 * minute) == 10_000.0
        productive.pool_set(90.0, 60.0 * minute + 20, at_work=True)
        productive.pool_set(100.0, 60.0 * minute + 21, at_work=True)
    assert productive.held(100.0, HOLD_MOST_S) == 0.0


def test_a_higher_difficulty_counts_once_a_share_of_it_was_accepted() -> None:
    productive = worked_at(100.0)
    productive.start_work(100.0, 20.0)
    productive.pool_set(1e15, 21.0, at_work=True)
    assert productive.value == 100.0
    productive.pool_set(400.0, 22.0, at_work=True)
    productive.accepted(400.0)
    assert productive.value == 400.0


@pytest.mark.parametrize(
    ("productive", "suggested", "rate", "estimated", "expected"),
    [
        (0.0, 0.0, 0.0, True, None),
        (0.0, 0.0, 1000.0, False, None),
        (0.0, 0.0, 1000.0, True, 5000.0),
        (4321.9, 0.0, 0.0, False, 4321.0),
        (0.0, 64.5, 0.0, False, 64.0),
        (0.25, 0.0, 0.0, False, 0.25),
        (0.0, 1.0, 1000.0, False, 500.0),
        (1e9, 1.0, 1000.0, False, 20_000.0),
        (4321.0, 1.0, 1000.0, False, 4321.0),
    ],
)
def test_a_pool_is_asked_for_what_suits_the_miner(
    productive: float, suggested: float, rate: float, estimated: bool, expected: float | None
) -> None:
    assert (
        suitable_difficulty(productive, suggested, POOL, hashrate=rate, hashes_per_difficulty=1.0, estimated=estimated)
        == expected
    )


def test_a_pool_whose_difficulty_fell_is_told_what_the_miner_works_at_once_it_is_back() -> None:
    world = World({"A": 8, "B": 8}, difficulty=64)
    world.engine.scheduler.rate = lambda session: 64 * 2.0**-20  # type: ignore[method-assign,assignment]
    miner = world.miner()
    world.slider(A=100.0, B=0.0001)
    world.advance(40)
    miner.submit()
    world.advance(1)
    assert miner.session.current == "A"
    world.slider(A=0.0001, B=100.0)
    world.advance(40)
    connection = world.pools["A"].live()[-1]
    assert not [m for m in connection.received if m["method"] == "mining.suggest_difficulty"]
    connection.push("mining.set_difficulty", [2])
    world.pools["A"].notify()
    world.slider(A=100.0, B=0.0001)
    world.advance(40)
    suggested = [m["params"] for m in connection.received if m["method"] == "mining.suggest_difficulty"]
    assert suggested == [[64]]
    assert type(suggested[0][0]) is int
    assert miner.difficulty == 32  # two shares a second


def test_a_connection_that_is_dialled_anew_asks_for_what_the_miner_worked_at() -> None:
    world = World({"A": 8}, difficulty=64)
    miner = world.miner()
    world.advance(2)
    first = world.pools["A"].live()[-1]
    assert first.received[0]["params"][0] == ["version-rolling"]
    miner.submit()
    world.advance(1)
    world.pools["A"].drop()
    world.advance(5)
    again = world.pools["A"].live()[-1]
    assert again is not first
    extensions, options = again.received[0]["params"]
    assert extensions == ["version-rolling", "minimum-difficulty"]
    assert options["minimum-difficulty.value"] >= 1
    assert type(options["minimum-difficulty.value"]) is int
    assert [m["params"][0] for m in again.received if m["method"] == "mining.suggest_difficulty"] == [
        options["minimum-difficulty.value"]
    ]
