"""The writer: what was counted is in the database, once, whatever the database does in between."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections

from proxy.config.snapshot import ConfigSnapshot, Endpoint, PoolConfig
from proxy.history import Accounting
from proxy.history.batch import Backlog
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.store import clean_name, read_history, write_batch
from proxy.history.writer import HistoryWriter
from proxy.models.history import (
    BestShare,
    BlockMark,
    ChainTip,
    PayoutRecord,
    RejectBucket,
    RejectTotal,
    ShareBucket,
    ShareTotal,
)
from proxy.observe.events import BlockFound, DatabaseTrouble, EventStream, NewBlockSeen, PayoutChecked
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, DecidedBy, Reason, Verdict, WorkerName
from tests.support.shares import ANN, BOB, A, B, Heard, all_workers, refused, share

pytestmark = pytest.mark.django_db(transaction=True)
EXECUTOR = ThreadPoolExecutor(max_workers=1, thread_name_prefix="test-history")


@pytest.fixture
def sync():
    """Run a function that uses the database, from a coroutine."""

    async def run(function, *args):
        return await sync_to_async(function)(*args)

    return run


@pytest.fixture(autouse=True)
def _close_connections():
    yield
    EXECUTOR.submit(connections.close_all).result()


class World:
    """Everything that feeds the writer, on a virtual clock, with a database that can be told to fail."""

    def __init__(self, writer="test", **options):
        self.clock, self.events = VirtualClock(), EventStream()
        self.troubles = Heard(self.events, DatabaseTrouble)
        self.accounting = Accounting(clock=self.clock, events=self.events)
        self.records = Records(clock=self.clock, events=self.events)
        self.effort = EffortMeter(clock=self.clock, events=self.events, accounting=self.accounting)
        config = ConfigSnapshot(
            pools={
                key: PoolConfig(key=key, chain=Chain.BTC, wallet="w", endpoints=(Endpoint(host="pool", port=1),))
                for key in (A, B)
            }
        )
        for part in (self.accounting, self.records, self.effort):
            part.apply(config)
        self.fail = None
        self.batches = []
        self.writer = HistoryWriter(
            writer=writer,
            clock=self.clock,
            events=self.events,
            accounting=self.accounting,
            records=self.records,
            effort=self.effort,
            execute=self.execute,
            executor=EXECUTOR,
            **options,
        )
        self.random = random.Random(42)

    def execute(self, batch):
        self.batches.append(batch)
        if self.fail is not None:
            raise self.fail
        write_batch(batch)

    def mine(self, shares, mean_s=1.0):
        for _ in range(shares):
            self.clock.advance(self.random.expovariate(1 / mean_s))
            worker, pool = self.random.choice([ANN, BOB]), self.random.choice([A, B])
            self.events.emit(
                self.random.choice(
                    [
                        share(worker, pool, self.random.uniform(1e-3, 1e6), latency_s=0.05),
                        refused(Reason.STALE, worker, pool),
                        refused(Reason.DUPLICATE, worker, pool, by=DecidedBy.PROXY),
                        refused(Reason.UNKNOWN_JOB, worker, None, by=DecidedBy.PROXY, true=0.0),
                        share(worker, pool, verdict=Verdict.UNANSWERED, reason=Reason.POOL_LOST, by=DecidedBy.PROXY),
                    ]
                )
            )


def assert_database_agrees(accounting):
    """Counts exactly, sums to 1e-9; buckets, totals and counters are three views of the same shares."""
    stored = {(row.worker, row.pool): row for row in ShareTotal.objects.all()}
    for worker in all_workers(accounting):
        for pool, tally in worker.pools.items():
            row = stored.pop((worker.worker, pool))
            rows = list(ShareBucket.objects.filter(worker=worker.worker, pool=pool))
            for name in ("accepted", "rejected", "stale", "duplicate", "unanswered"):
                assert getattr(row, name) == getattr(tally, name) == sum(getattr(part, name) for part in rows)
            for name in ("credited", "work"):
                assert getattr(row, name) == pytest.approx(getattr(tally, name), rel=1e-9)
                assert sum(getattr(part, name) for part in rows) == pytest.approx(getattr(tally, name), rel=1e-9)
            assert row.best == tally.best == max(part.best for part in rows)
            for model in (RejectBucket, RejectTotal):
                counts = {}
                for part in model.objects.filter(worker=worker.worker, pool=pool):
                    key = (Reason(part.reason), DecidedBy(part.decided_by))
                    counts[key] = counts.get(key, 0) + part.count
                assert counts == tally.rejects
    assert stored == {}


async def test_database_and_counters_agree_after_a_drain(sync):
    world = World()
    for _ in range(20):
        world.mine(150, mean_s=0.4)
        assert await world.writer.flush()
    world.mine(77)
    assert await world.writer.close()
    await sync(assert_database_agrees, world.accounting)
    assert world.writer.lag_s == 0.0


async def test_shares_are_in_the_minute_in_which_they_came(sync):
    world = World()
    minute = int(world.clock.wall() // 60) * 60
    world.clock.advance(minute + 60 - world.clock.wall() - 0.5)
    world.events.emit(share())
    world.clock.advance(1.0)
    world.events.emit(share())
    world.events.emit(share())
    await world.writer.flush()
    rows = await sync(lambda: list(ShareBucket.objects.order_by("start").values_list("start", "accepted", "step")))
    assert rows == [(minute, 1, 60), (minute + 60, 2, 60)]


@pytest.mark.no_cover
@pytest.mark.parametrize("failure", [OperationalError("database is locked"), OSError(28, "No space left on device")])
async def test_while_the_database_fails_everything_waits_and_is_told_once(sync, failure):
    world = World()
    world.fail = failure
    for _ in range(30):
        world.mine(50, mean_s=0.2)
        assert not await world.writer.flush()
    assert [trouble.recovered for trouble in world.troubles.all] == [False]
    assert str(failure) in world.troubles.all[0].problem and world.writer.trouble
    assert world.writer.waiting_rows > 0 and world.writer.lag_s > 100
    world.fail = None
    assert await world.writer.flush()
    assert [trouble.recovered for trouble in world.troubles.all] == [False, True]
    assert world.writer.trouble == ""
    await sync(assert_database_agrees, world.accounting)


async def test_a_batch_whose_outcome_was_not_known_is_not_added_twice(sync):
    world = World()
    world.mine(100)
    lost_answer = OperationalError("server closed the connection unexpectedly")

    def written_but_not_told(batch):
        write_batch(batch)
        raise lost_answer

    world.writer._execute = written_but_not_told
    assert not await world.writer.flush()
    world.mine(100)
    assert not await world.writer.flush()
    world.writer._execute = write_batch
    assert await world.writer.flush()
    await sync(assert_database_agrees, world.accounting)


async def test_a_batch_is_written_whole_or_not_at_all(sync, monkeypatch):
    from proxy.history import store as ledger_store

    world = World()
    world.mine(100)

    def torn(batch):
        raise OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_store, "_write_notes", torn)
        assert not await world.writer.flush()
        assert await sync(ShareBucket.objects.count) == 0
    assert await world.writer.flush()
    await sync(assert_database_agrees, world.accounting)


async def test_what_waits_is_bounded_by_merging_minutes_and_no_count_is_lost(sync):
    world = World()
    world.writer._backlog = Backlog(max_rows=40)
    world.fail = OperationalError("database is locked")
    for _ in range(200):
        world.mine(10, mean_s=30.0)
        await world.writer.flush()
        assert world.writer.waiting_rows <= 50  # 40, and the first batch of a few
    world.fail = None
    assert await world.writer.flush()
    await sync(assert_database_agrees, world.accounting)
    assert set(await sync(lambda: list(ShareBucket.objects.values_list("step", flat=True)))) > {60}
    world.clock.advance(60)
    world.events.emit(share())
    await world.writer.flush()
    assert await sync(ShareBucket.objects.filter(start__gte=world.clock.wall() - 120, step=60).count) == 1


async def test_a_restart_goes_on_where_the_last_run_ended(sync):
    first = World("run-1")
    first.mine(300)
    await first.writer.close()
    second = World("run-2")
    history = await sync(read_history)
    second.accounting.restore(history.totals)
    second.records.restore(history.records)
    before, after = first.accounting.fleet().total, second.accounting.fleet().total
    assert (after.submitted, after.rejects, after.best) == (300, before.rejects, before.best)
    assert after.credited == pytest.approx(before.credited, rel=1e-12)
    best_before, best_after = (
        max(own.true_difficulty for own in world.records._best.values()) for world in (first, second)
    )
    assert best_after == best_before
    second.mine(300)
    await second.writer.close()
    await sync(assert_database_agrees, second.accounting)
    assert second.accounting.fleet().total.submitted == 600


async def test_records_marks_tips_and_payouts_are_kept(sync):
    world = World()
    world.events.emit(share(true=123.0, header_hash=bytes(31) + b"\7"))
    world.events.emit(BlockFound(worker=ANN, pool=A, chain=Chain.BTC, header_hash=bytes(32), accepted=True))
    tip = NewBlockSeen(pool=A, chain=Chain.BTC, height=840_000, prevhash=b"\1" + bytes(31), nbits=1, behind_s=0.02)
    world.events.emit(tip)
    world.events.emit(PayoutChecked(pool=A, percent=98.0, ok=True, outputs=(("bc1q", 5),)))
    await world.writer.flush()
    world.events.emit(tip)
    await world.writer.flush()
    best = await sync(BestShare.objects.get)
    assert (best.true_difficulty, best.header_hash[-2:], best.pool) == (123.0, "07", "A")
    assert await sync(lambda: BlockMark.objects.get(scope="chain:BTC").blocks) == 1
    stored = await sync(ChainTip.objects.get)
    assert (stored.height, stored.behind_ms, stored.prevhash[-2:]) == (840_000, 20.0, "01")
    assert await sync(lambda: PayoutRecord.objects.get().outputs) == [["bc1q", 5]]
    assert (await sync(read_history)).marks[0].work == 1.0


async def test_what_is_no_row_of_shares_is_written_where_these_wait(sync):
    world = World()
    world.mine(50)
    world.events.emit(BlockFound(worker=ANN, pool=A, chain=Chain.BTC, header_hash=bytes(32), accepted=True))
    assert await world.writer.flush(rows=False)
    assert world.writer.waiting_rows and await sync(ShareBucket.objects.count) == 0
    assert await sync(BestShare.objects.count) and await sync(BlockMark.objects.count)
    lag_s = world.writer.lag_s
    world.clock.advance(5.0)
    assert await world.writer.flush(rows=False)
    assert world.writer.lag_s == lag_s + 5.0
    assert await world.writer.flush()
    assert world.writer.waiting_rows == 0
    await sync(assert_database_agrees, world.accounting)


async def test_many_rows_are_written_at_the_next_half_minute(sync, monkeypatch):
    from proxy.history import writer
    from proxy.net.tasks import spawn

    async def until(is_so):
        while not is_so():
            await writer.asyncio.sleep(0.001)

    monkeypatch.setattr(writer, "MANY_ROWS", 2)
    world = World(interval_s=0.001)
    world.clock.advance(60 - world.clock.wall() % 60)
    running = spawn(world.writer.run(), name="history")
    world.mine(50, mean_s=0.01)
    await until(lambda: world.batches)
    world.events.emit(share())
    world.events.emit(BlockFound(worker=ANN, pool=A, chain=Chain.BTC, header_hash=bytes(32), accepted=True))
    await until(lambda: world.batches[-1].marks)
    assert not world.batches[-1].rows and world.writer.waiting_rows == 1
    world.clock.advance(30 - world.clock.wall() % 30)
    await until(lambda: world.writer.waiting_rows == 0)
    assert [len(batch.rows) for batch in world.batches if batch.rows][1:] == [1]
    number = len(world.batches)
    world.events.emit(share())
    await until(lambda: len(world.batches) > number)  # they were few
    assert world.batches[-1].rows
    assert await world.writer.close()
    await running
    await sync(assert_database_agrees, world.accounting)


async def test_names_and_numbers_that_no_database_takes_are_made_harmless(sync):
    world = World()
    world.events.emit(share(WorkerName("a\0b\ud800" + "x" * 500), difficulty=float("inf"), true=float("inf")))
    world.events.emit(share(WorkerName("nan"), difficulty=float("nan")))
    assert await world.writer.flush()
    rows = {row.worker: row async for row in ShareTotal.objects.all()}
    assert len(rows) == 2 and all(len(name) <= 128 and name.isprintable() for name in rows)
    assert rows["nan"].credited == 0.0
    assert clean_name("Ännchen 1", 128) == "Ännchen 1"


async def test_a_periodic_job_that_fails_is_trouble_and_is_tried_again():
    done = []

    def periodic_job():
        if not done:
            done.append(1)
            raise OperationalError("database is locked")
        done.append(2)

    world = World(jobs=[periodic_job])
    assert not await world.writer.flush()
    assert await world.writer.flush()
    assert done == [1, 2] and [trouble.recovered for trouble in world.troubles.all] == [False, True]


async def test_the_writer_stops_at_close_and_writes_what_is_left(sync):
    from proxy.net.tasks import spawn

    world = World(interval_s=60.0)
    running = spawn(world.writer.run(), name="history")
    world.mine(50)
    assert await world.writer.close()
    await running
    await sync(assert_database_agrees, world.accounting)


async def test_closing_gives_up_on_a_database_that_stays_away(monkeypatch):
    from proxy.history import writer

    world = World()
    world.fail = OperationalError("database is locked")
    world.mine(5)

    async def pause(seconds):
        world.clock.advance(seconds)

    monkeypatch.setattr(writer.asyncio, "sleep", pause)
    assert not await world.writer.close(timeout_s=2.0)
    assert 8 <= len(world.batches) <= 10
    assert len({batch.number for batch in world.batches}) == 1


def test_the_upsert_is_one_statement_that_adds():
    from proxy.history.store import additive_upsert

    sql = additive_upsert(RejectTotal, ("worker", "pool", "reason", "decided_by"), ("count",), ())
    for count in (1, 2):
        with connection.cursor() as cursor:
            cursor.execute(sql, ("w", "A", "stale", "pool", count))
    assert RejectTotal.objects.get().count == 3
