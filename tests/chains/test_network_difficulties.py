"""A pool's nbits take no floor away that the chain's own difficulty leaves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.chains.network_difficulties import (
    CALM_S,
    FORGET_BLOCKS,
    FORGET_S,
    LEAST_OF_CHAIN,
    MAX_BELIEVED,
    MAX_POOLS,
    NetworkDifficulties,
)
from proxy.observe.events import (
    BlockCandidate,
    ConnectionTipChanged,
    EventStream,
    NetworkDifficultyDoubted,
    ShareResult,
)
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.stratum.difficulty import network_difficulty, target_of_nbits
from proxy.types import HASHES_PER_DIFFICULTY, Chain, ConnectionId, PoolKey, Verdict
from tests.support.world import ScriptedPool, World

HARD, EASY_NBITS = 0x17000FFF, 0x1800FFFF
"""Both are possible on Bitcoin: 4.5e15 and 1.1e12."""
REGTEST = 0x207FFFFF


class Trial:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.events = EventStream()
        self.known = NetworkDifficulties(clock=self.clock, events=self.events)
        self.blocks = 0

    def say(
        self, pool: str, nbits: int, chain: Chain = Chain.BTC, *, new_block: bool = True, carries_work: bool = True
    ) -> float:
        """A pool names ``nbits`` on top of a block that was hard to find, or easy; what is believed of it."""
        self.blocks += new_block
        self.events.emit(
            ConnectionTipChanged(
                pool=PoolKey(pool),
                connection=ConnectionId(1),
                chain=chain,
                height=0,
                prevhash=self.blocks.to_bytes(32, "little" if carries_work else "big"),
                nbits=nbits,
                session=None,
            )
        )
        return self.known.believe(chain, nbits).credible


def test_with_nothing_to_compare_with_the_pools_word_counts() -> None:
    trial = Trial()
    assert trial.say("A", EASY_NBITS) == network_difficulty(EASY_NBITS)
    assert trial.say("A", HARD) == network_difficulty(HARD)


@pytest.mark.parametrize("pools", ["AA", "AB"])
def test_a_difficulty_far_below_what_is_known_of_the_chain_is_not_believed(pools: str) -> None:
    trial = Trial()
    trial.say(pools[0], HARD)
    for _ in range(100):
        assert trial.say(pools[1], EASY_NBITS) == network_difficulty(HARD)


def test_a_pool_cannot_walk_down_in_small_steps() -> None:
    trial = Trial()
    trial.say("B", HARD)
    for exponent in range(0x17, 0x20):
        for mantissa in (0x000FFF, 0x002FFF, 0x008FFF, 0x01FFFF, 0x07FFFF):
            assert trial.say("A", exponent << 24 | mantissa) * 4 >= network_difficulty(HARD)


@pytest.mark.parametrize("chain", LEAST_OF_CHAIN)
def test_no_pool_is_believed_a_difficulty_that_its_chain_has_not_had_for_years(chain: Chain) -> None:
    trial = Trial()
    assert trial.say("A", REGTEST, chain) == LEAST_OF_CHAIN[chain]
    assert trial.known.believe(chain, REGTEST).block_target < target_of_nbits(0x1C000FFF)


def test_a_regtest_pool_is_believed_where_its_setting_says_another_chain() -> None:
    trial = Trial()
    assert trial.say("A", REGTEST, Chain.OTHER) == network_difficulty(REGTEST)
    assert trial.known.believe(Chain.OTHER, REGTEST).block_target == target_of_nbits(REGTEST)


def test_a_block_is_what_reaches_the_chains_difficulty_whatever_the_pool_says() -> None:
    trial = Trial()
    trial.say("A", HARD)
    assert trial.known.believe(Chain.BTC, HARD).block_target == target_of_nbits(HARD)
    assert trial.known.believe(Chain.BTC, REGTEST).block_target == pytest.approx(target_of_nbits(HARD), rel=1e-9)
    assert trial.known.believe(Chain.BTC, 0x17FF0000).block_target == 0, "no consensus allows it, so nothing solves it"


def test_a_pool_that_names_too_high_a_difficulty_takes_no_blocks_from_the_others() -> None:
    trial = Trial()
    trial.say("A", HARD)
    trial.say("B", 0x10000FFF, carries_work=False)
    assert trial.say("A", HARD) == network_difficulty(HARD)
    assert trial.known.believe(Chain.BTC, HARD).block_target == target_of_nbits(HARD)
    assert not trial.known.doubts


def test_a_lie_is_told_once_and_its_end_once_however_often_the_pool_alternates() -> None:
    trial = Trial()
    heard: list[NetworkDifficultyDoubted] = []
    trial.events.subscribe(NetworkDifficultyDoubted, heard.append)
    trial.say("A", HARD)
    for _ in range(50):
        trial.clock.advance(1)
        trial.say("A", REGTEST)
        trial.say("A", HARD)
    assert [(each.pool, each.known, each.cleared) for each in heard] == [("A", network_difficulty(HARD), False)]
    trial.clock.advance(CALM_S)
    trial.say("A", HARD)
    assert [each.cleared for each in heard] == [False, True]
    assert not trial.known.doubts


def test_the_doubts_are_bounded() -> None:
    trial = Trial()
    for number in range(3 * MAX_POOLS):
        trial.say(f"P{number}", REGTEST)
    assert len(trial.known.doubts) == MAX_POOLS


def test_a_pool_whose_chain_is_set_to_another_is_doubted_no_more() -> None:
    trial = Trial()
    trial.say("A", REGTEST)
    trial.say("A", REGTEST, Chain.OTHER)
    assert not trial.known.doubts


def test_another_chain_has_its_own() -> None:
    trial = Trial()
    trial.say("A", HARD)
    assert trial.say("B", EASY_NBITS, Chain.BCH) == network_difficulty(EASY_NBITS)


def test_a_chain_of_which_nothing_is_known_is_left_to_its_pools() -> None:
    """A test chain is one of these: its difficulty falls to 1 and back from block to block."""
    trial = Trial()
    trial.say("A", HARD, Chain.OTHER)
    assert trial.say("A", EASY_NBITS, Chain.OTHER) == network_difficulty(EASY_NBITS)


def test_a_fall_that_all_pools_of_the_chain_name_is_believed_at_once() -> None:
    trial = Trial()
    trial.say("A", HARD)
    trial.say("B", HARD)
    assert trial.say("A", EASY_NBITS) == network_difficulty(HARD)
    assert trial.say("B", EASY_NBITS, new_block=False) == network_difficulty(EASY_NBITS)
    assert trial.known.believe(Chain.BTC, EASY_NBITS).credible == network_difficulty(EASY_NBITS)


def test_a_fall_that_the_only_pool_names_is_believed_after_some_blocks() -> None:
    trial = Trial()
    trial.say("A", HARD)
    for _ in range(FORGET_BLOCKS):
        trial.clock.advance(FORGET_S / FORGET_BLOCKS)
        assert trial.say("A", EASY_NBITS) == network_difficulty(HARD)
    assert trial.say("A", EASY_NBITS) == network_difficulty(EASY_NBITS)


def test_a_pool_that_is_heard_no_more_does_not_hold_the_difficulty_for_good() -> None:
    trial = Trial()
    trial.say("B", HARD)
    for _ in range(FORGET_BLOCKS + 1):
        trial.clock.advance(FORGET_S)
        believed = trial.say("A", EASY_NBITS)
    assert believed == network_difficulty(EASY_NBITS)


def test_an_honest_pool_keeps_what_is_known_however_long_another_lies() -> None:
    trial = Trial()
    for _ in range(50):
        trial.clock.advance(FORGET_S / 2)
        trial.say("B", HARD)
        assert trial.say("A", EASY_NBITS, new_block=False) == network_difficulty(HARD)


def test_a_target_that_no_consensus_allows_is_not_remembered() -> None:
    trial = Trial()
    trial.say("A", 0xFF123456)
    assert trial.say("B", HARD) == network_difficulty(HARD)


def test_the_words_of_a_bounded_number_of_pools_are_kept() -> None:
    trial = Trial()
    for number in range(3 * MAX_POOLS):
        trial.say(f"P{number}", HARD)
    assert len(trial.known._chains[Chain.BTC].words) == MAX_POOLS


def work_carrying(world: World) -> None:
    """Let the pools' jobs build on blocks that were as hard to find as real ones."""

    def hard(pool: ScriptedPool, make: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def job(*, clean: bool, job_id: str | None = None) -> list[Any]:
            ident, _, *rest = make(clean=clean, job_id=job_id)
            return [ident, f"{pool.height:08x}" * 2 + "00000000" * 6, *rest]

        return job

    for pool in world.pools.values():
        pool.job = hard(pool, pool.job)  # type: ignore[method-assign]


@pytest.mark.parametrize("pools", [{"A": 8}, {"A": 8, "B": 8}])
def test_a_pool_cannot_take_the_operators_floor_away_by_its_nbits(pools: dict[str, int]) -> None:
    world = World(pools=pools, weights={key: 99.0 if key == "A" else 1.0 for key in pools})
    floors = {key: replace(each, min_difficulty=1000.0) for key, each in world.config.pools.items()}
    world.engine.apply(replace(world.config, revision=2, pools=floors))
    work_carrying(world)
    for pool in world.pools.values():
        pool.nbits, pool.difficulty = "17000fff", 5000.0
    miner = world.miner()
    world.advance(30)
    liar = world.pools["A"]
    liar.nbits = "220fffff"
    liar.push("mining.set_difficulty", [0.000001])
    liar.notify(clean=True)
    world.advance(1)
    assert miner.session.current == "A"
    assert miner.difficulty == 1000.0


@pytest.mark.no_cover
def test_a_main_chain_pool_that_calls_each_share_a_block_makes_none() -> None:
    """Each hash is made a share by the pool's difficulty, and half of them blocks by its nbits."""
    world = World(pools={"A": 8}, difficulty=2.0**-32, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
    world.pools["A"].nbits = "207fffff"
    miner = world.miner()
    world.advance(5)
    for nonce in range(400):
        miner.submit(nonce=f"{nonce:08x}")
        world.advance(0.01)
    world.advance(1)
    verdicts = [result.verdict for result in world.events_of(ShareResult)]
    assert verdicts == [Verdict.ACCEPTED] * 400, "its shares go up all the same"
    assert world.events_of(BlockCandidate) == []
    [doubt] = world.events_of(NetworkDifficultyDoubted)
    assert (doubt.pool, doubt.known) == ("A", LEAST_OF_CHAIN[Chain.BTC])


def test_what_was_believed_is_worked_out_anew_once_more_is_known() -> None:
    trial = Trial()
    assert trial.say("A", EASY_NBITS) == network_difficulty(EASY_NBITS)
    for nbits in range(0x1C000001, 0x1C000001 + 2 * MAX_BELIEVED):
        trial.known.believe(Chain.BTC, nbits)
    assert trial.say("B", HARD) == network_difficulty(HARD)
    assert trial.known.believe(Chain.BTC, EASY_NBITS).credible == network_difficulty(HARD)
