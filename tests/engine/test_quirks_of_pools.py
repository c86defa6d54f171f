"""What real pools do beside the usual: no share goes astray over it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from proxy.observe.events import BlockCandidate, BlockNotDelivered, PoolProtocolError, ShareResult
from proxy.types import PoolKey, Reason, Verdict
from tests.support.world import World


def one_pool(size: int = 8, **options: Any) -> tuple[World, Any, Any]:
    world = World({"A": size}, **options)
    miner = world.miner()
    world.advance(1)
    return world, miner, world.pools["A"]


def test_a_difficulty_belongs_to_its_job_whatever_is_set_meanwhile() -> None:
    world, miner, pool = one_pool()
    old = miner.job
    pool.push("mining.set_difficulty", [4096.0])
    world.advance(0.1)
    assert miner.difficulty == 1
    early = miner.submit(nonce="00000001")
    pool.notify()
    world.advance(0.1)
    assert miner.difficulty == 4096
    late = miner.submit(old, nonce="00000002")
    new = miner.submit(nonce="00000003")
    world.advance(0.1)
    assert [miner.answers(ident)[0]["result"] for ident in (early, late, new)] == [True, True, True]
    assert [share.pool_difficulty for share in world.events_of(ShareResult)] == [1.0, 1.0, 4096.0]


def test_a_job_id_that_the_pool_uses_again_for_other_work_keeps_both_jobs_apart() -> None:
    world, miner, pool = one_pool()
    pool.notify(job_id="same")
    world.advance(1)
    first = miner.job
    pool.notify(job_id="same", new_block=True)
    world.advance(1)
    second = miner.job
    assert first[0] != second[0]
    assert second[8] is True
    one, two = miner.submit(first), miner.submit(second)
    world.advance(1)
    assert [miner.answers(ident)[0]["result"] for ident in (one, two)] == [True, True]
    assert [params[1] for params in pool.submits] == ["same", "same"]
    assert pool.submits[0][2:4] != pool.submits[1][2:4]


def test_a_pool_that_closes_over_a_share_costs_that_share_and_the_next_one_counts() -> None:
    world, miner, pool = one_pool()

    def verdict(params: list[Any]) -> Any:
        pool.drop()
        return True

    pool.verdict = verdict
    lost = miner.submit()
    world.advance(0.01)
    assert miner.answers(lost)[0]["error"][0] == 20
    pool.verdict = lambda params: True
    world.advance(5)
    good = miner.submit()
    world.advance(1)
    assert miner.answers(good)[0]["result"] is True
    assert [share.verdict for share in world.events_of(ShareResult)] == [Verdict.UNANSWERED, Verdict.ACCEPTED]
    assert not miner.link.closed


def test_messages_in_one_segment_are_taken_in_their_order() -> None:
    world, miner, pool = one_pool()
    (connection,) = pool.live()
    params = pool.job(clean=False)
    lines = b"".join(
        orjson.dumps(message) + b"\n"
        for message in (
            {"id": None, "method": "mining.set_extranonce", "params": ["0badcafe", 6]},
            {"id": None, "method": "mining.set_difficulty", "params": [8]},
            {"id": None, "method": "mining.notify", "params": params},
        )
    )
    for start in range(0, len(lines), 11):
        connection.handler.received(lines[start : start + 11])
    world.advance(0.1)
    assert miner.difficulty == 8
    assert "0badcafe" in miner.job[2]
    assert miner.job[8] is True


@pytest.mark.parametrize(
    "noise",
    [
        {"id": None, "result": True, "error": None},
        {"id": 4711, "result": True, "error": None},
        {"id": "abc", "result": None, "error": "no"},
        {"id": 4712, "error": {"code": 20}},
        {"jsonrpc": "2.0", "method": "mining.unheard_of", "params": {"a": 1}},
    ],
)
def test_answers_that_nobody_asked_for_do_no_harm(noise: dict[str, Any]) -> None:
    world, miner, pool = one_pool()
    (connection,) = pool.live()
    for _ in range(15):
        connection.say(noise)
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert len(miner.answers(ident)) == 1
    assert len(pool.live()) == 1


@pytest.mark.parametrize(("bytes_", "fits"), [(4_000, True), (11_000, True), (13_000, False)])
def test_a_huge_coinbase_is_passed_on_and_hashed_and_one_that_no_line_can_hold_is_not(bytes_: int, fits: bool) -> None:
    world, miner, pool = one_pool()
    params = pool.job(clean=True)
    params[3] = "ab" * bytes_
    pool.push("mining.notify", params)
    world.advance(1)
    assert (miner.job[3] == params[3]) is fits
    assert bool(world.events_of(PoolProtocolError)) is not fits
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


@pytest.mark.parametrize(
    ("agent", "limit"),
    [("NerdMinerV2/1.8", 255), ("NiceHash/1.0.0", 500), ("whatsminer/v1.1", 6_500), ("cgminer/4.11.1", 6_208)],
)
def test_a_miner_never_gets_a_coinbase_beyond_what_its_firmware_holds(agent: str, limit: int) -> None:
    world = World({"A": 8, "B": 8})
    miner = world.miner(agent)
    world.advance(1)
    for _ in range(3):
        params = world.pools["A"].job(clean=True)
        params[3] = "ab" * limit
        world.pools["A"].push("mining.notify", params)
        world.advance(40)
        assert all(
            len(job[2] + job[3]) // 2 + miner.subscribed()[1] + len(miner.subscribed()[0]) // 2 <= limit
            for job in miner.all("mining.notify")
        )
    assert "coinbase" in miner.session.facts()[PoolKey("A")]
    assert miner.session.current == "B"


@pytest.mark.parametrize(("size", "lengths"), [(16, (6, 4)), (5, (0, 4)), (4, (0, 4)), (3, (0, 3)), (2, (0, 2))])
def test_any_size_of_extranonce2_from_two_to_sixteen_is_mined_on(size: int, lengths: tuple[int, int]) -> None:
    world, miner, pool = one_pool(size)
    extranonce1, length = miner.subscribed()
    assert (len(extranonce1) // 2, length) == lengths
    ident = miner.submit(extranonce2="11" * length)
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert len(pool.submits[-1][2]) == 2 * size
    assert pool.submits[-1][2].endswith(extranonce1 + "11" * length)


def test_a_long_extranonce1_is_part_of_the_first_half_of_the_coinbase() -> None:
    world, miner, pool = one_pool()
    pool.push("mining.set_extranonce", ["c0" * 16, 8])
    pool.notify()
    world.advance(1)
    assert "c0" * 16 in miner.job[2]
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


@pytest.mark.parametrize("size", [0, 1, 17, "8", None])
def test_a_size_that_nobody_can_mine_with_gives_no_work_and_breaks_nothing(size: object) -> None:
    world = World({"A": 8, "B": 8})
    world.pools["A"].size = size  # type: ignore[assignment]
    world.pools["A"].drop()
    miner = world.miner()
    world.advance(60)
    assert miner.session.current == "B"
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


def test_a_mask_that_narrows_leaves_shares_of_the_old_job_their_own() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    old = miner.job
    world.pools["A"].push("mining.set_version_mask", ["00ffe000"])
    world.advance(1)
    assert miner.all("mining.set_version_mask") == [["00ffe000"]]
    assert miner.job[0] != old[0]
    late, new = miner.submit(old, bits="10002000"), miner.submit(bits="10002000")
    world.advance(1)
    assert [params[5] for params in world.pools["A"].submits] == ["10002000", "00002000"]
    assert all(len(miner.answers(ident)) == 1 for ident in (late, new))


def test_a_job_id_that_makes_every_submit_too_long_costs_no_miner_and_no_share() -> None:
    world, _, pool = one_pool()
    config = world.config
    wide = {key: replace(each, wallet="w" * 200) for key, each in config.pools.items()}
    world.engine.apply(replace(config, revision=2, pools=wide))
    world.advance(3)
    miner = world.miner(user="addr." + "r" * 32)
    world.advance(2)
    work = miner.job
    pool.notify(clean=True, job_id="\x01" * 128)
    world.advance(1)
    assert miner.job == work
    assert "too long" in world.events_of(PoolProtocolError)[-1].problem
    ident = miner.submit()
    world.advance(1)
    assert [answer["result"] for answer in miner.answers(ident)] == [True]
    assert [share.verdict for share in world.events_of(ShareResult)] == [Verdict.ACCEPTED]


@pytest.mark.parametrize("nbits", ["1d00ffff", "2100ffff"])
def test_a_share_that_is_too_long_for_its_pool_is_answered_and_counted_once(
    nbits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, miner, pool = one_pool()
    pool.nbits = nbits
    pool.notify(clean=True)
    world.advance(1)
    monkeypatch.setattr("proxy.stratum.upstream.MAX_LINE_OUT", 50)
    ident = miner.submit()
    world.advance(1)
    [answer] = miner.answers(ident)
    assert "too long" in answer["error"][1]
    [share] = world.events_of(ShareResult)
    assert (share.verdict, share.reason) == (Verdict.UNANSWERED, Reason.BAD_PARAMS)
    is_block = nbits == "2100ffff"
    assert len(world.events_of(BlockCandidate)) == is_block
    assert ["longer than" in event.reason for event in world.events_of(BlockNotDelivered)] == [True] * is_block
    assert not miner.link.closed
    assert pool.submits == []
