"""Two nodes on one database: its books are the sum of what both counted, and each node knows it, once."""

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.db.models import Sum

from proxy.history import Counts
from proxy.history.counters import sum_of
from proxy.history.shared_totals import EVERY_S, LOOKS, MOST_NAMES, SharedTotals
from proxy.history.split import Span
from proxy.models.history import RejectTotal, ShareBucket, ShareTotal
from proxy.observe.events import BlockFound, EventStream, SplitTargetChanged
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, DecidedBy, Reason
from tests.nodes.counting_node import Node
from tests.support.shares import ANN, BOB, A, B, gone, ready, refused, share

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def two(tmp_path):
    nodes = [await Node(tmp_path / name).start() for name in ("one", "two")]
    yield nodes
    for node in nodes:
        await node.end()


@sync_to_async
def stored():
    totals = ShareTotal.objects.aggregate(found=Sum("accepted"))["found"]
    assert totals == ShareBucket.objects.aggregate(found=Sum("accepted"))["found"]
    return totals


@pytest.mark.no_cover
async def test_books_are_the_sum_and_each_node_knows_it_once(two):
    one, other = two
    for turn in range(1, 5):
        one.mine(3)
        other.mine(5, BOB)
        other.mine(2, BOB, B)
        await one.write()
        await other.write()
        await one.write()
        assert await stored() == 10 * turn
        for node in two:
            assert node.of_pool(A) == 8 * turn
            assert node.of_pool(B) == 2 * turn
        assert one.of_worker() == 3 * turn


async def test_what_is_not_written_yet_is_counted_once_too(two):
    one, other = two
    one.mine(3)
    other.mine(5)
    await one.write()
    await other.write()
    one.mine(1)
    assert one.of_pool() == 4, "the others' are learnt later"
    await one.write()
    one.mine(1)
    one.clock.advance(1)
    assert one.of_pool() == 10
    one.events.emit(refused(Reason.STALE))
    other.events.emit(refused(Reason.STALE))
    await other.write()
    await one.write()
    for node in two:
        await node.write()
        assert node.history.accounting.pool(A).total.rejects == {(Reason.STALE, DecidedBy.POOL): 2}
    assert (await sync_to_async(RejectTotal.objects.get)()).count == 2


async def test_shares_that_come_while_others_are_read_are_counted_once(two, monkeypatch):
    one, other = two
    other.mine(5)
    await other.write()
    one.mine(3)
    shared = one.history.writer._shared
    read = shared.read

    def slow(names):
        read(names)
        one.clock.advance(61)  # the minute ends, so that they are no longer what is fresh
        for _ in range(2):
            one.history.accounting._on_share(share(ANN, A, 1.0))

    monkeypatch.setattr(shared, "read", slow)
    one.events.emit(ready())
    await one.write()
    assert one.of_pool() == one.of_worker() == 5 + 3 + 2
    monkeypatch.undo()
    await one.write()
    assert one.of_pool() == one.of_worker() == 10
    assert await stored() == 10


async def test_worker_that_comes_from_another_node_keeps_tallies_and_best_share(two):
    one, other = two
    one.events.emit(ready())
    one.mine(7, difficulty=50.0)
    await one.write()
    one.events.emit(gone())
    other.events.emit(ready())
    await other.write()
    other.mine(1, difficulty=10.0)
    assert other.of_worker() == 8
    assert other.history.records.best_of(ANN).true_difficulty == 100.0
    assert other.best.all == [], "it is not its best"
    await other.write()
    await one.write()
    assert one.of_pool() == other.of_pool() == 8


@pytest.mark.no_cover
async def test_worker_that_goes_to_and_fro_is_counted_once(two):
    for turn in range(6):
        here = two[turn % 2]
        here.events.emit(ready(session=turn))
        here.mine(3)
        await here.write()
        await here.write()
        here.events.emit(gone(session=turn))
        assert here.of_worker() == here.of_pool() == 3 * (turn + 1)
    assert await stored() == 18


