"""What each pool software does that the others do not, as its source has it."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.simulator.chain import SimChain
from proxy.simulator.dialect import BTCPOOL, CKPOOL, DATUM, MININGCORE, PLAIN, PUBLIC_POOL, Dialect, LowBlock, Rebuild
from proxy.simulator.miner import SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import BRAIINS, CGMINER, CPUMINER, ESP_MINER, Profile
from proxy.simulator.share_check import rebuilt_version
from proxy.simulator.shares import Refusal
from proxy.simulator.vardiff import MININGCORE_VARDIFF, PUBLIC_POOL_VARDIFF, MeanWatch, Vardiff, watch_of
from proxy.stratum.codec import Response
from tests.simulator.conftest import StartMiner, StartPool

MASK = 0x1FFFE000
JOB = 0x20006000
"""A job's version with two bits inside the mask."""


async def at_work(start_miner: StartMiner, pool: SimPool, profile: Profile = CPUMINER, **settings: Any) -> SimMiner:
    miner = await start_miner(pool, profile, time_scale=0.01, **settings)
    await miner.until(lambda m: m.in_work)
    return miner


async def submitted(miner: SimMiner, **settings: Any) -> Response:
    return await miner.submit_raw(miner.find_share(**settings).params(miner.user))


# -- the version that was hashed


