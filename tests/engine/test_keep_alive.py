"""A silent connection is kept alive by a message that changes nothing for the miner."""

from typing import Any

import orjson
import pytest

from proxy.observe.events import JobForwarded
from tests.support.world import ScriptedMiner, World

QUIET_S = 125


class QueueOfDifficulties:
    """What cgminer 4.11.1 makes of the lines it gets: difficulties queue up, each notify takes one from the queue."""

    def __init__(self) -> None:
        self.queue: list[float] = []
        self.difficulty = 1.0
        self.jobs: dict[str, float] = {}

    def take(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line.get("method") == "mining.set_difficulty":
                self.queue.append(line["params"][0])
            elif line.get("method") == "mining.notify":
                if self.queue:
                    self.difficulty = self.queue.pop(0)
                self.jobs[line["params"][0]] = self.difficulty


def quiet_for(miner: ScriptedMiner, seconds: int = QUIET_S) -> list[dict[str, Any]]:
    """What a miner hears while its pool says nothing."""
    before = len(miner.lines)
    for _ in range(seconds):
        miner.world.advance(1)
    return miner.lines[before:]


@pytest.mark.parametrize("mask", ["1fffe000", None])
def test_cgminers_queue_of_difficulties_gives_each_job_the_difficulty_it_was_issued_with(mask: str | None) -> None:
    world = World({"A": 8, "B": 8}, difficulty=64)
    miner = world.miner("cgminer/4.11.1", mask=mask)
    for round_ in range(12):
        quiet_for(miner, 130 if round_ % 3 == 1 else 5)
        for pool in world.pools.values():
            pool.push("mining.set_difficulty", [64 * (round_ + 2)])
            pool.notify()
        world.advance(1)
    cgminer = QueueOfDifficulties()
    cgminer.take(miner.lines)
    issued = {job.job: job.difficulty for job in world.events_of(JobForwarded)}
    assert len(issued) > 12
    assert {job: cgminer.jobs[job] for job in issued} == issued


@pytest.mark.no_cover
@pytest.mark.parametrize("agent", ["cgminer/4.11.1", "bitaxe/BM1370/v2.15.0", "whatsminer/v1.1", "some/1.0"])
def test_a_difficulty_always_has_a_job_directly_behind_it(agent: str) -> None:
    world = World({"A": 8, "B": 4}, difficulty=64)
    miner = world.miner(agent, mask="1fffe000")
    for number in range(10):
        quiet_for(miner, 60)
        world.pools["A"].push("mining.set_difficulty", [64 + number])
        world.pools["B"].notify(new_block=number % 2 == 0)
    methods = [line.get("method") for line in miner.lines]
    behind = [methods[at + 1] for at, method in enumerate(methods) if method == "mining.set_difficulty"]
    assert behind
    assert set(behind) == {"mining.notify"}


def test_firmware_that_rolls_versions_hears_its_mask_again() -> None:
    world = World({"A": 8}, difficulty=64)
    miner = world.miner("cgminer/4.11.1", mask="1fffe000")
    world.advance(1)
    world.pools["A"].push("mining.set_difficulty", [128])
    heard = quiet_for(miner)
    assert [(line["method"], line["params"]) for line in heard] == [("mining.set_version_mask", ["1fffe000"])] * 2


@pytest.mark.parametrize(
    ("agent", "method"),
    [
        ("cpuminer/2.5.1", "mining.ping"),
        ("NerdMinerV2/1.8", "mining.ping"),
        ("unheard-of/1", "mining.ping"),
        ("bfgminer/5.5", "client.get_version"),
    ],
)
def test_other_firmware_is_asked_something_that_it_may_answer(agent: str, method: str) -> None:
    world = World({"A": 8})
    miner = world.miner(agent)
    world.advance(1)
    heard = quiet_for(miner)
    assert [(line["method"], line["params"]) for line in heard] == [(method, [])] * 2
    assert all(type(line["id"]) is int and 10**9 < line["id"] < 2**31 for line in heard)


ANSWERS: list[dict[str, Any]] = [
    {"result": "pong", "error": None},
    {"method": "pong", "params": []},
    {"method": "pong"},
    {"method": "mining.pong"},
    {"method": "pong", "params": "pong"},
    {"method": "pong", "params": {}},
    {"result": None, "error": None},
    {"result": True},
    {"result": "bfgminer/5.5", "error": None},
    {"result": None, "error": [20, "Not supported", None]},
    {"result": None, "error": "Unknown method"},
    {"error": {"code": -3, "message": "no such method"}},
    {"result": False},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_whatever_the_miner_makes_of_a_ping_is_not_answered_and_costs_nothing(answer: dict[str, Any]) -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    ping = quiet_for(miner, 60)[0]
    before = len(miner.lines)
    for _ in range(200):
        miner.raw(orjson.dumps({"id": ping["id"], **answer}) + b"\n")
    assert miner.lines[before:] == []
    assert not miner.link.closed
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


def test_a_miner_without_work_is_kept_alive_too() -> None:
    world = World({})
    rolling, plain = world.miner(mask="1fffe000"), world.miner(user="addr.other")
    assert {line["method"] for line in quiet_for(rolling)} == {"mining.set_version_mask"}
    assert len(plain.all("mining.ping")) == 2
