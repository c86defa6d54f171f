"""Version bits are read as the miner meant them, and written as the pool reads them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engine import share_check
from proxy.engine.plain_share import PlainWork
from proxy.observe.events import ShareResult
from proxy.stratum.downstream_owner import Submit
from proxy.stratum.version_rolling import BitsReading, PoolReading, other_versions, undisputed_mask, version_of
from proxy.types import PoolKey, Reason
from tests.support.world import World

MASK = 0x1FFFE000
OWN = 0x20006000
"""A job's version with two bits inside the mask."""
ONE_IN_256 = 2.0**28
REPLACE, XOR, OR = BitsReading.REPLACE, BitsReading.XOR, BitsReading.OR


def world_of() -> tuple[World, Any]:
    world = World({"A": 8}, difficulty=ONE_IN_256)
    world.pools["A"].version = f"{OWN:08x}"
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    return world, miner


def solve(miner: Any, version: int, *, skip: int = 0) -> str:
    """The nonce of a share that is good with ``version``."""
    issued = miner.session.jobs.find(miner.job[0])
    for nonce in range(100_000):
        submit = Submit(1, miner.user, miner.job[0], bytes(4), int(miner.job[7], 16), nonce, version)
        hashed = share_check.check_share(
            replace(issued, version_mask=0xFFFFFFFF, shares=b""), submit, miner.world.engine.diff1
        )
        if hashed.true_difficulty >= issued.difficulty and hashed.version == version:
            if not skip:
                return f"{nonce:08x}"
            skip -= 1
    raise AssertionError("no share found")


def pool_that(world: World, reading: BitsReading, hashed: list[int]) -> None:
    """A pool that rebuilds the version by ``reading``: what it rebuilds wrongly has a bad hash."""

    def verdict(params: list[Any]) -> Any:
        if version_of(reading, OWN, MASK, int(params[5], 16)) == hashed[-1]:
            return True
        return {"result": None, "error": [23, "low difficulty", None]}

    world.pools["A"].verdict = verdict


@pytest.mark.parametrize(
    ("version", "bits"),
    [
        (0x2000A000, 0x0000A000),  # replaced (BIP 310)
        (0x2000A000, 0x0000C000),  # what differs (ESP-Miner)
        (0x2000E000, 0x00008000),  # what was added (cgminer)
        (0x2000E000, 0x0000A000),  # to be added, one of them there before
    ],
)
def test_a_share_is_good_however_its_bits_are_spelled(version: int, bits: int) -> None:
    world, miner = world_of()
    pool_that(world, XOR, [version])
    ident = miner.submit(nonce=solve(miner, version), bits=f"{bits:08x}")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


def test_the_mask_sent_leaves_out_the_bits_that_the_jobs_version_has_itself() -> None:
    world, miner = world_of()
    assert miner.all("mining.set_version_mask") == [["1fff8000"]]
    world.pools["A"].version = "20000000"
    world.pools["A"].notify()
    world.advance(1)
    assert miner.all("mining.set_version_mask") == [["1fff8000"], ["1fffe000"]]


def test_the_mask_stays_as_it_is_where_a_pool_rolls_most_of_it_by_itself() -> None:
    assert undisputed_mask(MASK, 0x20000000) == MASK
    assert undisputed_mask(MASK, 0x20000000 | 0xFF << 13) == 0xFF << 21
    assert undisputed_mask(MASK, 0x20000000 | 0x1FF << 13) == MASK
    assert undisputed_mask(0, OWN) == 0


@pytest.mark.parametrize("reading", [XOR, OR])
def test_no_share_is_lost_to_learn_how_a_pool_adds_or_exchanges_bits(reading: BitsReading) -> None:
    pool = PoolReading()
    version = OWN | 0x8000
    assert version_of(reading, OWN, MASK, pool.bits_for(OWN, MASK, version)) == version


def test_one_hash_under_two_spellings_is_a_duplicate() -> None:
    world, miner = world_of()
    version = 0x2000A000
    nonce = solve(miner, version)
    first = miner.submit(nonce=nonce, bits="0000a000")
    idents = [miner.submit(nonce=nonce, bits=bits) for bits in ("0000c000", "0000a000")]
    world.advance(1)
    assert miner.answers(first)[0]["result"] is True
    assert [miner.answers(ident)[0]["error"][0] for ident in idents] == [22, 22]
    assert len(world.pools["A"].submits) == 1


def test_the_way_that_worked_is_tried_first_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    _, miner = world_of()
    tried: list[int] = []
    hashed = share_check._hashed

    def counted(issued: Any, submit: Any, root: bytes, version: int, diff1: int) -> Any:
        tried.append(version)
        return hashed(issued, submit, root, version, diff1)

    version = 0x2000A000
    good = [solve(miner, version, skip=skip) for skip in (0, 1)]
    monkeypatch.setattr(share_check, "_hashed", counted)
    miner.submit(nonce=good[0], bits="0000c000")
    assert tried == [0x2000C000, version]
    miner.submit(nonce=good[1], bits="0000c000")
    assert tried[2:] == [version]


