"""Whatever a miner says: no exception of ours, no pool is dialled for it again and again, and others go on."""

import json
from typing import Any

from tests.fuzz.conftest import Fuzz, seeds
from tests.fuzz.mutation import Mutator
from tests.fuzz.world import FuzzedWorld
from tests.support.world import ScriptedMiner

WAITS_S = (0.0, 0.0, 0.0, 0.1, 1.0, 15.0, 130.0)
DIALS_EACH = 6
"""Of one miner in one case: both pools, and once more each for a new extranonce, a new mask or after a loss."""

Step = list[Any]
"""Bytes as Latin-1 text, and the seconds after them."""


def make(seed: str) -> list[Step]:
    """Lines of one session's corpus, changed, in order or not, with pauses."""
    mutator = Mutator(seed)
    random = mutator.random
    session = [line for line, _ in random.choice(seeds("miner"))]
    others = [line for other in seeds("miner") for line, _ in other]
    steps = []
    for line in session:
        for _ in range(random.choice((0, 1, 1, 1, 1, 1, 2))):
            changed = mutator.line(line.encode("latin-1")) if random.random() < 0.5 else line.encode("latin-1")
            steps.append([changed.decode("latin-1"), random.choice(WAITS_S)])
    for _ in range(random.choice((0, 1, 5))):
        changed = mutator.line(random.choice(others).encode("latin-1"))
        steps.insert(random.randint(0, len(steps)), [changed.decode("latin-1"), random.choice(WAITS_S)])
    return steps


def run(steps: list[Step]) -> None:
    world = FuzzedWorld()
    dials = len(world.dialer.dials)
    miner = world.miner(handshake=False)
    connections = 1
    for text, wait_s in steps:
        if miner.link.closed:
            miner, connections = world.miner(handshake=False), connections + 1
        miner.raw(filled(text, miner).encode("latin-1"))
        world.advance(wait_s)
        world.look()
    world.advance(60)
    most = DIALS_EACH * (connections + 1) + sum(wait_s for _, wait_s in steps) / 10
    assert len(world.dialer.dials) - dials <= most, (len(world.dialer.dials) - dials, connections)
    world.check()


def filled(text: str, miner: ScriptedMiner) -> str:
    """With the job that the miner has."""
    jobs = miner.all("mining.notify")
    job, ntime = (jobs[-1][0], jobs[-1][7]) if jobs else ("1", "68000000")
    answers = [line["result"] for line in miner.lines if isinstance(line.get("result"), list)]
    sizes = [answer[2] for answer in answers if len(answer) == 3]
    extranonce2 = "00" * (sizes[-1] if sizes else 4)
    return text.replace("{job}", job).replace("{ntime}", ntime).replace("{extranonce2}", extranonce2)


def test_no_line_of_a_miner_is_an_exception(fuzz: Fuzz) -> None:
    for steps in seeds("miner"):
        run(steps)
    fuzz(make, run)


def test_a_case_is_json() -> None:
    assert json.loads(json.dumps(make("1"))) == make("1")
