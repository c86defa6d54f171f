"""Each kind of bad share is refused for its own reason, in the words and shape of the pool's software."""

from collections.abc import Callable

import pytest

from proxy.simulator.dialect import CKPOOL, MININGCORE, PLAIN, Dialect, ErrorShape
from proxy.simulator.miner import SimMiner
from proxy.simulator.profiles import CPUMINER, ESP_MINER
from proxy.simulator.shares import Refusal
from tests.simulator.conftest import StartMiner, StartPool

Spoil = Callable[[list[str]], list[str]]


def changed(place: int, value: str) -> Spoil:
    return lambda params: [*params[:place], value, *params[place + 1 :]]


BAD: dict[str, tuple[Spoil, int, Refusal]] = {
    "four parameters": (lambda params: params[:4], 20, Refusal.BAD_PARAMS),
    "a nonce that is not hex": (changed(4, "xyz"), 20, Refusal.BAD_PARAMS),
    "a nonce of nine digits": (changed(4, "000000000"), 20, Refusal.BAD_PARAMS),
    "another worker": (changed(0, "somebody.else"), 24, Refusal.UNAUTHORIZED),
    "an unknown job": (changed(1, "ffff"), 21, Refusal.UNKNOWN_JOB),
    "a short extranonce2": (changed(2, "00"), 20, Refusal.EXTRANONCE),
    "a long extranonce2": (changed(2, "00" * 9), 20, Refusal.EXTRANONCE),
    "an ntime before the job": (changed(3, "00000001"), 20, Refusal.NTIME),
    "an ntime far ahead": (changed(3, "ffffffff"), 20, Refusal.NTIME),
    "bits outside the mask": (changed(5, "00000001"), 20, Refusal.VERSION),
}


async def at_work(start_miner: StartMiner, pool: object, profile: object = ESP_MINER) -> SimMiner:
    miner = await start_miner(pool, profile)
    await miner.until(lambda m: m.in_work)
    return miner


@pytest.mark.parametrize("case", BAD)
async def test_bad_share_is_refused(case: str, start_pool: StartPool, start_miner: StartMiner) -> None:
    spoil, code, reason = BAD[case]
    pool = await start_pool()
    miner = await at_work(start_miner, pool)
    good = miner.find_share().params(miner.user)
    answer = await miner.submit_raw(spoil(good))
    assert answer.error is not None
    assert answer.error.code == code
    assert pool.shares[-1].refusal is reason
    assert (await miner.submit_raw(good)).error is None


async def test_same_share_twice_is_a_duplicate(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await at_work(start_miner, pool)
    good = miner.find_share().params(miner.user)
    await miner.submit_raw(good)
    answer = await miner.submit_raw(good)
    assert answer.error is not None
    assert answer.error.code == 22
    assert pool.rejected == {Refusal.DUPLICATE: 1}


async def test_share_below_its_jobs_difficulty_is_refused_with_its_true_difficulty(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(difficulty=1000.0)
    miner = await at_work(start_miner, pool)
    answer = await miner.submit_raw(miner.find_share(0.5).params(miner.user))
    assert answer.error is not None
    assert answer.error.code == 23
    assert pool.shares[-1].true_difficulty >= 0.5


async def test_share_of_the_block_before_is_stale(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool()
    miner = await at_work(start_miner, pool)
    good = miner.find_share().params(miner.user)
    pool.new_block()
    answer = await miner.submit_raw(good)
    assert answer.error is not None
    assert answer.error.code == 21
    assert pool.rejected == {Refusal.STALE: 1}


async def test_share_of_an_older_job_is_judged_at_that_jobs_difficulty(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool()
    miner = await at_work(start_miner, pool, CPUMINER)
    easy = miner.find_share().params(miner.user)
    pool.raise_difficulty(1e6)
    pool.refresh()
    await miner.until(lambda m: m.jobs_received == 2)
    assert (await miner.submit_raw(easy)).error is None
    assert miner.wire is not None
    assert miner.wire.difficulty == 1e6


async def test_share_before_authorize_is_refused(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(authorize_delay_s=3600.0)
    miner = await start_miner(pool)
    await miner.until(lambda m: m.wire is not None and m.wire.subscription is not None)
    answer = await miner.submit_raw([miner.user, "1", "00" * 8, "00000000", "00000000"])
    assert answer.error is not None
    assert answer.error.code == 24


async def test_mining_core_calls_shares_that_differ_in_version_bits_only_duplicates(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=MININGCORE, difficulty=1e-9)
    miner = await at_work(start_miner, pool)
    good = miner.find_share().params(miner.user)
    assert (await miner.submit_raw(good)).error is None
    answer = await miner.submit_raw(changed(5, "00002000")(good))
    assert answer.error is not None
    assert "Duplicate" in answer.error.text


async def test_ckpool_pads_a_short_extranonce2(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(dialect=CKPOOL)
    miner = await at_work(start_miner, pool)
    good = miner.find_share().params(miner.user)
    assert (await miner.submit_raw(changed(2, good[2][:4])(good))).error is None


@pytest.mark.parametrize("shape", ErrorShape)
async def test_refusal_is_understood_in_every_shape(
    shape: ErrorShape, start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=Dialect(error_shape=shape))
    miner = await at_work(start_miner, pool)
    answer = await miner.submit_raw(changed(1, "ffff")(miner.find_share().params(miner.user)))
    assert answer.error is not None
    assert answer.error.text == "Job not found"


async def test_mask_in_force_now_and_mask_of_the_job_are_both_good(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=PLAIN, difficulty=1e-9, version_mask=0x1FFFE000)
    miner = await at_work(start_miner, pool)
    good = miner.find_share().params(miner.user)
    pool.set_version_mask(0x00FF0000)
    assert (await miner.submit_raw(changed(5, "10000000")(good))).error is None
    pool.refresh()
    await miner.until(lambda m: m.jobs_received == 2)
    later = f"{int(good[3], 16) + 60:08x}"  # the new job's time may be a second later than the old one's
    late = changed(3, later)(changed(1, pool.job_id)(good))
    answer = await miner.submit_raw(changed(5, "10000000")(late))
    assert answer.error is not None
    assert pool.rejected == {Refusal.VERSION: 1}
