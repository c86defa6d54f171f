"""What the chains look like from the pools' jobs."""

import pytest

from proxy.chains.chain_key import chain_key
from proxy.chains.chain_observer import ALARM_DELAY_S, STEP_BACK_S, ChainObserver
from proxy.observe.events import ChainSplit, EventStream, NewBlockSeen, PoolBehind, PoolDisconnected
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, ConnectionId, PoolKey
from tests.support.shares import A, B, Heard, notify

C = PoolKey("C")


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def events():
    return EventStream()


@pytest.fixture
def heard(events):
    return Heard(events, NewBlockSeen, PoolBehind)


@pytest.fixture
def chain(clock, events, heard):
    return ChainObserver(clock=clock, events=events)


def block(number):
    return bytes([number]) * 32


def lost(pool, connection):
    return PoolDisconnected(pool=pool, connection=ConnectionId(connection), reason="gone", wanted=False)


def test_the_first_to_announce_and_the_delay_of_the_others_are_known(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    clock.advance(0.25)
    events.emit(notify(B, block(1), connection=2))
    clock.advance(600)
    events.emit(notify(B, block(2), connection=2, height=840_001))
    clock.advance(0.08)
    events.emit(notify(A, block(2), connection=1, height=840_001))
    assert [(seen.pool, seen.height, round(seen.behind_s, 3)) for seen in heard.of(NewBlockSeen)] == [
        (A, 839_999, 0),
        (B, 839_999, 0.25),
        (B, 840_000, 0),
        (A, 840_000, 0.08),
    ]
    assert chain.pool(B).height == 840_000
    assert chain.pool(A).behind_s == pytest.approx(0.08)
    assert heard.of(PoolBehind) == []


def test_every_connection_repeats_the_job_and_the_block_is_told_once(chain, events, heard):
    for connection in range(50):
        events.emit(notify(A, block(1), connection=connection))
        events.emit(notify(A, block(1), connection=connection, clean=False))
    assert len(heard.all) == 1


def test_a_pool_that_stays_behind_is_told_of_and_cleared_when_it_catches_up(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(B, block(1), connection=2))
    clock.advance(100)
    events.emit(notify(A, block(2), connection=1, height=840_001))
    clock.advance(ALARM_DELAY_S - 1)
    assert heard.of(PoolBehind) == []
    clock.advance(2)
    [alarm] = heard.of(PoolBehind)
    assert (alarm.pool, alarm.cleared) == (B, False)
    assert "839999" in alarm.detail and "840000" in alarm.detail
    assert alarm.detail == f"{chain.pool(B).problem} for 45 s"
    events.emit(notify(B, block(2), connection=2, height=840_001))
    assert heard.of(PoolBehind)[-1].cleared is True
    assert chain.pool(B).problem == ""


def test_a_pool_on_another_block_of_the_same_height_is_told_of(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(B, block(9), connection=2))
    clock.advance(ALARM_DELAY_S + 1)
    [alarm] = heard.of(PoolBehind)
    assert alarm.pool == B and "another block at height 839999" in alarm.detail


def test_blocks_that_follow_fast_raise_no_alarm(chain, clock, events, heard):
    for number in range(1, 60):
        events.emit(notify(A, block(number), connection=1, chain=Chain.DGB, height=20_000_000 + number))
        clock.advance(3)
        events.emit(notify(B, block(number), connection=2, chain=Chain.DGB, height=20_000_000 + number))
        clock.advance(12)
    assert heard.of(PoolBehind) == []


def test_a_pool_without_a_connection_is_compared_with_nobody(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(B, block(1), connection=2))
    events.emit(notify(B, block(1), connection=3))
    events.emit(lost(B, 2))
    assert chain.pool(B) is not None
    events.emit(lost(B, 3))
    assert chain.pool(B) is None
    events.emit(notify(A, block(2), connection=1, height=840_001))
    clock.advance(1000)
    assert heard.of(PoolBehind) == []


def test_losing_the_pool_that_was_ahead_clears_the_alarm(chain, clock, events, heard):
    events.emit(notify(A, block(2), connection=1, height=840_001))
    events.emit(notify(B, block(1), connection=2))
    clock.advance(ALARM_DELAY_S + 1)
    events.emit(lost(A, 1))
    assert [alarm.cleared for alarm in heard.of(PoolBehind)] == [False, True]


def test_one_connection_that_lags_does_not_take_its_pool_back(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(A, block(2), connection=1, height=840_001))
    clock.advance(10)
    events.emit(notify(A, block(1), connection=2))
    assert chain.pool(A).height == 840_000
    clock.advance(STEP_BACK_S)
    events.emit(notify(A, block(1), connection=2))
    assert chain.pool(A).height == 839_999


def test_a_reorganisation_is_followed(chain, clock, events, heard):
    for pool, connection in ((A, 1), (B, 2), (C, 3)):
        events.emit(notify(pool, block(1), connection=connection))
    events.emit(notify(B, block(7), connection=2, height=840_001))
    for pool, connection in ((A, 1), (C, 3)):
        events.emit(notify(pool, block(2), connection=connection, height=840_001))
    clock.advance(20)
    for pool, connection in ((A, 1), (B, 2), (C, 3)):
        events.emit(notify(pool, block(3), connection=connection, height=840_002))
    clock.advance(500)
    assert {chain.pool(pool).height for pool in (A, B, C)} == {840_001}
    assert heard.of(PoolBehind) == []


def probed(pool, prevhash, **more):
    return notify(pool, prevhash, connection=99, session=None, **more)


def test_a_probe_that_hears_of_the_block_does_not_end_the_alarm(chain, clock, events, heard):
    events.emit(notify(B, block(1), connection=2))
    events.emit(notify(A, block(2), connection=1, height=840_001))
    clock.advance(ALARM_DELAY_S + 1)
    for _ in range(5):
        events.emit(probed(B, block(2), height=840_001))
        events.emit(lost(B, 99))
        clock.advance(30)
    assert [alarm.cleared for alarm in heard.of(PoolBehind)] == [False]
    assert chain.pool(B).problem


def test_probes_of_a_pool_where_nobody_works_raise_and_end_no_alarm(chain, clock, events, heard):
    events.emit(notify(A, block(2), connection=1, height=840_001))
    for _ in range(5):
        events.emit(probed(B, block(1)))
        clock.advance(ALARM_DELAY_S + 1)
        events.emit(lost(B, 99))
        events.emit(probed(C, block(3), height=840_002))
        clock.advance(ALARM_DELAY_S + 1)
        events.emit(lost(C, 99))
    assert heard.of(PoolBehind) == []


def test_an_alarm_ends_when_the_pools_last_miner_leaves_although_a_probe_looks_at_it(chain, clock, events, heard):
    events.emit(notify(A, block(2), connection=1, height=840_001))
    events.emit(notify(B, block(1), connection=2))
    clock.advance(ALARM_DELAY_S + 1)
    events.emit(probed(B, block(1)))
    events.emit(lost(B, 2))
    assert [alarm.cleared for alarm in heard.of(PoolBehind)] == [False, True]
    clock.advance(600)
    events.emit(lost(B, 99))
    assert len(heard.of(PoolBehind)) == 2
    assert chain.pool(B) is None


def test_how_long_a_pool_has_been_behind_never_gets_shorter(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(B, block(1), connection=2))
    began = clock.wall()
    for number in range(2, 8):
        events.emit(notify(A, block(number), connection=1, height=840_000 + number))
        clock.advance(ALARM_DELAY_S + 20)
        assert chain.pool(B).problem_since == began
        assert f"at {839_999 + number}" in chain.pool(B).problem
    assert [alarm.cleared for alarm in heard.of(PoolBehind)] == [False]
    events.emit(notify(B, block(7), connection=2, height=840_007))
    assert chain.pool(B).problem_since == 0.0


def test_a_pool_that_stays_behind_on_a_fast_chain_is_told_of_too(chain, clock, events, heard):
    events.emit(notify(B, block(1), connection=2, chain=Chain.DGB, height=20_000_001))
    for number in range(1, 10):
        events.emit(notify(A, block(number), connection=1, chain=Chain.DGB, height=20_000_000 + number))
        clock.advance(15)
    [alarm] = heard.of(PoolBehind)
    assert (alarm.pool, alarm.cleared) == (B, False)


def test_pools_of_other_chains_are_not_compared(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1, chain=Chain.OTHER))
    events.emit(notify(B, block(2), connection=2, chain=Chain.OTHER, height=5))
    events.emit(notify(C, block(3), connection=3, chain=Chain.BCH))
    clock.advance(1000)
    assert heard.of(PoolBehind) == []
    assert chain.pool(A).behind_s is None


