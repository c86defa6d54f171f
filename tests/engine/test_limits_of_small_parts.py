"""Bounds and edges of the engine's small parts, each by itself."""

import pytest

from proxy.config.snapshot import Endpoint, PoolConfig
from proxy.engine import jobs
from proxy.engine.assigned_difficulty import suitable_difficulty
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.refusals import Refusals
from proxy.engine.session import Session
from proxy.observe.events import EventStream, MinerRefused
from proxy.stratum import downstream
from proxy.types import PoolKey
from tests.support.clock import VirtualClock
from tests.support.world import World


def test_the_operators_cap_holds_for_what_a_pool_is_asked_for() -> None:
    pool = PoolConfig(
        key=PoolKey("A"), wallet="w", endpoints=(Endpoint(host="pool.test", port=1),), max_difficulty=100.0
    )
    asked = suitable_difficulty(5_000.0, 0.0, pool, hashrate=0.0, hashes_per_difficulty=1.0, estimated=False)
    assert asked == 100.0


def test_a_difficulty_that_nobody_worked_at_holds_nobody() -> None:
    assert ProductiveDifficulty().held(1.0, 5.0) == 0.0


def test_what_was_not_reported_yet_is_reported_at_the_end() -> None:
    events, seen = EventStream(), list[MinerRefused]()
    events.subscribe(MinerRefused, seen.append)
    refusals = Refusals(VirtualClock(), events)
    for _ in range(3):
        refusals.add("10.0.0.1", "10.0.0.1:4000", "max_sessions")
    refusals.close()
    assert [event.connections for event in seen] == [1, 2]


def test_shares_and_times_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_SHARES_REMEMBERED", 2)
    monkeypatch.setattr(jobs, "FEW_SHARES", 1)
    world = World({"A": 4})
    miner = world.miner()
    world.advance(2)
    for number in range(1, 6):
        miner.submit(nonce=f"{number:08x}")
    world.advance(1)
    assert len(world.pools["A"].submits) == 5
    table = miner.session.jobs
    assert table is not None
    worked_on = table.find(miner.all("mining.notify")[-1][0])
    assert worked_on is not None and len(worked_on.shares) == 2
    for _ in range(2 * jobs.MAX_CONTENTS):
        world.pools["A"].notify(new_block=True)
        world.advance(0.1)
    assert len(table._ntimes) == jobs.MAX_CONTENTS


def test_one_connection_has_a_bounded_number_of_workers_and_submits_only_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downstream, "MAX_USERS", 3)
    world = World({"A": 8})
    miner = world.miner(handshake=False)
    miner.call("mining.subscribe", ["cpuminer/2.5.1"], 2)
    miner.call("mining.submit", ["addr.rig", "1", "00", "68000000", "00000001"], 3)
    assert miner.answers(3)[0]["error"][0] == 24
    for number in range(4):
        miner.call("mining.authorize", [f"addr.rig{number}", "x"], 10 + number)
    assert [miner.answers(10 + number)[0]["error"] is None for number in range(4)] == [True, True, True, False]


def test_what_is_sent_while_replies_wait_comes_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(2)
    monkeypatch.setattr(Session, "miner_suggested", lambda self, _: self.downstream.push(b'{"id": "pushed"}\n'))
    before = len(miner.lines)
    unknown = b'{"id": 50, "method": "mining.unheard_of", "params": []}\n'
    miner.raw(unknown + b'{"id": 51, "method": "mining.suggest_difficulty", "params": [4]}\n')
    assert [line["id"] for line in miner.lines[before:]][:2] == [50, "pushed"]


def test_nothing_is_read_of_a_connection_that_was_cut_off() -> None:
    world = World({"A": 8})
    miner = world.miner(handshake=False)
    miner.session.downstream.cut_off("it costs too much")
    miner.raw(b"GET / HTTP/1.1\r\n\r\n")
    assert miner.lines == []


def test_the_shares_that_a_session_remembers_are_bounded_over_all_its_jobs_and_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "MAX_SHARES_OF_SESSION", 10)
    monkeypatch.setattr(jobs, "FEW_SHARES", 2)
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    for _ in range(6):
        for nonce in range(4):
            miner.submit(nonce=f"{nonce:08x}")
        world.pools["A"].notify()
        world.advance(1)
    table = miner.session.jobs
    assert table is not None
    forgotten = table.find(miner.all("mining.notify")[-5][0])
    assert forgotten is not None and forgotten.shares is jobs.FORGOTTEN
    made = [issued for issued in table._by_id.values() if isinstance(issued, jobs.IssuedJob)]
    assert [len(issued.shares) for issued in made][-5:] == [1, 1, 4, 4, 0]
    last = miner.all("mining.notify")[-2]
    again = miner.submit(last, nonce="00000001")
    assert miner.answers(again)[0]["error"][0] == 22, "what was sent lately is still known"
