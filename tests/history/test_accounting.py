"""Every share is counted once, where it belongs."""

import random
from collections import Counter

import pytest

from proxy.config.snapshot import ConfigSnapshot, Limits
from proxy.history import NO_POOL, OTHERS, Accounting, Counts, Stored
from proxy.observe.events import EventStream, NamesStoredTogether
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import DecidedBy, Reason, Verdict, WorkerName
from tests.support.shares import ANN, BOB, A, B, all_workers, gone, ready, refused, share


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def events():
    return EventStream()


@pytest.fixture
def accounting(clock, events):
    return Accounting(clock=clock, events=events, hashes_per_difficulty=1000.0)


def test_a_share_that_only_proved_work_is_counted_as_such(accounting, events):
    events.emit(ready(1, ANN))
    for reached in (9.0, 11.0):
        events.emit(share(ANN, A, 8.0, true=reached, verdict=Verdict.WORK, by=DecidedBy.PROXY))
    total = accounting.worker(ANN).total
    assert (total.accepted, total.work_only, total.credited, total.work, total.best) == (0, 2, 0.0, 16.0, 11.0)


def test_work_alone_keeps_a_name_among_those_that_work(accounting, events):
    accounting.apply(ConfigSnapshot(limits=Limits(max_workers=3)))
    for number in range(3):
        events.emit(ready(number, WorkerName(f"w{number}")))
        events.emit(share(WorkerName(f"w{number}"), A, session=number, verdict=Verdict.WORK, by=DecidedBy.PROXY))
    stored(accounting)
    events.emit(share(ANN, A, session=9))
    assert accounting.worker(OTHERS).total.accepted == 1
    assert all(accounting.worker(WorkerName(f"w{number}")).total.work_only == 1 for number in range(3))


def test_shares_are_counted_by_worker_pool_reason_and_who_decided(accounting, events):
    events.emit(share(ANN, A, 8.0, credited=4.0))
    events.emit(share(ANN, B, 2.0, true=77.0))
    events.emit(refused(Reason.STALE))
    events.emit(refused(Reason.UNKNOWN_JOB, pool=None, by=DecidedBy.PROXY, true=0.0))
    events.emit(refused(Reason.DUPLICATE, by=DecidedBy.PROXY))
    events.emit(share(verdict=Verdict.UNANSWERED, reason=Reason.POOL_LOST, by=DecidedBy.PROXY))
    ann = accounting.worker(ANN)
    assert (ann.total.accepted, ann.total.rejected, ann.total.unanswered, ann.total.submitted) == (2, 3, 1, 6)
    assert (ann.total.stale, ann.total.duplicate) == (2, 1)
    assert ann.total.rejects == {
        (Reason.STALE, DecidedBy.POOL): 1,
        (Reason.UNKNOWN_JOB, DecidedBy.PROXY): 1,
        (Reason.DUPLICATE, DecidedBy.PROXY): 1,
    }
    assert ann.total.credited == 6.0
    assert ann.total.best == 77.0
    assert ann.pools[NO_POOL].rejected == 1
    assert [key for key in accounting.pool_work_total() if accounting.pool(key).last_share_at] == [A, B]
    assert accounting.pool(A).total.accepted == 1
    assert accounting.fleet().total.submitted == 6


def test_work_is_what_shares_prove_not_what_is_credited(accounting, events):
    events.emit(share(ANN, A, 8.0, credited=4.0))
    events.emit(refused(Reason.STALE, difficulty=8.0))
    events.emit(refused(Reason.FRACTION, difficulty=8.0, by=DecidedBy.PROXY))
    events.emit(refused(Reason.LOW_DIFFICULTY, difficulty=8.0, true=3.0, by=DecidedBy.PROXY))
    events.emit(refused(Reason.DUPLICATE, difficulty=8.0, by=DecidedBy.PROXY))
    assert accounting.worker(ANN).total.work == 24.0
    assert accounting.worker(ANN).total.credited == 4.0


def test_a_block_below_what_the_miner_was_told_is_credited_and_is_no_work(accounting, events, clock):
    events.emit(share(ANN, A, 64.0, true=8.0))
    events.emit(refused(Reason.OTHER, difficulty=64.0, true=8.0))
    total = accounting.worker(ANN).total
    assert (total.accepted, total.rejected, total.credited, total.work, total.best) == (1, 1, 64.0, 0.0, 8.0)


def test_of_a_worker_that_nobody_knows_nothing_is_said(accounting):
    assert accounting.stamp(WorkerName("nobody")) == -1
    assert accounting.answered(WorkerName("nobody")) == (-1, None, 0, 0)


def test_shares_that_went_no_further_are_good_and_answered(accounting, events):
    events.emit(share(ANN, A, 8.0))
    events.emit(share(ANN, A, 8.0, verdict=Verdict.WORK, by=DecidedBy.PROXY))
    events.emit(refused(Reason.STALE, by=DecidedBy.PROXY))
    events.emit(share(ANN, A, 8.0, verdict=Verdict.UNANSWERED))
    total = accounting.worker(ANN).total
    assert (total.accepted, total.good, total.answered, total.submitted) == (1, 2, 3, 4)
    assert accounting.answered(ANN)[2:] == (2, 1)