def test_a_bad_share_costs_one_hash_where_there_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"A": 8}, difficulty=2.0**50)
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    tried: list[int] = []
    hashed, plainly = share_check._hashed, PlainWork.hashed
    monkeypatch.setattr(share_check, "_hashed", lambda *rest: tried.append(1) or hashed(*rest))
    monkeypatch.setattr(PlainWork, "hashed", lambda *rest: tried.append(1) or plainly(*rest))
    miner.submit(bits="0000c000")
    assert len(tried) == 1
    assert world.events_of(ShareResult)[-1].reason is Reason.LOW_DIFFICULTY


@pytest.mark.no_cover
@pytest.mark.parametrize("reading", list(BitsReading))
def test_a_pool_gets_the_bits_from_which_it_rebuilds_the_version(reading: BitsReading) -> None:
    """At most two shares are lost until its reading is known; a version that cannot be told to an OR pool is lost."""
    world, miner = world_of()
    hashed: list[int] = []
    pool_that(world, reading, hashed)
    answers = []
    for turn in range(8):
        version = (0x2000E000, 0x2000A000)[turn % 2]  # the job's bits all kept, one cleared
        hashed.append(version)
        ident = miner.submit(nonce=solve(miner, version, skip=turn), bits=f"{version & MASK:08x}")
        world.advance(1)
        answers.append(miner.answers(ident)[0]["result"] is True)
    if reading is OR:
        assert all(answers[turn] for turn in (4, 6))
        assert not any(answers[1::2])
    else:
        assert sum(answers) >= 6
        assert all(answers[4:])


def test_what_one_connection_learnt_holds_for_all_to_the_pool() -> None:
    world, first = world_of()
    hashed = [0x2000A000]
    pool_that(world, XOR, hashed)
    for skip in range(2):
        first.submit(nonce=solve(first, hashed[0], skip=skip), bits="0000a000")
        world.advance(1)
    second = world.miner(mask="1fffe000")
    world.advance(1)
    ident = second.submit(nonce=solve(second, hashed[0]), bits="0000a000")
    world.advance(1)
    assert second.answers(ident)[0]["result"] is True


def test_a_refusal_for_another_reason_teaches_nothing() -> None:
    pool = PoolReading()
    bits = pool.bits_for(OWN, MASK, 0x2000E000)
    pool.answered(OWN, MASK, 0x2000E000, bits, accepted=True)
    pool.answered(OWN, MASK, 0x2000E000, bits, accepted=False)  # a difficulty raised meanwhile (public-pool)
    assert pool.bits_for(OWN, MASK, 0x2000E000) == bits


@pytest.mark.no_cover
@given(
    job=st.integers(0, 2**32 - 1),
    rolled=st.integers(0, 2**32 - 1),
    history=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans()), max_size=8),
)
def test_bits_suit_every_reading_where_the_jobs_version_leaves_the_mask_free(
    job: int, rolled: int, history: list[tuple[int, int, bool]]
) -> None:
    pool = PoolReading()
    for other, hashed, accepted in history:
        version = (other & ~MASK) | (hashed & MASK)
        pool.answered(other, MASK, version, pool.bits_for(other, MASK, version), accepted=accepted)
    job &= ~MASK
    version = job | (rolled & MASK)
    bits = pool.bits_for(job, MASK, version)
    assert bits & ~MASK == 0
    assert {version_of(reading, job, MASK, bits) for reading in BitsReading} == {version}


@given(job=st.integers(0, 2**32 - 1), bits=st.integers(0, 2**32 - 1), tried=st.sampled_from(list(BitsReading)))
def test_each_version_is_tried_once_and_none_where_there_is_no_doubt(job: int, bits: int, tried: BitsReading) -> None:
    versions = [version for _, version in other_versions(tried, job, MASK, bits)]
    assert len(set(versions)) == len(versions) <= 6
    assert version_of(tried, job, MASK, bits) not in versions
    assert not list(other_versions(tried, job & ~MASK, MASK, bits & MASK))


@pytest.mark.parametrize(("present", "learns"), [(ONE_IN_256, True), (ONE_IN_256 * 2.0**20, False)])
def test_a_refusal_below_the_difficulty_of_the_moment_says_nothing_of_a_pools_reading(
    present: float, learns: bool
) -> None:
    """public-pool judges a share by the difficulty that it has set meanwhile, not by its job's."""
    world, miner = world_of()
    pool = world.pools["A"]
    pool.verdict = lambda params: {"result": None, "error": [23, "Difficulty too low", None]}
    reading = world.engine.pools[PoolKey("A")]._context.reading
    version = 0x2000A000
    before = reading.bits_for(OWN, MASK, version)
    nonce = solve(miner, version)
    pool.push("mining.set_difficulty", [present])
    world.advance(1)
    miner.submit(nonce=nonce, bits="0000a000")
    world.advance(1)
    assert [result.reason for result in world.events_of(ShareResult)] == [Reason.LOW_DIFFICULTY]
    assert (reading.bits_for(OWN, MASK, version) != before) is learns
