"""What a firmware makes of lines that break no rule, as its source has it."""

from typing import Any

import pytest

from proxy.simulator.profiles import (
    AVALON,
    BRAIINS,
    CGMINER,
    CPUMINER,
    ESP_MINER,
    HAN_SOLO,
    NERDQAXE,
    Profile,
    VersionBits,
)
from proxy.simulator.strictness import Rule
from proxy.simulator.work import patterns, rolled_version
from tests.simulator.conftest import StartMiner, StartPool
from tests.simulator.scripted import NOTIFY, RuleBreakingPool, difficulty, notify

MASK = 0x1FFFE000
EASY = 1e-9
"""A difficulty that every hash meets."""


def of_size(coinbase: int) -> dict[str, Any]:
    """A job whose coinbase has so many bytes with the six of the scripted pool's extranonces."""
    params = NOTIFY["params"]
    return {**NOTIFY, "params": ["2", params[1], "01" * (coinbase - 46), *params[3:]]}


def set_mask(version_mask: int) -> dict[str, Any]:
    return {"id": None, "method": "mining.set_version_mask", "params": [f"{version_mask:08x}"]}


async def test_cgminer_hashes_each_job_at_the_difficulty_it_took_from_the_queue(
    scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    miner = await start_miner(scripted, CGMINER)
    await miner.until(lambda m: m.in_work)
    assert miner.wire is not None
    hashed_at = [miner.wire.difficulty]
    for number, messages in enumerate([[difficulty(7)], [], [difficulty(9)]], 2):
        for message in [*messages, notify(str(number))]:
            scripted.push(message)
        await miner.until(lambda m, number=number: m.jobs_received == number)  # type: ignore[misc]
        hashed_at.append(miner.wire.difficulty)
    assert hashed_at == [1_000_000, 7, 7, 9]
    assert not miner.violations


@pytest.mark.parametrize("profile", [CGMINER, AVALON], ids=lambda profile: profile.name)
async def test_a_difficulty_without_a_job_makes_cgminer_late_by_a_job_from_then_on(
    profile: Profile, scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    miner = await start_miner(scripted, profile)
    await miner.until(lambda m: m.in_work)
    assert miner.wire is not None
    hashed_at = []
    keep_alive = difficulty(1_000_000)
    for number, messages in enumerate([[keep_alive, difficulty(7)], [difficulty(8)], [difficulty(9)]], 2):
        for message in [*messages, notify(str(number))]:
            scripted.push(message)
        await miner.until(lambda m, number=number: m.jobs_received == number)  # type: ignore[misc]
        hashed_at.append(miner.wire.difficulty)
    assert hashed_at == [1_000_000, 7, 8]
    assert {violation.rule for violation in miner.violations} == {Rule.TWO_DIFFICULTIES}


async def test_other_firmware_takes_the_newest_difficulty_with_the_next_job(
    scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    miner = await start_miner(scripted, CPUMINER)
    await miner.until(lambda m: m.in_work)
    for message in (difficulty(1_000_000), difficulty(7), notify("2")):
        scripted.push(message)
    await miner.until(lambda m: m.jobs_received == 2)
    assert miner.wire is not None
    assert miner.wire.difficulty == 7
    assert not miner.violations


async def test_han_solo_aborts_again_after_each_reconnect_while_its_extranonce1_is_empty(
    scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    scripted.replies["mining.subscribe"] = [RuleBreakingPool.ok([[["mining.notify", "s"]], "", 4])]
    miner = await start_miner(scripted, HAN_SOLO, time_scale=0.01)
    await miner.until(lambda m: m.connections >= 3)
    assert miner.jobs_received == 0
    assert scripted.calls[0]["params"] == ["HAN_SOLOminer"]


async def test_esp_miner_crashes_on_a_coinbase_above_5000_bytes_and_not_on_one_of_5000(
    scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    miner = await start_miner(scripted, ESP_MINER, time_scale=0.01)
    await miner.until(lambda m: m.in_work)
    scripted.push(of_size(5_000))
    await miner.until(lambda m: m.jobs_received == 2)
    assert not miner.violations
    scripted.push(of_size(5_001))
    await miner.until(lambda m: m.connections == 2)
    assert [violation.rule for violation in miner.violations] == [Rule.CRASH]


async def test_a_mask_of_zero_takes_the_bits_from_avalons_submits_while_its_chips_roll_on(
    scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    scripted.replies["mining.authorize"] = [RuleBreakingPool.ok(True), difficulty(EASY), NOTIFY]
    miner = await start_miner(scripted, AVALON)
    await miner.until(lambda m: m.in_work)
    assert miner.find_share().version_bits == 0
    scripted.push(set_mask(0))
    scripted.push(notify("2"))
    await miner.until(lambda m: m.jobs_received == 2)
    assert len(miner.find_share().params("w")) == 5
    assert miner.wire is not None
    assert miner.wire.version_mask == MASK
    scripted.push(set_mask(MASK))
    scripted.push(notify("3"))
    await miner.until(lambda m: m.jobs_received == 3)
    assert len(miner.find_share().params("w")) == 6


def test_cgminers_patterns_are_none_the_lowest_digit_the_others_and_all() -> None:
    assert patterns(MASK) == (0, 0xE000, 0x1FFF0000, MASK)
    assert patterns(0) == (0, 0, 0, 0)


@pytest.mark.parametrize("habit", VersionBits)
def test_all_firmware_agrees_on_a_job_without_bits_inside_the_mask(habit: VersionBits) -> None:
    for number in range(4):
        version, bits = rolled_version(0x20000000, MASK, number, habit)
        assert version == 0x20000000 | bits
        assert bits & ~MASK == 0


def test_bits_of_the_job_are_kept_by_xor_and_added_and_gone_by_bip_310() -> None:
    job = 0x20006000
    assert rolled_version(job, MASK, 0, VersionBits.REPLACED) == (0x20000000, 0)
    assert rolled_version(job, MASK, 0, VersionBits.XOR) == (job, 0)
    assert rolled_version(job, MASK, 1, VersionBits.XOR) == (0x2000E000, 0x8000)
    assert rolled_version(job, MASK, 1, VersionBits.ADDED) == (0x2000E000, 0xE000)
    for number in range(4):
        version, bits = rolled_version(job, MASK, number, VersionBits.XOR)
        assert version ^ job == bits
        version, bits = rolled_version(job, MASK, number, VersionBits.ADDED)
        assert version == job | bits


@pytest.mark.parametrize(
    ("profile", "habit"),
    [
        (ESP_MINER, VersionBits.XOR),
        (NERDQAXE, VersionBits.XOR),
        (CGMINER, VersionBits.ADDED),
        (AVALON, VersionBits.ADDED),
        (BRAIINS, VersionBits.REPLACED),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_firmware_reports_version_bits_in_its_own_way(profile: Profile, habit: VersionBits) -> None:
    assert profile.version_bits is habit


async def test_a_miner_notes_each_header_that_is_a_block_even_where_it_is_not_to_submit_it(
    start_pool: StartPool, start_miner: StartMiner
) -> None:
    pool = await start_pool(network_difficulty=1.0)
    miner = await start_miner(pool)
    await miner.until(lambda m: m.in_work)
    shares = []
    while all(candidate.submitted for candidate in miner.candidates):  # one in 64 comes before any other header
        shares.append(miner.find_share(difficulty=64.0))
    told = [candidate for candidate in miner.candidates if candidate.submitted]
    assert len(told) == len(shares)
    assert (await miner.submit_raw(shares[-1].params(miner.user))).error is None
    assert [block.hash for block in pool.book.blocks] == [told[-1].hash]
