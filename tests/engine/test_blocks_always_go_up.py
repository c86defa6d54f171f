"""A share that solves the network goes to its pool, whatever else is wrong with it; duplicates excepted."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.engine.share_check import check_share
from proxy.observe.events import BlockCandidate, ShareResult
from proxy.stratum.downstream_owner import Submit
from proxy.types import DecidedBy, PoolKey, Reason, Verdict
from tests.support.world import World

HARD = 2.0**40
"""Far above what half of all hashes reach."""
EASIEST = "207fffff"
"""Half of all hashes solve such a network."""


def world_of(**options: Any) -> tuple[World, Any]:
    world = World({"A": 8}, **options)
    world.pools["A"].nbits = EASIEST
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    return world, miner


def nonces(
    miner: Any,
    job: list[Any],
    *,
    solves: bool,
    bits: int | None = None,
    ntime: int | None = None,
    version: int | None = None,
) -> list[str]:
    """Nonces whose hash meets the network's target (with ``version``), or not."""
    issued = miner.session.jobs.find(job[0])
    found = []
    for nonce in range(1, 64):
        submit = Submit(
            1,
            miner.user,
            job[0],
            bytes(miner.subscribed()[1]),
            int(job[7], 16) if ntime is None else ntime,
            nonce,
            bits,
        )
        fresh = replace(issued, shares=b"")
        check = check_share(fresh, submit, miner.world.engine.diff1)
        if check.meets_network is solves and version in (None, check.version):
            found.append(f"{nonce:08x}")
    return found


def test_a_block_below_the_assigned_difficulty_goes_up_and_gets_the_pools_answer() -> None:
    world, miner = world_of(difficulty=HARD)
    good, bad = nonces(miner, miner.job, solves=True)[0], nonces(miner, miner.job, solves=False)[0]
    block, share = miner.submit(nonce=good), miner.submit(nonce=bad)
    world.advance(1)
    assert miner.answers(block)[0]["result"] is True
    assert miner.answers(share)[0]["error"][0] == 23
    assert [params[4] for params in world.pools["A"].submits] == [good]
    assert len(world.events_of(BlockCandidate)) == 1
    verdicts = {result.reason: result.verdict for result in world.events_of(ShareResult)}
    assert verdicts == {Reason.LOW_DIFFICULTY: Verdict.REJECTED, Reason.NONE: Verdict.ACCEPTED}


def test_where_the_pool_refuses_a_block_as_low_that_is_its_own_rejection() -> None:
    world, miner = world_of(difficulty=HARD)
    world.pools["A"].verdict = lambda params: {"result": None, "error": [23, "Above target", None]}
    ident = miner.submit(nonce=nonces(miner, miner.job, solves=True)[0])
    world.advance(1)
    assert miner.answers(ident)[0]["error"][:2] == [23, "Above target"]
    (result,) = world.events_of(ShareResult)
    assert (result.verdict, result.reason, result.decided_by) == (
        Verdict.REJECTED,
        Reason.LOW_DIFFICULTY,
        DecidedBy.POOL,
    )


def test_a_block_goes_up_once() -> None:
    world, miner = world_of(difficulty=HARD)
    nonce = nonces(miner, miner.job, solves=True)[0]
    miner.submit(nonce=nonce)
    again = miner.submit(nonce=nonce)
    world.advance(1)
    assert miner.answers(again)[0]["error"][0] == 22
    assert len(world.pools["A"].submits) == 1
    assert len(world.events_of(BlockCandidate)) == 1


def test_a_block_for_a_retired_job_goes_up() -> None:
    world, miner = world_of(difficulty=HARD)
    old = miner.job
    world.pools["A"].notify(new_block=True)
    world.advance(30)
    ident = miner.submit(old, nonce=nonces(miner, old, solves=True)[0])
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert world.pools["A"].submits


@pytest.mark.parametrize("offset", [-1, 7001])
def test_a_block_with_a_wrong_time_goes_up(offset: int) -> None:
    world, miner = world_of(difficulty=HARD)
    ntime = int(miner.job[7], 16) + offset
    ident = miner.submit(nonce=nonces(miner, miner.job, solves=True, ntime=ntime)[0], ntime=f"{ntime:08x}")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


def test_a_block_between_the_whole_difficulty_and_the_pools_goes_up() -> None:
    world = World({"A": 8})
    world.pools["A"].nbits = EASIEST
    miner = world.miner("NerdQAxe++/BM1370")
    world.advance(1)
    issued = miner.session.jobs.find(miner.job[0])
    issued.job = replace(issued.job, difficulty=1e300)
    ident = miner.submit(nonce=nonces(miner, miner.job, solves=True)[0])
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert miner.submit(nonce=nonces(miner, miner.job, solves=False)[0])
    assert world.events_of(ShareResult)[-1].reason is Reason.FRACTION


@pytest.mark.parametrize(("flipped", "sent"), [(0x40000001, "40000001"), (0x00000004, "00000004")])
def test_a_block_whose_version_is_rolled_outside_the_mask_goes_up_with_the_bits_that_differ(
    flipped: int, sent: str
) -> None:
    """public-pool does not check the mask and XORs what it gets (StratumV1Client.ts)."""
    world, miner = world_of(difficulty=HARD)
    version = 0x20000000 ^ flipped
    job = miner.job
    nonce = nonces(miner, job, solves=True, bits=flipped, version=version)[0]
    ident = miner.submit(nonce=nonce, bits=f"{flipped:08x}")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert world.pools["A"].submits[-1][5] == sent
    (candidate,) = world.events_of(BlockCandidate)
    assert int.from_bytes(candidate.header[:4], "little") == version


def test_a_block_is_credited_but_is_no_evidence_of_the_miners_rate() -> None:
    world, miner = world_of(difficulty=HARD)
    heard: list[tuple[Any, ...]] = []
    share = world.engine.scheduler.share

    def listen(session: Any, pool: PoolKey, difficulty: float, accepted: bool, credited: float | None = None) -> None:
        heard.append((pool, difficulty, accepted, credited))
        share(session, pool, difficulty, accepted, credited)

    world.engine.scheduler.share = listen  # type: ignore[method-assign]
    before = world.engine.scheduler.rate(miner.session.id)
    miner.submit(nonce=nonces(miner, miner.job, solves=True)[0])
    world.advance(1)
    [(pool, difficulty, accepted, credited)] = heard
    assert (pool, difficulty, accepted) == ("A", 0.0, True)
    assert credited is not None and 0 < credited < HARD, "as much as its hash reached, whatever the pool asks for"
    assert world.engine.scheduler.rate(miner.session.id) == before == 0.0


def test_a_block_under_a_name_that_was_not_authorised_goes_up_and_other_shares_do_not() -> None:
    world, miner = world_of()
    block, share = nonces(miner, miner.job, solves=True)[0], nonces(miner, miner.job, solves=False)[0]
    for ident, nonce in ((90, share), (91, block)):
        miner.call("mining.submit", ["somebody.else", miner.job[0], "00" * 4, miner.job[7], nonce], ident)
    world.advance(1)
    assert [params[4] for params in world.pools["A"].submits] == [block]
    assert world.pools["A"].submits[0][0].startswith("walletA.")
    assert miner.answers(90)[0]["error"][:2] == [24, "Unauthorized worker"]
    assert miner.answers(91)[0]["result"] is True
    assert len(world.events_of(ShareResult)) == 2
