"""Whatever a pool says, in answers or by itself: no exception of ours, and without it the other pool is enough."""

import json
from typing import Any

import pytest

from tests.fuzz.conftest import Fuzz, seeds
from tests.fuzz.mutation import Mutator
from tests.fuzz.world import FuzzedWorld

pytestmark = pytest.mark.no_cover

WAITS_S = (0.0, 0.0, 0.1, 1.0, 20.0, 130.0)
CASES = 25
"""In the suite: a case is minutes of a whole proxy."""
Case = dict[str, Any]
"""``answers``: a seed by which what the pool says anyway is changed, or nothing. ``steps``: bytes as Latin-1 text that
it says beside, and the seconds after them."""


def make(seed: str) -> Case:
    mutator = Mutator(seed)
    random = mutator.random
    lines = [line for line, _ in random.choice(seeds("pool"))["steps"]]
    steps = []
    for line in random.choices(lines, k=random.choice((1, 4, 12))):
        changed = mutator.line(line.encode("latin-1")) if random.random() < 0.6 else line.encode("latin-1")
        steps.append([changed.decode("latin-1"), random.choice(WAITS_S)])
    return {"answers": seed if random.random() < 0.5 else "", "steps": steps}


def run(case: Case) -> None:
    world = FuzzedWorld()
    pool = world.pools["B"]
    miner = world.miner(user="addr.other", mask="ffffffff")
    if case["answers"]:
        mutator = Mutator(case["answers"])
        pool.spoil = lambda line: mutator.line(line) if mutator.random.random() < 0.3 else line
    for text, wait_s in case["steps"]:
        for connection in list(pool.connections):
            asked = json.dumps(next(iter(connection.received[-1:]), {}).get("id", 1))
            if not connection.link.closed:
                connection.handler.received(text.replace('"{id}"', asked).encode("latin-1"))
        if not miner.link.closed and miner.all("mining.notify"):
            miner.submit(nonce=f"{int(world.clock.now() * 10):08x}")
        world.advance(wait_s)
        world.look()
    pool.reachable = False
    pool.drop()
    world.check()


def test_no_line_of_a_pool_is_an_exception(fuzz: Fuzz) -> None:
    for case in seeds("pool"):
        run(case)
    fuzz(make, run, CASES)
