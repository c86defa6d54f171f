"""The simulator's hashing against ckpool's own log of shares that cpuminer found."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator import hashing
from proxy.simulator.chain import Template
from proxy.simulator.dialect import CKPOOL
from proxy.simulator.share_check import IssuedJob, Refused, check_share, prove, read_submission
from proxy.simulator.shares import Refusal
from proxy.simulator.work import read_notify

WIRE = Path(__file__).parents[1] / "wire"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (WIRE / name).read_text().splitlines()]


def dialogue(name: str) -> list[dict[str, Any]]:
    return [line["m"] for line in lines(name) if isinstance(line["m"], dict)]


def issued(notify: list[Any], extranonce1: str, size: int, difficulty: float) -> IssuedJob:
    job = read_notify(notify)
    template = Template(
        height=0,
        previous_hash=job.previous_hash,
        version=job.version,
        nbits=job.nbits,
        ntime=job.ntime,
        coinbase_head=job.head,
        coinbase_tail=job.tail,
        branches=job.branches,
    )
    return IssuedJob(
        job_id=job.job_id,
        template=template,
        extranonce1=bytes.fromhex(extranonce1),
        extranonce2_size=size,
        difficulty=difficulty,
        version_mask=0,
    )


def recorded(name: str) -> tuple[dict[str, IssuedJob], list[list[str]]]:
    messages = dialogue(name)
    result = next(m["result"] for m in messages if isinstance(m.get("result"), list))
    difficulty = next(m["params"][0] for m in messages if m.get("method") == "mining.set_difficulty")
    notifies = [m["params"] for m in messages if m.get("method") == "mining.notify"]
    jobs = {params[0]: issued(params, result[1], result[2], difficulty) for params in notifies}
    return jobs, [m["params"] for m in messages if m.get("method") == "mining.submit"]


def test_every_recorded_ckpool_share_has_the_hash_and_difficulty_that_ckpool_computed() -> None:
    jobs, submits = recorded("ckpool_cpuminer.jsonl")
    log = lines("ckpool_cpuminer_shares.jsonl")
    assert len(submits) == len(log) == 33
    for params, share in zip(submits, log, strict=True):
        submission = read_submission(params)
        proof = prove(jobs[submission.job_id], submission, submission.extranonce2)
        assert hashing.shown(proof.digest) == share["hash"]
        assert hashing.difficulty_of(proof.number) == pytest.approx(share["sdiff"], rel=1e-12)
        assert (proof.number <= hashing.target_of(share["diff"])) is share["result"]


def test_each_recorded_share_is_good_once_and_a_duplicate_twice() -> None:
    jobs, submits = recorded("ckpool_cpuminer.jsonl")
    for params in submits:
        submission = read_submission(params)
        job = jobs[submission.job_id]
        check_share(job, submission, CKPOOL, 0, hashing.target_of(job.difficulty))
        with pytest.raises(Refused) as refused:
            check_share(job, submission, CKPOOL, 0, hashing.target_of(job.difficulty))
        assert refused.value.reason is Refusal.DUPLICATE


def test_public_pools_recorded_shares_meet_their_difficulty() -> None:
    jobs, submits = recorded("publicpool_cpuminer.jsonl")
    assert submits
    for params in submits:
        submission = read_submission(params)
        job = jobs[submission.job_id]
        assert prove(job, submission, submission.extranonce2).number <= hashing.target_of(job.difficulty)


def test_difficulty_one_is_the_standard_target_and_scales_with_hashes_per_difficulty() -> None:
    assert hashing.target_of(1) == 0xFFFF << 208
    assert hashing.target_of(1, 2**10) == (0xFFFF << 208) << 22
    assert hashing.target_of(1e-30) == 2**256 - 1
    assert hashing.difficulty_of(hashing.target_of(1, 2**10), 2**10) == 1


@pytest.mark.no_cover
@given(st.floats(1e-6, 1e15), st.sampled_from([2**8, 2**10, 2**32]))
def test_target_and_difficulty_are_inverse(difficulty: float, hashes: int) -> None:
    assert hashing.difficulty_of(hashing.target_of(difficulty, hashes), hashes) == pytest.approx(
        max(difficulty, hashing.difficulty_of(2**256 - 1, hashes)), rel=1e-9
    )


@given(st.integers(1, 2**255))
def test_compact_targets_keep_their_first_two_bytes(target: int) -> None:
    compact = hashing.target_of_nbits(hashing.nbits_of_target(target))
    assert compact <= target < compact + max(1, compact >> 14)


def test_scan_finds_the_nonce_of_bitcoins_first_block() -> None:
    root = bytes.fromhex("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b")[::-1]
    start = hashing.header_start(1, bytes(32), root, 1231006505, 0x1D00FFFF)
    assert hashing.scan(start, 2083236893 - 200, 400, hashing.target_of_nbits(0x1D00FFFF)) == [2083236893]