def test_each_software_rebuilds_the_version_in_its_own_way() -> None:
    added, reported = JOB | 0x8000, 0xC000
    assert rebuilt_version(JOB, MASK, 0x8000, Rebuild.OR) == added
    assert rebuilt_version(JOB, MASK, reported, Rebuild.OR) == JOB | 0xC000
    assert rebuilt_version(JOB, MASK, 0x8000, Rebuild.XOR) == added
    assert rebuilt_version(JOB, MASK, reported, Rebuild.XOR) == 0x2000A000
    assert rebuilt_version(JOB, MASK, reported, Rebuild.REPLACE) == 0x2000C000
    assert [dialect.rebuild for dialect in (CKPOOL, DATUM, PUBLIC_POOL, BTCPOOL, MININGCORE)] == [
        Rebuild.OR,
        Rebuild.OR,
        Rebuild.XOR,
        Rebuild.XOR,
        Rebuild.REPLACE,
    ]


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("dialect", "profile", "good"),
    [
        (CKPOOL, ESP_MINER, True),
        (CKPOOL, CGMINER, True),
        (CKPOOL, BRAIINS, False),
        (PUBLIC_POOL, ESP_MINER, True),
        (PUBLIC_POOL, CGMINER, False),
        (PLAIN, ESP_MINER, False),
        (PLAIN, BRAIINS, True),
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_a_job_with_bits_inside_the_mask_parts_the_ways(
    dialect: Dialect, profile: Profile, good: bool, start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=dialect, difficulty=1.0)
    pool.chain.version = JOB
    pool.refresh()
    miner = await at_work(start_miner, pool, profile, hashrate=1_000)
    answers = [await submitted(miner) for _ in range(12)]
    assert all(answer.error is None for answer in answers) is good
    assert set(pool.rejected) == (set() if good else {Refusal.LOW_DIFFICULTY})


# -- sessions


async def test_ckpool_gives_a_session_id_its_extranonce1_and_jobs_again(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=CKPOOL)
    miner = await at_work(start_miner, pool)
    old = pool.sessions[0]
    share, late = miner.find_share(), miner.find_share()
    assert (await miner.submit_raw(share.params(miner.user))).error is None
    pool.drop_connections()
    await miner.until(lambda m: m.connections == 2 and m.in_work)
    assert pool.sessions[0].extranonce1 == old.extranonce1
    assert pool.sessions[0].session_id != old.session_id
    assert (await miner.submit_raw(late.params(miner.user))).error is None
    again = await miner.submit_raw(share.params(miner.user))
    assert again.error is not None
    assert pool.rejected == {Refusal.DUPLICATE: 1}


async def test_an_old_session_id_is_good_once_and_not_while_its_connection_lives(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=CKPOOL)
    first, second = await at_work(start_miner, pool), await at_work(start_miner, pool, user="other")
    living = pool.sessions[0].session_id
    assert pool.resumable(living) is None
    pool.drop_connections()
    await first.until(lambda m: m.connections == 2 and m.in_work)
    await second.until(lambda m: m.connections == 2 and m.in_work)
    assert pool.resumable(living) is None


@pytest.mark.parametrize("dialect", [PUBLIC_POOL, BTCPOOL, MININGCORE], ids=lambda dialect: dialect.name)
async def test_others_know_no_resumption(dialect: Dialect, start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(dialect=dialect)
    miner = await at_work(start_miner, pool)
    old, late = pool.sessions[0].extranonce1, miner.find_share()
    pool.drop_connections()
    await miner.until(lambda m: m.connections == 2 and m.in_work)
    assert pool.sessions[0].extranonce1 != old
    assert (await miner.submit_raw(late.params(miner.user))).error is not None


# -- silence


async def test_btcpool_drops_a_client_that_says_nothing_and_keeps_one_that_does(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=replace(BTCPOOL, idle_timeout_s=0.6))
    miner = await at_work(start_miner, pool)
    for _ in range(4):
        with pytest.raises(TimeoutError):
            await miner.until(lambda m: m.connections == 2, timeout_s=0.25)
        miner.call("mining.suggest_difficulty", [1])
    assert pool.drops == []
    await miner.until(lambda m: m.connections == 2)
    assert pool.drops == ["nothing heard for 0.6 s"]


async def test_a_client_that_is_not_at_work_in_time_is_dropped(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(dialect=replace(DATUM, handshake_s=0.2), authorize_delay_s=1.0)
    miner = await start_miner(pool, time_scale=0.01)
    await miner.until(lambda m: m.connections == 2)
    assert pool.drops == ["not at work after 0.2 s"]


# -- difficulty


def test_miningcore_divides_by_six_after_each_90_s_without_a_share() -> None:
    watch, now, difficulty = watch_of(MININGCORE_VARDIFF, 0.0), 0.0, 3_600.0
    heard = []
    while now < 280:
        now += 5
        proposal = watch.proposal(difficulty, now)
        if proposal is not None:
            heard.append((now, proposal))
            difficulty = proposal
    assert heard == [(90, 600.0), (180, 100.0), (270, pytest.approx(16.67))]


def test_public_pool_divides_by_six_each_minute_only_before_the_fifth_share() -> None:
    watch = watch_of(PUBLIC_POOL_VARDIFF, 0.0)
    assert isinstance(watch, MeanWatch)
    assert watch.proposal(4_096.0, 60.0) is None
    assert watch.proposal(4_096.0, 120.0) == 512.0
    assert watch.proposal(512.0, 180.0) == 64.0
    for number in range(5):
        watch.note(64.0, 200.0 + 10 * number)
    assert watch.proposal(64.0, 240.0) is None
    assert watch.proposal(64.0, 9_000.0) is None


def test_public_pool_then_follows_the_mean_of_its_last_thirty_shares() -> None:
    watch, now = watch_of(PUBLIC_POOL_VARDIFF, 0.0), 0.0
    for _ in range(40):
        now += 1.0
        watch.note(64.0, now)
    assert watch.proposal(64.0, now) == 512.0


async def test_public_pool_judges_by_the_sessions_difficulty_of_now(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    for dialect, refused in ((PUBLIC_POOL, 1), (CKPOOL, 0)):
        pool = await start_pool(dialect=dialect, difficulty=1.0)
        miner = await at_work(start_miner, pool)
        share = miner.find_share()
        pool.sessions[0].difficulty = 1e6
        assert (await miner.submit_raw(share.params(miner.user))).error is None or refused
        assert pool.rejected[Refusal.RAISED] == refused


async def test_miningcore_acknowledges_a_suggestion_and_does_nothing(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=MININGCORE, vardiff=Vardiff())
    miner = await at_work(start_miner, pool)
    assert (await miner.call("mining.suggest_difficulty", [500])).result is True
    assert pool.sessions[0].difficulty == 1.0


@pytest.mark.parametrize(("asked", "granted"), [(500, True), (0.5, False), ("500", False)])
async def test_miningcores_minimum_difficulty_above_its_own_turns_vardiff_off(
    asked: object, granted: bool, start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=MININGCORE, vardiff=Vardiff())
    miner = await at_work(start_miner, pool)
    options = {"minimum-difficulty.value": asked}
    answer = await miner.call("mining.configure", [["minimum-difficulty"], options])
    assert answer.result == {"minimum-difficulty": granted}
    assert (pool.sessions[0].watch is None) is granted
    assert pool.sessions[0].difficulty == (500 if granted else 1)


async def test_miningcores_password_pins_the_difficulty(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(dialect=MININGCORE, vardiff=Vardiff())
    miner = await at_work(start_miner, pool, password="x;d=250")
    await miner.until(lambda m: m.wire is not None and m.wire.next_difficulty == 250)
    assert pool.sessions[0].watch is None
    other = await start_pool(dialect=PLAIN, vardiff=Vardiff())
    miner = await at_work(start_miner, other, password="x;d=250")
    assert other.sessions[0].difficulty == 1


# -- blocks


@pytest.mark.parametrize(
    ("dialect", "blocks", "refused"),
    [(CKPOOL, 1, 1), (MININGCORE, 1, 0), (PUBLIC_POOL, 0, 1)],
    ids=lambda value: getattr(value, "name", value),
)
async def test_a_block_below_the_shares_difficulty(
    dialect: Dialect, blocks: int, refused: int, start_pool: StartPool, start_miner: StartMiner
) -> None:
    assert dialect.low_block is not LowBlock.LOST or not blocks
    pool = await start_pool(dialect=dialect, difficulty=1e6, network_difficulty=2.0)
    miner = await at_work(start_miner, pool)
    await submitted(miner, difficulty=2.0)
    assert len(pool.book.blocks) == blocks
    assert pool.rejected.total() == refused


async def test_every_tenth_template_may_have_a_large_coinbase_that_its_pool_accepts(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=PLAIN)
    pool.chain.large_coinbase, pool.chain.large_every = 5_200, 2
    sizes = []
    miner = await at_work(start_miner, pool)
    for number in range(2, 6):
        pool.refresh(clean=True)
        await miner.until(lambda m, number=number: m.jobs_received == number)  # type: ignore[misc]
        assert (await submitted(miner)).error is None
        template = pool.template
        sizes.append(len(template.coinbase_head) + len(template.coinbase_tail) + 12)
    assert sorted(size >= 5_200 for size in sizes) == [False, False, True, True]
    assert max(sizes) < 5_300


def test_somebody_elses_block_meets_the_networks_target() -> None:
    chain = SimChain(network_difficulty=1e9)
    for _ in range(50):
        chain.new_block()
        assert int.from_bytes(chain.previous_hash, "little") <= chain.network_target
