"""What is read of the past, and a whole trial over it."""

from datetime import UTC, datetime

import pytest

from proxy.config.snapshot import BalanceConfig, BalanceStrategy
from proxy.models.balance import ChainBlock
from proxy.models.history import ChainTip, ShareBucket
from proxy.money.facts import ChainFacts
from proxy.types import Chain
from proxy.whatif.past import SPANS_S, difficulties_at, read_past
from proxy.whatif.plan import Kind, Plan, changed
from proxy.whatif.replay import MOST_STEPS, MOST_WORKERS
from proxy.whatif.trial import Cancelled, compare, paced
from tests.whatif.test_replay import MIDNIGHT, A, B, config

NOW = MIDNIGHT + 86_400.0
TERA = 1e12
NBITS = 0x17053894


def shares(worker, pool, start, rate, step=600):
    ShareBucket.objects.create(step=step, start=start, worker=worker, pool=pool, work=rate * step / 2**32)


def tip(height, at, chain="BTC", pool="A", nbits=NBITS):
    ChainTip.objects.create(
        chain=chain,
        pool=pool,
        height=height,
        prevhash=f"{height:064x}",
        nbits=nbits,
        seen_at=datetime.fromtimestamp(at, UTC),
        behind_ms=0,
    )


@pytest.fixture
def day(db):
    """Six hours of two workers, three quarters of it on A; blocks of both chains."""
    for step in range(36):
        start = MIDNIGHT + 600 * step
        shares("one", "A", start, 90 * TERA)
        shares("two", "B", start, 30 * TERA)
        tip(900_000 + step, start)
        tip(800_000 + step, start, chain="BCH", pool="B")


def test_rates_of_workers_and_work_on_pools_are_those_of_the_shares(day):
    past = read_past("24h", NOW, 2**32)
    record = past.record
    assert (len(record.starts), record.step_s, past.workers) == (36, 600, 2)
    assert record.rates[0] == {"one": pytest.approx(90 * TERA), "two": pytest.approx(30 * TERA)}
    assert record.wholes[0] == pytest.approx(120 * TERA)
    assert past.hashes[0] == {A: pytest.approx(90 * TERA * 600), B: pytest.approx(30 * TERA * 600)}
    assert {block.chain for block in past.blocks} == {Chain.BTC, Chain.BCH}


def test_a_block_that_several_pools_announced_counts_once_from_the_first_on(day):
    tip(900_000, MIDNIGHT + 5, pool="C")
    ChainBlock.objects.create(
        chain="BTC", height=900_002, announced_at=MIDNIGHT + 601.0, difficulty=5e12, prevhash="ab" * 32, reward=7
    )
    blocks = {(block.chain, block.height): block for block in read_past("24h", NOW, 2**32).blocks}
    assert blocks[Chain.BTC, 900_001].announced_at == MIDNIGHT
    assert (blocks[Chain.BTC, 900_002].difficulty, blocks[Chain.BTC, 900_002].reward) == (5e12, 7)


def test_only_the_workers_with_the_most_work_are_replayed_and_all_count(db):
    for index in range(MOST_WORKERS + 5):
        shares(f"w{index}", "A", MIDNIGHT, TERA * (index + 1))
    past = read_past("24h", NOW, 2**32)
    assert len(past.record.rates[0]) == MOST_WORKERS and "w0" not in past.record.rates[0]
    assert past.workers == MOST_WORKERS + 5
    assert past.record.wholes[0] == pytest.approx(TERA * 65 * 66 / 2)


@pytest.mark.parametrize("span", SPANS_S)
def test_no_span_has_more_steps_than_are_allowed(span):
    length, step = SPANS_S[span]
    assert length <= 90 * 86_400 and length // step <= MOST_STEPS


def test_nothing_recorded_is_nothing_to_replay(db):
    past = read_past("90d", NOW, 2**32)
    assert past.record.starts == past.blocks == ()


def test_a_difficulty_counts_from_its_block_on(day):
    times = [MIDNIGHT - 100, MIDNIGHT, MIDNIGHT + 900]
    tip(900_001 + 100, MIDNIGHT + 600, nbits=0x1703A30C)
    line = difficulties_at(read_past("24h", NOW, 2**32).blocks, times)[Chain.BTC]
    assert line[0] == line[1] and len(line) == 3


def facts(reward):
    return ChainFacts(network_difficulty=1e14, height=900_000, fee_coins=None, reward_coins=reward, seen_at=NOW)


@pytest.mark.no_cover
def test_a_trial_compares_what_was_with_the_settings_of_now_and_others(day):
    past, told = read_past("24h", NOW, 2**32), []
    tried = changed(config(), Plan(kind=Kind.WEIGHTS, weights={A: 0.0, B: 1.0}))
    chains = {"BTC": facts(3.0), "BCH": facts(6.0)}
    found = compare(past, config(), tried, chains, {A: 50.0}, told.append)
    assert found.was.split == {A: pytest.approx(0.75), B: pytest.approx(0.25)}
    assert found.present.split[A] == pytest.approx(0.7, abs=0.03)
    assert found.tried.split[B] == 1.0
    assert found.was.switches is None and found.tried.switches == 0 and found.present.switches > 0
    # B pays four times as much for a hash: twice the reward, and A keeps half of it.
    was = found.was.coins[A] / 0.75
    assert found.tried.coins[B] == pytest.approx(4 * was)
    assert told[-1] == 1.0 and told == sorted(told)
    assert (found.workers, found.replayed_workers, found.simulated) == (2, 2, 1.0)


@pytest.mark.no_cover
def test_coins_of_a_chain_that_is_not_known_are_left_out(day):
    found = compare(read_past("24h", NOW, 2**32), config(), config(), {"BTC": facts(3.0)}, {}, lambda done: None)
    assert set(found.was.coins) == {A}


def test_auto_balance_of_then_decides_where_it_is_tried(day):
    balance = BalanceConfig(strategy=BalanceStrategy.VALUE_PER_HASH, significance=0.0)
    tried = changed(config(), Plan(kind=Kind.BALANCE, balance=balance))
    found = compare(read_past("24h", NOW, 2**32), config(), tried, {}, {}, lambda done: None)
    assert found.tried.split[A] == pytest.approx(1 / 3, abs=0.05), "BCH at 800,000 created twice as much as BTC"


def test_a_trial_ends_when_it_is_told_to_or_took_too_long(monkeypatch):
    rests, told = [], []

    def rest(seconds):
        rests.append(seconds)
        return len(rests) > 1

    progress = paced(rest, told.append)
    progress(0.1)
    with pytest.raises(Cancelled, match="cancelled"):
        progress(0.2)
    assert told == [0.1, 0.2] and all(0 <= seconds <= 0.25 for seconds in rests)
    monkeypatch.setattr("proxy.whatif.trial.MOST_S", -1.0)
    with pytest.raises(Cancelled, match="too long"):
        paced(lambda seconds: False, told.append)(0.3)