@pytest.mark.no_cover
async def test_restart_goes_on_from_the_books_of_all(two, tmp_path):
    one, other = two
    one.mine(3)
    other.mine(5, BOB)
    await one.write()
    await other.write()
    await one.end()
    again = await Node(tmp_path / "one").start()
    assert again.of_pool() == 8
    again.mine(1)
    await again.write()
    await other.write()
    assert again.of_pool() == other.of_pool() == 9
    await again.end()


async def test_killed_node_brings_its_own_journal_in_once_and_nobody_elses(two, tmp_path):
    one, other = two
    one.mine(3)
    other.mine(5, BOB)
    for node in two:
        await node.history.writer._gather()  # it is in the journal, and in no database
    journal = one.history.writer._journal
    journal.close()  # as the end of its process does
    again = await Node(tmp_path / "one").start()
    assert again.of_pool() == 3
    assert await stored() == 3
    await other.write()
    assert await stored() == 8
    once_more = await Node(tmp_path / "one").start()
    assert await stored() == 8
    assert once_more.of_pool() == 8
    one.history.writer._journal = None
    one.history.accounting._deltas.clear()
    one.history.writer._backlog.take("killed", 1)
    await again.end()
    await once_more.end()


async def test_splits_and_rates_are_of_a_nodes_own_miners(two, tmp_path):
    one, other = two
    for node in two:
        node.events.emit(SplitTargetChanged(weights={"A": 0.5, "B": 0.5}))
    one.mine(8)
    one.mine(2, pool=B)
    other.mine(90, BOB, B)
    await other.write()
    await one.write()
    split = {part.pool: part.delivered for part in one.history.splits.fleet(Span.CHANGE).parts}
    assert split == {"A": 0.8, "B": 0.2}
    again = await Node(tmp_path / "three").start()
    await again.history._rates.look()
    assert again.of_pool(B) == 92
    assert all(work.sum == 0.0 for work in again.history.accounting.pool_work(2).values())
    await again.end()


async def test_effort_counts_the_work_of_all_since_a_block_of_any(two):
    one, other = two
    one.mine(3)
    other.mine(5)
    for node in (one, other, one):
        await node.write()
    assert one.history.effort.since_block(A) == 8.0
    other.events.emit(BlockFound(worker=BOB, pool=A, chain=Chain.BTC, header_hash=b"\1" * 32, accepted=True))
    other.mine(1)
    for node in (other, one):
        await node.write()
    assert other.history.effort.since_block(A) == one.history.effort.since_block(A) == 1.0


async def test_database_that_cannot_be_read_is_tried_again_and_told(two, monkeypatch):
    one, other = two
    other.mine(5)
    await other.write()
    shared = one.history.writer._shared

    def away(names):
        raise OperationalError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(shared, "read", away)
        one.clock.advance(EVERY_S)
        assert not await one.history.writer.flush()
        assert "gone" in one.history.writer.trouble
    await one.write()
    assert one.of_pool() == 5
    assert one.history.writer.trouble == ""


def test_workers_are_looked_up_twice_and_not_all_at_once():
    clock, events = VirtualClock(), EventStream()
    shared = SharedTotals(clock=clock, events=events, accounting=None, records=None, effort=None)
    for number in range(MOST_NAMES + 1):
        events.emit(ready(worker=f"rig{number}"))
    turns = [shared.names() for _ in range(4)]
    assert [len(names) for names in turns] == [MOST_NAMES, MOST_NAMES, 2, 0]
    assert sum(names.count("rig0") for names in turns) == LOOKS


def test_counts_are_taken_away_never_below_nothing():
    counts = Counts()
    counts.accepted, counts.work, counts.best = 3, 2.5, 9.0
    counts.rejects = {(Reason.STALE, DecidedBy.POOL): 2}
    other = sum_of(counts, None)
    other.accepted, other.rejects = 5, {(Reason.STALE, DecidedBy.POOL): 1, (Reason.DUPLICATE, DecidedBy.PROXY): 1}
    counts.less(other)
    assert (counts.accepted, counts.work, counts.best) == (0, 0.0, 9.0)
    assert counts.rejects == {(Reason.STALE, DecidedBy.POOL): 1}
