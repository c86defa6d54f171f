"""Real dialogues through the proxy: the pool's recorded messages go in above, the miner's recorded shares below.

With padding and the miner's extranonce1 at zero the coinbase is the recorded one, so the recorded nonces are valid
proofs of work: each share must reach the pool exactly as the real miner sent it, with the true difficulty that the real
pool computed.
"""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from proxy.observe.events import ShareResult
from proxy.stratum.extranonce import ExtranoncePadding
from proxy.types import HASHES_PER_DIFFICULTY, Verdict
from tests.support.world import ScriptedMiner, World

WIRE = Path(__file__).parents[1] / "wire"


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (WIRE / name).read_text().splitlines()]


def replay(
    name: str, size: int, difficulty: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[World, ScriptedMiner, list[list[Any]]]:
    """Play a recording; return the world, the miner and the shares as they were recorded."""
    dialogue = [entry for entry in recorded(name) if entry["d"] in "<>"]
    answer = next(entry["m"] for entry in dialogue if entry["d"] == "<" and type(entry["m"].get("result")) is list)
    world = World({"A": size}, difficulty=difficulty, hashes_per_difficulty=HASHES_PER_DIFFICULTY, settle=False)
    world.engine.sharing._extranonces = count(0)
    pool = world.pools["A"]
    pool.mask = None
    jobs = [entry["m"]["params"] for entry in dialogue if entry["m"].get("method") == "mining.notify"]
    monkeypatch.setattr(pool, "job", lambda **_: jobs[0])
    miner = world.miner(user="addr.m0")
    world.advance(1)
    (connection,) = pool.live()
    ours: dict[str, list[Any]] = {}
    ours_to_pool = next(iter(world.engine.pools["A"].ready_connections))  # type: ignore[index]
    shares: list[list[Any]] = []
    began = dialogue[0]["t"] - world.clock.now()
    for entry in dialogue:
        world.clock.advance_to(max(world.clock.now(), entry["t"] - began))
        message = entry["m"]
        if message.get("method") == "mining.notify":
            ours_to_pool.upstream.extranonce1 = bytes.fromhex(answer["result"][1])
            ours_to_pool.padding = ExtranoncePadding()
            connection.push("mining.notify", message["params"])
            world.advance(0.001)
            ours[message["params"][0]] = miner.job
        elif message.get("method") == "mining.submit":
            _, job_id, _, ntime, nonce = message["params"]
            shares.append(message["params"])
            miner.submit(ours[job_id], ntime=ntime, nonce=nonce)
    world.advance(1)
    return world, miner, shares


def test_ckpool_and_cpuminer(monkeypatch: pytest.MonkeyPatch) -> None:
    world, miner, shares = replay("ckpool_cpuminer.jsonl", 8, 0.003, monkeypatch)
    results = world.events_of(ShareResult)
    verdicts = {(row["ntime"], row["nonce"]): row for row in recorded("ckpool_cpuminer_shares.jsonl")}
    assert len(results) == len(shares) > 30
    assert [submit[1:] for submit in world.pools["A"].submits] == [share[1:] for share in shares]
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
    compared = 0
    for share, result in zip(shares, results, strict=True):
        row = verdicts.get((share[3], share[4]))
        if row is not None:
            compared += 1
            assert result.true_difficulty == pytest.approx(row["sdiff"], rel=1e-12)
            assert result.header_hash.hex() == row["hash"]
    assert compared == 33
    assert all(len(params[2]) > len("01000000") for params in miner.all("mining.notify"))


def test_publicpool_and_cpuminer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four bytes of extranonce2: no padding, so the proxy makes the issues of a job differ by ntime."""
    world, _, shares = replay("publicpool_cpuminer.jsonl", 4, 0.1, monkeypatch)
    results = world.events_of(ShareResult)
    assert len(shares) == 3
    assert [submit[1:] for submit in world.pools["A"].submits] == [share[1:] for share in shares]
    assert all(result.true_difficulty >= 0.1 for result in results)
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
