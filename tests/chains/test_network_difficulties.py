"""A pool's nbits take no floor away that the chain's own difficulty leaves."""

from dataclasses import replace

import pytest

from proxy.chains.network_difficulties import FORGET_BLOCKS, FORGET_S, MAX_POOLS, NetworkDifficulties
from proxy.observe.events import ConnectionTipChanged, EventStream
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.stratum.difficulty import network_difficulty
from proxy.types import Chain, ConnectionId, PoolKey
from tests.support.world import World

HARD, LESS, EASY_NBITS = 0x17000FFF, 0x17001FFF, 0x220FFFFF


class Trial:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.events = EventStream()
        self.known = NetworkDifficulties(clock=self.clock, events=self.events)
        self.blocks = 0

    def say(self, pool: str, nbits: int, chain: Chain = Chain.BTC, *, new_block: bool = True) -> float:
        """A pool names ``nbits``; what is believed of it."""
        self.blocks += new_block
        self.events.emit(
            ConnectionTipChanged(
                pool=PoolKey(pool),
                connection=ConnectionId(1),
                chain=chain,
                height=0,
                prevhash=self.blocks.to_bytes(32, "big"),
                nbits=nbits,
                session=None,
            )
        )
        return self.known.credible(chain, nbits)


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
    assert trial.known.credible(Chain.BTC, EASY_NBITS) == network_difficulty(EASY_NBITS)


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


@pytest.mark.parametrize("pools", [{"A": 8}, {"A": 8, "B": 8}])
def test_a_pool_cannot_take_the_operators_floor_away_by_its_nbits(pools: dict[str, int]) -> None:
    world = World(pools=pools, weights={key: 99.0 if key == "A" else 1.0 for key in pools})
    floors = {key: replace(each, min_difficulty=1000.0) for key, each in world.config.pools.items()}
    world.engine.apply(replace(world.config, revision=2, pools=floors))
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
