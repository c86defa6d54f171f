"""Best shares, luck, effort."""

from dataclasses import replace
from math import exp

import pytest

from proxy.chains.luck import DAY_S, block_odds, effort, seconds_per_block
from proxy.config.snapshot import ConfigSnapshot, Endpoint, Limits, PoolConfig
from proxy.history import Accounting
from proxy.history.effort import EffortMeter
from proxy.history.records import FRESH_KEPT, TOP, Record, Records
from proxy.observe.events import BestShare, BlockFound, EventStream
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, Reason, WorkerName
from tests.support.shares import ANN, BOB, A, B, Heard, refused, share


def config():
    return ConfigSnapshot(
        pools={
            key: PoolConfig(key=key, chain=chain, wallet="w", endpoints=(Endpoint(host="pool", port=1),))
            for key, chain in ((A, Chain.BTC), (B, Chain.BCH))
        }
    )


@pytest.fixture
def world():
    class World:
        clock, events = VirtualClock(), EventStream()

    World.heard = Heard(World.events, BestShare)
    World.records = Records(clock=World.clock, events=World.events)
    World.records.apply(config())
    return World


def own(records: Records, worker: WorkerName, chain: Chain) -> Record:
    return records._boards[chain].own[worker]


def top(records: Records, chain: Chain) -> list[Record]:
    """The chain's best shares, best first: what is not among them is not written."""
    return list(records._boards[chain].top)


def test_a_record_is_told_with_what_it_beat(world):
    for true in (5.0, 3.0, 9.0, 9.0):
        world.events.emit(share(true=true, header_hash=bytes([int(true)]) * 32))
    assert [(event.true_difficulty, event.previous, event.chain) for event in world.heard.all] == [
        (5.0, 0.0, Chain.BTC),
        (9.0, 5.0, Chain.BTC),
    ]
    record = own(world.records, ANN, Chain.BTC)
    assert (record.true_difficulty, record.pool, record.header_hash) == (9.0, A, b"\x09" * 32)
    assert record.at == world.clock.wall()


def test_chains_and_workers_have_records_of_their_own(world):
    world.events.emit(share(ANN, A, true=5.0))
    world.events.emit(share(ANN, B, true=4.0))
    world.events.emit(share(BOB, B, true=7.0))
    assert own(world.records, ANN, Chain.BCH).true_difficulty == 4.0
    assert world.records.best_of(ANN).true_difficulty == 5.0
    assert [record.worker for record in top(world.records, Chain.BCH)] == [BOB, ANN]


def test_new_names_without_end_have_no_records_of_their_own_but_a_place_in_the_top_list(world):
    world.records.apply(replace(config(), limits=Limits(max_workers=100)))
    for number in range(200):
        world.events.emit(share(WorkerName(f"w{number}"), A, true=1000.0 + number))
    names = [record.worker for record in world.records.take()]
    assert WorkerName("w99") in world.records._boards[Chain.BTC].own
    assert WorkerName("w100") not in world.records._boards[Chain.BTC].own
    assert "w199" in names and top(world.records, Chain.BTC)[0].worker == "w199"
    before = len(world.heard.all)
    world.events.emit(share(WorkerName("w200"), A, true=1.0))
    world.events.emit(share(WorkerName("w0"), A, true=2000.0))
    assert [event.worker for event in world.heard.all[before:]] == ["w0"]


def test_refused_shares_set_no_record(world):
    world.events.emit(refused(Reason.STALE, true=1e12))
    assert world.records.take() == [] and world.heard.all == []


def test_the_top_list_is_the_best_of_all_and_bounded(world):
    for number in range(500):
        world.events.emit(share(true=float(number * 7919 % 500 + 1), header_hash=number.to_bytes(32, "big")))
    assert [record.true_difficulty for record in top(world.records, Chain.BTC)] == [500.0 - n for n in range(TOP)]


def test_records_go_on_after_a_restart(world):
    world.events.emit(share(true=100.0))
    later = Records(clock=world.clock, events=world.events)
    later.apply(config())
    later.restore(world.records.take())
    world.heard.all.clear()
    world.events.emit(share(true=50.0))
    assert [event for event in world.heard.all if event.true_difficulty == 50.0] == []
    assert later.best_of(ANN).true_difficulty == 100.0


def test_odds_and_effort_follow_from_rate_and_difficulty():
    rate, difficulty = 100e12, 1e14
    per_day = rate * DAY_S / (difficulty * 2**32)
    assert block_odds(rate, difficulty, DAY_S) == pytest.approx(1 - exp(-per_day))
    assert seconds_per_block(rate, difficulty) == pytest.approx(DAY_S / per_day)
    assert block_odds(0.0, difficulty, DAY_S) == 0.0 and seconds_per_block(0.0, difficulty) is None
    assert effort(5e13, 1e14) == 0.5 and effort(1.0, 0.0) is None


def test_effort_counts_work_since_the_pools_last_block(world):
    accounting = Accounting(clock=world.clock, events=world.events)
    meter = EffortMeter(clock=world.clock, events=world.events, accounting=accounting)
    meter.apply(config())
    world.events.emit(share(difficulty=10.0))
    world.events.emit(share(pool=B, difficulty=3.0))
    found = {"worker": ANN, "pool": A, "chain": Chain.BTC, "header_hash": bytes(32)}
    world.events.emit(BlockFound(**found, accepted=False))
    assert meter.since_block(A) == 10.0
    world.events.emit(BlockFound(**found, accepted=True))
    world.events.emit(share(difficulty=2.0))
    assert (meter.since_block(A), meter.since_block(B)) == (2.0, 3.0)
    marks = meter.take()
    assert {(mark.scope, mark.work, mark.blocks) for mark in marks} == {("pool:A", 10.0, 1), ("chain:BTC", 10.0, 1)}
    later = EffortMeter(clock=world.clock, events=world.events, accounting=accounting)
    later.restore(marks)
    assert later.since_block(A) == 2.0


def test_where_there_are_too_many_names_the_weakest_is_forgotten_and_only_it(world, monkeypatch):
    monkeypatch.setattr("proxy.history.records.MAX_OWN", 3)
    for name, true in (("a", 5.0), ("b", 2.0), ("c", 9.0), ("d", 1.0)):
        world.events.emit(share(name, A, true=true))
    assert [world.records.best_of(name) is not None for name in "abcd"] == [True, False, True, True]


def test_first_shares_of_a_large_fleet_all_wait_for_the_ledger(world):
    for number in range(1000):
        world.events.emit(share(f"rig{number}", A, true=float(number + 1), header_hash=number.to_bytes(32, "big")))
    assert len({record.worker for record in world.records.take()}) == 1000
    assert world.records.take() == []


def test_records_that_nobody_takes_are_bounded_and_the_strongest_stay(world):
    for number in range(1, FRESH_KEPT + 2):
        world.events.emit(share(true=float(number), header_hash=number.to_bytes(32, "big")))
    kept = world.records.take()
    assert len(kept) <= FRESH_KEPT and kept[0].true_difficulty == FRESH_KEPT + 1
