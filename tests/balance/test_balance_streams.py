"""Recorded dialogues of real pools, and any stream of jobs whatever: the observer keeps its promises."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.balance.observed import Observer
from proxy.observe.events import PoolNotify
from proxy.stratum.difficulty import network_difficulty
from proxy.types import Chain, ConnectionId, PoolKey
from tests.balance.balance_cast import job
from tests.support.clock import VirtualClock

WIRE = Path(__file__).parents[1] / "wire"


def recorded(name: str, extranonce1: bytes, extranonce2_size: int) -> list[PoolNotify]:
    """The jobs of a recorded dialogue."""
    messages = [json.loads(line)["m"] for line in (WIRE / name).read_text().splitlines()]
    jobs = [
        message["params"]
        for message in messages
        if isinstance(message, dict) and message.get("method") == "mining.notify"
    ]
    return [
        PoolNotify(
            pool=PoolKey(name[0].upper()),
            connection=ConnectionId(1),
            chain=Chain.BTC,
            job=params[0],
            prevhash=bytes.fromhex(params[1]),
            version=int(params[5], 16),
            nbits=int(params[6], 16),
            ntime=int(params[7], 16),
            clean=params[8],
            coinbase1=bytes.fromhex(params[2]),
            extranonce1=extranonce1,
            extranonce2_size=extranonce2_size,
            coinbase2=bytes.fromhex(params[3]),
        )
        for params in jobs
    ]


def test_recorded_jobs_of_two_pools_tell_height_difficulty_and_fees():
    observer = Observer(clock=VirtualClock())
    jobs = recorded("ckpool_cpuminer.jsonl", bytes.fromhex("05d4026b"), 8)
    jobs += recorded("publicpool_cpuminer.jsonl", bytes.fromhex("d1ac0439"), 4)
    assert len(jobs) >= 2
    for one in jobs:
        observer.observe(one)
    blocks = observer.blocks(Chain.BTC)
    assert blocks[0].height == 850_001
    assert len({block.height for block in blocks}) == len(blocks)
    assert blocks[0].difficulty == network_difficulty(0x1B4188F5)
    reading = observer.reading(Chain.BTC, 6, 72)
    assert 0 <= reading.fee < 1


def test_two_recorded_tips_at_one_height_are_one_block():
    observer = Observer(clock=VirtualClock())
    first = recorded("ckpool_cpuminer.jsonl", bytes.fromhex("05d4026b"), 8)[0]
    second = recorded("publicpool_cpuminer.jsonl", bytes.fromhex("d1ac0439"), 4)[0]
    observer.observe(first)
    observer.observe(second)
    assert first.prevhash != second.prevhash
    assert [block.height for block in observer.blocks(Chain.BTC)] == [850_001]


JOB = st.tuples(
    st.integers(0, 40),
    st.sampled_from("ABC"),
    st.integers(0, 2),
    st.floats(0, 4000),
    st.sampled_from([0, 0x17020000, 0x1D00FFFF, 0xFFFFFFFF]),
    st.binary(max_size=60) | st.none(),
)


@pytest.mark.no_cover
@settings(max_examples=150, deadline=None)
@given(st.lists(JOB, max_size=60))
def test_any_stream_of_jobs_leaves_rising_heights_and_times_and_usable_spans(stream):
    clock = VirtualClock()
    observer = Observer(clock=clock)
    for height, pool, fork, pause, bits, garbage in stream:
        clock.advance(pause)
        notify = job(Chain.BTC, 900_000 + height, pool=pool, fork=fork, bits=bits)
        observer.observe(notify if garbage is None else replace(notify, coinbase1=garbage))
    blocks = observer.blocks(Chain.BTC)
    for earlier, later in pairwise(blocks):
        assert earlier.height < later.height
        assert earlier.announced_at <= later.announced_at
    reading = observer.reading(Chain.BTC, 2, 6)
    spans = reading.spans if reading else ()
    assert all(span.seconds > 0 and span.difficulty > 0 for span in spans)
    assert [span.blocks for span in spans] == sorted({span.blocks for span in spans})