def test_the_difficulty_is_that_of_nbits(chain, events):
    events.emit(notify(A, block(1), nbits=0x1D00FFFF))
    assert chain.pool(A).network_difficulty == 1.0
    events.emit(notify(A, block(2), nbits=0x1B0404CB, height=840_001))
    assert chain.pool(A).network_difficulty == pytest.approx(16307.420938523983, rel=1e-12)
    assert chain.pool(B) is None


def test_garbage_for_a_coinbase_costs_only_the_height(chain, events, heard):
    events.emit(notify(A, block(1), parts=(b"\xff" * 60, b"")))
    assert chain.pool(A).height == 0
    assert heard.of(NewBlockSeen)[0].height == 0


def test_tips_are_bounded_whatever_a_pool_invents(chain, clock, events):
    for number in range(3000):
        events.emit(notify(A, number.to_bytes(32, "big"), height=17 + number))
    assert len(chain._chains[chain_key(Chain.BTC, A)].blocks) == 64


def test_pools_on_two_branches_of_a_split_chain_are_not_called_late(chain, clock, events, heard):
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(B, block(2), connection=2))
    clock.advance(ALARM_DELAY_S + 1)
    assert len(heard.of(PoolBehind)) == 1
    split = ChainSplit(chain=Chain.BTC, height=839_999, sides=("A", "B"), cleared=False)
    events.emit(split)
    events.emit(notify(A, block(3), connection=1, height=840_001))
    clock.advance(ALARM_DELAY_S + 1)
    assert [told.detail for told in heard.of(PoolBehind)[1:]] == ["its chain has split"]
    assert chain.splits() == (split,)
    events.emit(ChainSplit(chain=Chain.BTC, height=0, sides=(), cleared=True))
    clock.advance(ALARM_DELAY_S + 1)
    assert chain.splits() == ()
    assert heard.of(PoolBehind)[-1].cleared is False


def test_a_pool_whose_jobs_tell_no_height_is_told_of_without_one(chain, clock, events, heard):
    unreadable = (b"\1" * 8, b"")
    events.emit(notify(A, block(1), connection=1, parts=unreadable))
    events.emit(notify(B, block(1), connection=2, parts=unreadable))
    clock.advance(100)
    events.emit(notify(A, block(2), connection=1, parts=unreadable))
    clock.advance(ALARM_DELAY_S + 1)
    [alarm] = heard.of(PoolBehind)
    assert (alarm.pool, alarm.detail) == (B, "not on the newest block of its chain for 45 s")