def test_a_worker_with_two_connections_is_one_worker(accounting, events, clock):
    events.emit(ready(1))
    events.emit(ready(2))
    events.emit(ready(3, BOB))
    assert accounting.worker(ANN).connections == 2
    assert accounting.fleet().connections == 3
    events.emit(gone(1))
    events.emit(gone(1))
    assert accounting.worker(ANN).connections == 1
    events.emit(gone(2))
    assert accounting.worker(ANN).connections == 0


def test_a_second_worker_on_one_connection_appears_with_its_first_share(accounting, events):
    events.emit(ready(1))
    events.emit(share(BOB, session=1))
    assert accounting.worker(BOB).connections == 1
    events.emit(gone(1))
    assert accounting.worker(BOB).connections == 0


def test_names_are_bounded_and_the_totals_are_not_touched_by_it(accounting, events):
    accounting.apply(ConfigSnapshot(limits=Limits(max_workers=3)))
    for number in range(10):
        events.emit(share(WorkerName(f"w{number}"), session=number))
    names = [tally.worker for tally in all_workers(accounting)]
    assert len(names) == 4 and OTHERS in names
    assert accounting.fleet().total.accepted == 10
    assert sum(tally.total.accepted for tally in all_workers(accounting)) == 10


def test_where_all_names_work_newcomers_are_counted_together_and_looked_at_now_and_then(accounting, events, clock):
    accounting.apply(ConfigSnapshot(limits=Limits(max_workers=3)))
    for number in range(3):
        events.emit(ready(number, WorkerName(f"w{number}")))
        events.emit(share(WorkerName(f"w{number}"), session=number))
    events.emit(ready(3, ANN))
    events.emit(share(ANN, session=3))
    events.emit(gone(0, WorkerName("w0")))
    stored(accounting)
    events.emit(share(ANN, session=3))
    assert accounting.worker(ANN) is None and accounting.worker(OTHERS).total.accepted == 2
    clock.advance(10.0)
    events.emit(share(ANN, session=3))
    assert accounting.worker(ANN).total.accepted == 1 and accounting.worker(WorkerName("w0")) is None


def test_names_that_left_make_room_for_new_ones(accounting, events):
    accounting.apply(ConfigSnapshot(limits=Limits(max_workers=3)))
    for number in range(10):
        events.emit(ready(number, WorkerName(f"w{number}")))
        events.emit(gone(number, WorkerName(f"w{number}")))
    assert [tally.worker for tally in all_workers(accounting)] == ["w7", "w8", "w9"]


def stored(accounting):
    """What the writer gets: shares by the name under which they are stored."""
    sums = Counter()
    for delta in accounting.take():
        sums[delta.worker] += delta.counts.accepted + sum((delta.counts.rejects or {}).values())
    return sums


def test_new_names_beyond_what_history_takes_are_stored_together_and_shown_by_their_own(accounting, events, clock):
    told: list[NamesStoredTogether] = []
    events.subscribe(NamesStoredTogether, told.append)
    accounting.restore([Stored(worker=WorkerName("old"), pool=A, counts=Counts())])
    accounting.apply(ConfigSnapshot(limits=Limits(max_workers=20)))

    def stored_of(numbers):
        sums = Counter()
        for number in numbers:
            events.emit(share(WorkerName(f"w{number}"), session=number))
            sums += stored(accounting)
            assert accounting.worker(WorkerName(f"w{number}")).total.accepted == 1, "shown by its own name"
            events.emit(gone(number, WorkerName(f"w{number}")))
        return sums

    assert len(stored_of(range(20))) == 20 and not told
    assert stored_of(range(100, 130)) == {OTHERS: 30}, "nothing is lost"
    assert [event.stored_as for event in told] == [OTHERS]
    events.emit(share(WorkerName("old"), session=200))
    events.emit(share(WorkerName("w0"), session=0))
    assert set(stored(accounting)) == {"old", "w0"}, "whoever is known stays known"
    clock.advance(3600)
    assert len(set(stored_of(range(300, 310))) - {OTHERS}) == 2, "a tenth of the limit in each hour after"
    assert len(told) == 2


