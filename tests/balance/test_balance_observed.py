"""Heights, counts and rates from job streams as they come: gaps, reorganisations, pools that disagree, odd clocks."""

from dataclasses import replace

import pytest

from proxy.balance.observed import KEPT_BLOCKS, ObservedBlock, Observer
from proxy.balance.readings import hash_rate
from proxy.chains.subsidy import COIN
from proxy.stratum.difficulty import network_difficulty
from proxy.types import HASHES_PER_DIFFICULTY, Chain
from tests.balance.balance_cast import BTC_BITS, job
from tests.support.clock import VirtualClock

HEIGHT = 900_000
EXPECTED = network_difficulty(BTC_BITS) * HASHES_PER_DIFFICULTY / 600.0


class Stream:
    """An observer and the clock its jobs come by."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.observer = Observer(clock=self.clock)

    def tell(self, height: int, after_s: float = 0.0, **fields: object) -> None:
        self.clock.advance(after_s)
        self.observer.observe(job(Chain.BTC, height, **fields))

    def tell_steadily(self, first: int, last: int, every_s: float = 600.0, **fields: object) -> None:
        for height in range(first, last + 1):
            self.tell(height, every_s, **fields)

    @property
    def heights(self) -> list[int]:
        return [block.height for block in self.observer.blocks(Chain.BTC)]

    def reading(self, short: int = 6, long: int = 72):
        return self.observer.reading(Chain.BTC, short, long)


@pytest.fixture
def stream():
    return Stream()


def test_steady_blocks_give_height_difficulty_and_rate(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 80)
    reading = stream.reading()
    assert reading.height == HEIGHT + 80
    assert reading.difficulty == pytest.approx(network_difficulty(BTC_BITS))
    assert (reading.short.blocks, reading.long.blocks) == (6, 72)
    assert hash_rate(reading.short) == pytest.approx(EXPECTED)
    assert hash_rate(reading.long) == pytest.approx(EXPECTED)


def test_a_block_counts_when_the_first_pool_announces_it(stream):
    stream.tell(HEIGHT, pool="A")
    stream.tell(HEIGHT + 1, 600, pool="A")
    stream.tell(HEIGHT + 1, 30, pool="C")
    stream.tell(HEIGHT + 2, 570, pool="C")
    stream.tell(HEIGHT + 2, 5, pool="A")
    times = [block.announced_at for block in stream.observer.blocks(Chain.BTC)]
    assert [later - times[0] for later in times] == [0, 600, 1200]


def test_more_jobs_on_the_same_block_change_nothing(stream):
    stream.tell(HEIGHT)
    for _ in range(50):
        stream.tell(HEIGHT, 30)
    stream.tell(HEIGHT + 1, 0)
    assert stream.heights == [HEIGHT, HEIGHT + 1]


def test_blocks_missed_while_no_pool_was_reachable_are_counted(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 40)
    stream.tell(HEIGHT + 52, 12 * 600.0)
    stream.tell_steadily(HEIGHT + 53, HEIGHT + 80)
    reading = stream.reading()
    assert reading.long.blocks == 72
    assert hash_rate(reading.long) == pytest.approx(EXPECTED)


def test_a_gap_at_the_tip_makes_the_short_window_longer_rather_than_wrong(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 75)
    stream.tell(HEIGHT + 95, 20 * 600.0)
    assert stream.reading().short.blocks == 20
    assert hash_rate(stream.reading().short) == pytest.approx(EXPECTED)


def test_a_reorganisation_at_the_same_height_is_no_new_block(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 10)
    stream.tell(HEIGHT + 10, 20, fork=1)
    stream.tell(HEIGHT + 11, 580, fork=1)
    assert stream.heights == list(range(HEIGHT, HEIGHT + 12))
    assert hash_rate(stream.reading(2, 8).long) == pytest.approx(EXPECTED)


def test_a_pool_that_is_behind_is_not_counted_and_catches_up(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 10, pool="A")
    stream.tell(HEIGHT + 9, 10, pool="C")
    stream.tell(HEIGHT + 10, 10, pool="C")
    stream.tell(HEIGHT + 11, 580, pool="C")
    assert stream.heights == list(range(HEIGHT, HEIGHT + 12))


def test_pools_on_different_tips_do_not_make_blocks_by_taking_turns(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 5, pool="A")
    for _ in range(30):
        stream.tell(HEIGHT + 5, 10, pool="C", fork=1)
        stream.tell(HEIGHT + 5, 10, pool="A")
    assert stream.heights == list(range(HEIGHT, HEIGHT + 6))


def test_a_height_that_cannot_be_true_yet_is_not_believed(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 10, pool="A")
    stream.tell(HEIGHT + 100_000, 60, pool="C")
    stream.tell(HEIGHT + 11, 540, pool="A")
    stream.tell(HEIGHT + 100_001, 60, pool="C")
    stream.tell(HEIGHT + 12, 540, pool="A")
    stream.tell(HEIGHT + 100_002, 60, pool="C")
    assert stream.heights == list(range(HEIGHT, HEIGHT + 13))


def test_three_blocks_in_a_row_elsewhere_correct_an_untrue_first_height(stream):
    stream.tell(HEIGHT + 100_000, pool="C")
    stream.tell_steadily(HEIGHT, HEIGHT + 12, pool="A")
    assert stream.heights[-1] == HEIGHT + 12
    assert HEIGHT + 100_000 not in stream.heights
    assert stream.observer.take_void() == {Chain.BTC}
    assert all(block.height < HEIGHT + 100 for block in stream.observer.take_new())


def test_job_times_that_run_backwards_do_not_matter(stream):
    for number in range(80):
        stream.tell(HEIGHT + number, 600, ntime=2_000_000_000 - number * 5_000)
    assert hash_rate(stream.reading().long) == pytest.approx(EXPECTED)


def test_a_wall_clock_that_jumps_moves_no_block(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 40)
    stream.clock.set_wall(stream.clock.wall() - 86_400)
    stream.tell_steadily(HEIGHT + 41, HEIGHT + 80)
    assert hash_rate(stream.reading().long) == pytest.approx(EXPECTED)


def test_a_job_that_is_no_coinbase_is_survived(stream):
    stream.tell(HEIGHT)
    for garbage in (b"", b"\0" * 50, bytes(range(200)), b"\xff" * 300):
        stream.observer.observe(
            replace(job(Chain.BTC, HEIGHT + 1, fork=len(garbage)), coinbase1=garbage, coinbase2=garbage)
        )
    assert stream.heights == [HEIGHT]


def test_a_job_whose_height_cannot_be_read_is_named_as_the_problem():
    stream = Stream()
    stream.observer.observe(replace(job(Chain.BTC, HEIGHT), coinbase1=b"\1"))
    assert "do not tell the block's height" in stream.observer.problem(Chain.BTC)
    assert "No pool has sent a job" in stream.observer.problem(Chain.BCH)


def test_an_impossible_difficulty_is_not_taken(stream):
    stream.tell(HEIGHT, bits=0)
    stream.tell(HEIGHT, fork=1, bits=0x1D80FFFF)
    assert stream.heights == []


def test_a_retarget_inside_the_window_is_no_change_of_the_hash_rate(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 40)
    doubled = 0x17010000
    stream.tell_steadily(HEIGHT + 41, HEIGHT + 80, bits=doubled, every_s=600.0)
    reading = stream.reading(6, 72)
    assert network_difficulty(doubled) == pytest.approx(2 * network_difficulty(BTC_BITS))
    assert hash_rate(reading.short) == pytest.approx(2 * EXPECTED)


def test_stored_blocks_keep_the_windows_over_a_restart(stream):
    stream.tell_steadily(HEIGHT, HEIGHT + 70)
    stored = stream.observer.take_new()
    again = Stream()
    again.clock.set_wall(stream.clock.wall() + 1_200)
    again.observer = Observer(clock=again.clock)
    again.observer.restore(reversed(stored))
    again.tell(HEIGHT + 72)
    assert hash_rate(again.reading().long) == pytest.approx(EXPECTED)
    assert again.reading().long.blocks == 72


@pytest.mark.parametrize("jump_s", [-86_400.0, 365 * 86_400.0])
def test_a_clock_that_was_wrong_over_a_restart_costs_the_history_not_the_truth(stream, jump_s):
    stream.tell_steadily(HEIGHT, HEIGHT + 20)
    again = Stream()
    again.clock.set_wall(stream.clock.wall() + jump_s)
    again.observer = Observer(clock=again.clock)
    again.observer.restore(stream.observer.take_new())
    again.tell_steadily(HEIGHT + 21, HEIGHT + 30)
    assert hash_rate(again.reading(2, 8).long) == pytest.approx(EXPECTED)


def test_stored_nonsense_is_left_out_at_a_restart():
    stream = Stream()
    good = ObservedBlock(chain=Chain.BTC, height=10, announced_at=100.0, difficulty=5.0, prevhash=b"a" * 32)
    bad = ObservedBlock(chain=Chain.BTC, height=11, announced_at=200.0, difficulty=float("nan"), prevhash=b"b" * 32)
    backwards = ObservedBlock(chain=Chain.BTC, height=12, announced_at=50.0, difficulty=5.0, prevhash=b"c" * 32)
    stream.observer.restore([backwards, bad, good])
    assert stream.heights == [10]


def test_digibyte_tells_its_hash_rate_by_its_difficulty_alone():
    """Five algorithms find blocks: block times of all of them must not matter."""
    clock = VirtualClock()
    observer = Observer(clock=clock)
    for number in range(500):
        clock.advance(1.0 if number % 7 else 300.0)
        observer.observe(job(Chain.DGB, HEIGHT + number, bits=0x1900FFFF))
    reading = observer.reading(Chain.DGB, 6, 72)
    expected = network_difficulty(0x1900FFFF) * HASHES_PER_DIFFICULTY / 75.0
    assert hash_rate(reading.short) == pytest.approx(expected)
    assert hash_rate(reading.long) == pytest.approx(expected)
    assert reading.short.blocks == 6


def test_fees_are_the_median_of_what_coinbases_pay_above_the_subsidy(stream):
    for number, fee in enumerate([COIN // 10, COIN // 5, 400 * COIN, COIN // 5]):
        stream.tell(HEIGHT + number, 600, reward=312_500_000 + fee)
    assert stream.reading().fee == pytest.approx(0.2)


def test_an_empty_first_job_does_not_hide_the_fees_of_the_next(stream):
    stream.tell(HEIGHT, reward=312_500_000)
    stream.tell(HEIGHT, 30, reward=312_500_000 + COIN // 4)
    assert stream.reading().fee == pytest.approx(0.25)
    assert stream.observer.take_new()[-1].reward == 312_500_000 + COIN // 4


def test_chains_without_known_rules_are_not_observed():
    stream = Stream()
    stream.observer.observe(job(Chain.OTHER, HEIGHT))
    assert stream.observer.blocks(Chain.OTHER) == ()
    assert stream.observer.reading(Chain.OTHER, 6, 72) is None


@pytest.mark.no_cover
def test_history_is_bounded_even_if_nobody_stores_it():
    stream = Stream()
    stream.tell_steadily(1, KEPT_BLOCKS[Chain.BTC] + 500)
    assert len(stream.observer.blocks(Chain.BTC)) == KEPT_BLOCKS[Chain.BTC]
    assert len(stream.observer.take_new()) <= sum(KEPT_BLOCKS.values())
    assert stream.observer.take_new() == []


def test_what_nobody_stores_is_kept_up_to_a_bound_the_newest(monkeypatch):
    monkeypatch.setattr("proxy.balance.observed.KEPT_BLOCKS", {Chain.BTC: 5})
    stream = Stream()
    stream.tell_steadily(HEIGHT, HEIGHT + 20)
    assert [block.height for block in stream.observer.take_new()] == list(range(HEIGHT + 16, HEIGHT + 21))
