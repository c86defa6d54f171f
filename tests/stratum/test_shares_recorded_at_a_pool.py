"""The share arithmetic against what a real pool computed (ckpool's own log of the same shares)."""

import json
from pathlib import Path

import pytest

from proxy.simulator.hashing import merkle_root
from proxy.stratum.difficulty import DIFF1_TARGET, diff1_target, network_difficulty, target_of_nbits
from proxy.stratum.difficulty import true_difficulty as difficulty_of
from proxy.stratum.pool_job import parse_notify
from proxy.stratum.share_hash import hash_value, header

WIRE = Path(__file__).parents[1] / "wire"
DIALOGUE = [json.loads(line) for line in (WIRE / "ckpool_cpuminer.jsonl").read_text().splitlines()]
SHARES = [json.loads(line) for line in (WIRE / "ckpool_cpuminer_shares.jsonl").read_text().splitlines()]
JOBS = [entry["m"]["params"] for entry in DIALOGUE if entry["d"] == "<" and entry["m"].get("method") == "mining.notify"]
SUBMITS = [
    entry["m"]["params"] for entry in DIALOGUE if entry["d"] == ">" and entry["m"].get("method") == "mining.submit"
]


def job_of(share: dict[str, str]) -> list[object]:
    submit = next(s for s in SUBMITS if (s[2], s[3], s[4]) == (share["nonce2"], share["ntime"], share["nonce"]))
    return next(job for job in JOBS if job[0] == submit[1])


def test_every_recorded_share_is_in_the_dialogue() -> None:
    assert len(SHARES) == 33
    assert all(job_of(share) for share in SHARES)


@pytest.mark.parametrize("share", SHARES, ids=lambda share: share["nonce"])
def test_hash_and_true_difficulty_agree_with_the_pool(share: dict[str, object]) -> None:
    job = parse_notify(job_of(share))
    coinbase = job.coinb1 + bytes.fromhex(f"{share['enonce1']}{share['nonce2']}") + job.coinb2
    made = header(
        job.version,
        job.prevhash,
        merkle_root(coinbase, job.branches),
        int(str(share["ntime"]), 16),
        job.nbits,
        int(str(share["nonce"]), 16),
    )
    digest, value = hash_value(made)
    assert digest.hex() == share["hash"]
    assert difficulty_of(value) == pytest.approx(share["sdiff"], rel=1e-12)


def test_the_genesis_block_has_difficulty_one() -> None:
    assert network_difficulty(0x1D00FFFF) == 1.0
    assert target_of_nbits(0x1D00FFFF) == DIFF1_TARGET
    assert target_of_nbits(0x01800000) == 0
    assert target_of_nbits(0xFF123456) == 0


def test_another_cost_of_difficulty_one_scales_the_target() -> None:
    assert diff1_target(2.0**12) == DIFF1_TARGET << 20