def test_names_without_an_accepted_share_cannot_take_the_places_of_those_that_work(accounting, events):
    accounting.apply(ConfigSnapshot(limits=Limits(max_workers=200)))
    for number in range(150):
        events.emit(ready(number, WorkerName(f"honest{number}")))
        events.emit(share(WorkerName(f"honest{number}"), session=number))
    for number in range(1000):
        events.emit(refused(Reason.LOW_DIFFICULTY, worker=WorkerName(f"w{number}"), session=1000 + number // 64))
        stored(accounting)
    events.emit(ready(5000, ANN))
    events.emit(share(ANN, session=5000))
    assert stored(accounting) == {ANN: 1}
    assert accounting.worker(ANN).connections == 1
    assert all(accounting.worker(WorkerName(f"honest{number}")) for number in range(150))


@pytest.mark.no_cover
def test_slices_hold_each_share_once_in_its_minute(accounting, events, clock):
    rng = random.Random(7)
    sums, minutes = {}, {}
    for _ in range(2000):
        clock.advance(rng.expovariate(0.5))
        worker, pool = rng.choice([ANN, BOB]), rng.choice([A, B])
        difficulty = rng.uniform(0.001, 1e9)
        events.emit(share(worker, pool, difficulty))
        minute = int(clock.wall() // 60) * 60
        sums[worker, pool] = sums.get((worker, pool), 0.0) + difficulty
        minutes[minute] = minutes.get(minute, 0) + 1
        if rng.random() < 0.05:
            _take(accounting, sums, minutes)
    _take(accounting, sums, minutes)
    assert all(count == 0 for count in minutes.values())
    assert all(abs(left) < 1e-3 for left in sums.values())
    assert accounting.take() == []
    assert accounting.fleet().total.accepted == 2000


def _take(accounting, sums, minutes):
    for piece in accounting.take():
        sums[piece.worker, piece.pool] -= piece.counts.credited
        minutes[piece.minute] -= piece.counts.accepted


def test_totals_go_on_after_a_restart(accounting, events, clock):
    counts = Counts()
    counts.accepted, counts.credited, counts.best = 10, 50.0, 7.0
    counts.rejects = {(Reason.STALE, DecidedBy.POOL): 2}
    accounting.restore([Stored(worker=ANN, pool=A, counts=counts, last_share_at=clock.wall() - 100)])
    assert accounting.worker(ANN).last_share_at == pytest.approx(clock.wall() - 100)
    assert accounting.take() == []
    events.emit(share(ANN, A, 5.0))
    ann = accounting.worker(ANN).total
    assert (ann.accepted, ann.rejected, ann.credited, ann.best) == (11, 2, 55.0, 10.0)
    assert accounting.pool(A).total.credited == 55.0
    assert [piece.counts.accepted for piece in accounting.take()] == [1]


def test_the_time_of_pool_answers_is_kept_as_percentiles(accounting, events):
    for milliseconds in range(1, 101):
        events.emit(share(latency_s=milliseconds / 1000))
    events.emit(refused(Reason.DUPLICATE, by=DecidedBy.PROXY))
    trip = accounting.pool(A).round_trip
    assert trip.count == 100
    assert (trip.p50, trip.p90, trip.p99) == pytest.approx((0.05, 0.09, 0.099), abs=0.0011)


def test_waiting_times_are_bounded_in_memory(accounting, events):
    for _ in range(5000):
        events.emit(share(latency_s=1.0))
    for _ in range(600):
        events.emit(share(latency_s=0.001))
    assert accounting.pool(A).round_trip.count == 512
    assert accounting.pool(A).round_trip.p99 == 0.001


def test_a_connection_that_is_announced_twice_counts_once(accounting, events):
    events.emit(ready(1))
    events.emit(ready(1))
    assert accounting.worker(ANN).connections == accounting.fleet().connections == 1
    events.emit(gone(1))
    assert accounting.worker(ANN).connections == accounting.fleet().connections == 0


def test_a_verdict_that_comes_after_its_miner_has_left_brings_nobody_back(accounting, events, clock):
    events.emit(ready(1, ANN))
    events.emit(share(ANN, session=1))
    events.emit(gone(1, ANN))
    events.emit(share(ANN, session=1))
    assert accounting.worker(ANN).total.accepted == 2
    assert accounting.worker(ANN).connections == 0
    events.emit(ready(2, ANN))
    assert accounting.worker(ANN).connections == 1


def test_totals_of_several_nodes_are_taken_with_what_is_not_written_yet(accounting, events, clock):
    events.emit(ready(1, ANN))
    events.emit(share(ANN, A, 5.0))
    [delta] = accounting.take()
    events.emit(share(ANN, A, 5.0))
    counts = Counts()
    counts.accepted = 100
    rows = [Stored(worker=ANN, pool=A, counts=counts), Stored(worker=BOB, pool=A, counts=counts)]
    pools = Counts()
    pools.accepted = 1000
    accounting.refresh(rows, {A: pools}, {(ANN, A): delta.counts})
    assert accounting.worker(ANN).total.accepted == 102
    accounting.refresh(rows, {A: pools}, {})
    assert accounting.worker(ANN).total.accepted == 101


def test_a_session_with_many_names_is_present_under_each(accounting, events):
    names = [WorkerName(f"w{number}") for number in range(12)]
    for name in names:
        events.emit(ready(1, name))
        events.emit(ready(1, name))
    assert {tally.worker for tally in all_workers(accounting)} == set(names)
    for name in names:
        events.emit(gone(1, name))
    assert all(tally.connections == 0 for tally in all_workers(accounting))
