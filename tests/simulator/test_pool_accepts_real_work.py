"""Every firmware profile, connected straight to a test pool, mines shares that the pool's full check accepts."""

import pytest

from proxy.simulator import hashing
from proxy.simulator.dialect import CKPOOL, DATUM, MININGCORE, PUBLIC_POOL, Dialect
from proxy.simulator.miner import SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import (
    AVALON,
    BFGMINER,
    BRAIINS,
    CPUMINER,
    ESP_MINER,
    NERDMINER,
    PROFILES,
    WHATSMINER,
    Profile,
)
from proxy.simulator.vardiff import RateWatch, Vardiff
from tests.simulator.conftest import HASHES_PER_DIFFICULTY, StartMiner, StartPool

pytestmark = pytest.mark.no_cover


async def block_between_shares(pool: SimPool, miner: SimMiner) -> None:
    """A new block while no share is on its way, so that none can be stale."""
    miner.mining = False
    await miner.until(lambda m: not m.unanswered)
    jobs = miner.jobs_received
    pool.new_block()
    await miner.until(lambda m: m.jobs_received > jobs)
    miner.mining = True


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_profile_mines_accepted_shares_without_a_complaint(
    profile: Profile, start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(difficulty=2.0, extranonce2_size=4)
    miner = await start_miner(pool, profile, mining=True, hashrate=30_000)
    await miner.until(lambda m: m.tally.accepted >= 3)
    await block_between_shares(pool, miner)
    await miner.until(lambda m: m.tally.accepted >= 6)
    assert not miner.violations
    assert not pool.rejected
    assert all(share.true_difficulty >= 2 for share in pool.shares)
    assert pool.book.workers[miner.user].accepted == pool.accepted


@pytest.mark.parametrize(
    ("dialect", "profile"),
    [
        (CKPOOL, CPUMINER),
        (CKPOOL, NERDMINER),
        (PUBLIC_POOL, ESP_MINER),
        (MININGCORE, WHATSMINER),
        (DATUM, AVALON),
        (DATUM, BRAIINS),
        (PUBLIC_POOL, BFGMINER),
    ],
    ids=lambda value: value.name,
)
async def test_pool_software_that_a_firmware_knows_accepts_it(
    dialect: Dialect, profile: Profile, start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(dialect=dialect, extranonce2_size=4)
    miner = await start_miner(pool, profile, mining=True, hashrate=30_000)
    await miner.until(lambda m: m.tally.accepted >= 3)
    assert not pool.rejected
    assert not miner.violations


async def test_search_goes_on_to_version_bits_and_extranonce2(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(difficulty=0.25, extranonce2_size=2)
    miner = await start_miner(pool, ESP_MINER)
    await miner.until(lambda m: m.in_work)
    found = [miner.find_share() for _ in range(1200)]
    for share in found:
        miner.submit_raw(share.params(miner.user))
    await miner.until(lambda m: len(m.answers) >= len(found))
    assert pool.accepted == len(found)
    assert len({share.version_bits for share in found}) == 4
    assert len({share.extranonce2 for share in found}) > 1


async def test_block_is_recorded_and_moves_the_chain(start_pool: StartPool, start_miner: StartMiner) -> None:
    pool = await start_pool(network_difficulty=2.0)
    height = pool.chain.height
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    answer = await miner.submit_raw(miner.find_share(2.0).params(miner.user))
    await miner.until(lambda m: m.jobs_received == 2)
    block = pool.book.blocks[0]
    assert answer.result is True
    assert pool.shares[0].block
    assert block.height == height + 1 == pool.chain.height
    assert hashing.shown(hashing.sha256d(block.header)) == block.hash
    assert block.coinbase.startswith(pool.chain.template(0, 12).coinbase_head[:42])
    assert pool.template.previous_hash == hashing.sha256d(block.header)


def test_vardiff_steers_towards_the_wanted_share_rate() -> None:
    vardiff = Vardiff(shares_per_minute=18, whole=True)
    watch, difficulty, now = RateWatch(vardiff, 0.0), 4.0, 0.0
    hashrate = 70_000 / HASHES_PER_DIFFICULTY
    for _ in range(200):
        now += difficulty / hashrate
        watch.note(difficulty, now)
        difficulty = watch.proposal(difficulty, now) or difficulty
    assert 9 <= hashrate / difficulty * 60 <= 36
    assert difficulty == int(difficulty)


def test_vardiff_of_an_idle_client_falls_only_where_asked() -> None:
    assert RateWatch(Vardiff(idle_divisor=6), 0.0).proposal(600.0, 61.0) == 100.0
    assert RateWatch(Vardiff(), 0.0).proposal(600.0, 61.0) is None
