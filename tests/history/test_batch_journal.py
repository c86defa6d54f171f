"""A kill between two writes to the database: what was counted is in the journal, and comes back once."""

import os
import random
import stat

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from proxy.history import batch as ledger_batch
from proxy.history.batch_file import decoded, encoded
from proxy.history.batch_journal import BatchJournal, JournalReplay
from proxy.history.store import write_batch
from proxy.models.history import ShareTotal, WriterMark
from proxy.types import WorkerName
from tests.history.test_writer import World, assert_database_agrees
from tests.support.shares import ANN, A, share

pytestmark = pytest.mark.django_db(transaction=True)


def world_in(path, writer="run", **options):
    return World(writer=writer, journal=BatchJournal(path, writer, **options))


async def kill(world, path):
    """The process ends without a word: its lock goes, its file stays; and the next one starts."""
    world.writer._journal.close()
    await sync_to_async(JournalReplay(path))()
    assert list(path.iterdir()) == []


def journal_of(path):
    [file] = path.glob("ledger-*.jsonl")
    return file


async def test_what_was_counted_since_the_last_write_comes_back(tmp_path):
    world = world_in(tmp_path)
    world.mine(100)
    await world.writer.flush()
    world.mine(50)
    await world.writer._gather()
    world.mine(50)
    await world.writer._gather()
    assert stat.S_IMODE(journal_of(tmp_path).stat().st_mode) == 0o600
    await kill(world, tmp_path)
    await sync_to_async(assert_database_agrees)(world.accounting)


async def test_a_batch_that_the_database_has_is_not_added_again(tmp_path):
    """The kill comes after the commit and before the journal was emptied."""
    world = world_in(tmp_path)
    world.mine(100)
    world.writer._journal.clear = lambda: None
    assert await world.writer.flush()
    world.mine(30)
    await world.writer._gather()
    await kill(world, tmp_path)
    await sync_to_async(assert_database_agrees)(world.accounting)


async def test_a_kill_while_what_was_counted_is_brought_in_adds_nothing_twice(tmp_path):
    world = world_in(tmp_path)
    world.mine(100)
    await world.writer._gather()
    world.writer._journal.close()
    kept = journal_of(tmp_path).read_bytes()
    file = journal_of(tmp_path)
    await sync_to_async(JournalReplay(tmp_path))()
    file.write_bytes(kept)  # killed before it was removed
    await sync_to_async(JournalReplay(tmp_path))()
    await sync_to_async(assert_database_agrees)(world.accounting)


@pytest.mark.parametrize("taken", range(5))
async def test_batches_that_are_split_come_back_once_wherever_the_kill_comes(tmp_path, monkeypatch, taken):
    monkeypatch.setattr(ledger_batch, "BATCH_ROWS", 2)
    world = world_in(tmp_path)
    done = []

    def execute(batch):
        if len(done) == taken:
            raise OperationalError("killed here")
        done.append(batch.number)
        write_batch(batch)

    world.writer._execute = execute
    for _ in range(4):
        world.mine(40, mean_s=5.0)
        await world.writer._gather()
    await world.writer.flush()
    world.mine(10)
    await world.writer._gather()
    assert done == list(range(1, taken + 1))
    await kill(world, tmp_path)
    await sync_to_async(assert_database_agrees)(world.accounting)


@pytest.mark.no_cover
async def test_kills_at_random_lose_nothing_that_was_noted_and_count_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_batch, "BATCH_ROWS", 3)
    rng, expected = random.Random(7), 0
    for run in range(25):
        world = world_in(tmp_path, f"run-{run}", max_bytes=3000)
        broken = [rng.random() < 0.3]

        def execute(batch, broken=broken):
            outcome = rng.random() if broken[0] else 1.0
            if outcome < 0.4:
                raise OperationalError("database is locked")
            write_batch(batch)
            if outcome < 0.6:
                raise OperationalError("the connection was lost in COMMIT")

        world.writer._execute = execute
        for _ in range(rng.randint(1, 12)):
            for _ in range(rng.randint(0, 6)):
                world.events.emit(share(rng.choice([ANN, WorkerName(f"w{rng.randint(0, 5)}")]), A, 3.0))
                expected += 1
            await world.writer._gather()
            if rng.random() < 0.4:
                await world.writer.flush(rows=rng.random() < 0.5)
        await kill(world, tmp_path)
        stored = await sync_to_async(lambda: sum(row.accepted for row in ShareTotal.objects.all()))()
        assert stored == expected


async def test_the_file_is_empty_while_the_database_keeps_up_and_gone_after_a_clean_end(tmp_path):
    world = world_in(tmp_path)
    world.mine(20)
    await world.writer._gather()
    assert journal_of(tmp_path).stat().st_size
    await world.writer.flush()
    assert journal_of(tmp_path).stat().st_size == 0
    world.mine(20)
    assert await world.writer.close()
    assert list(tmp_path.iterdir()) == []
    await sync_to_async(assert_database_agrees)(world.accounting)


@pytest.mark.no_cover
async def test_the_file_stays_small_while_the_database_is_away(tmp_path):
    world = world_in(tmp_path, max_bytes=20_000)
    world.fail = OperationalError("database is locked")
    for _ in range(200):
        world.mine(10, mean_s=0.01)
        await world.writer._gather()
        assert journal_of(tmp_path).stat().st_size < 25_000
    await world.writer.flush()
    await kill(world, tmp_path)
    await sync_to_async(assert_database_agrees)(world.accounting)


async def test_a_file_that_cannot_be_written_is_told_once_and_mining_goes_on(tmp_path):
    gone = tmp_path / "gone"
    world = world_in(gone)
    for _ in range(3):
        world.mine(20)
        await world.writer._gather()
    assert [trouble.recovered for trouble in world.troubles.all] == [False]
    assert "journal cannot be written" in world.troubles.all[0].problem
    assert await world.writer.flush()
    gone.mkdir()
    world.mine(20)
    await world.writer._gather()
    world.mine(20)
    await world.writer._gather()
    assert [trouble.recovered for trouble in world.troubles.all] == [False, True]
    await kill(world, gone)
    await sync_to_async(assert_database_agrees)(world.accounting)


async def test_a_disk_that_was_full_for_a_while_costs_nothing(tmp_path, monkeypatch):
    world = world_in(tmp_path)
    world.mine(20)
    await world.writer._gather()
    really = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, payload: really(descriptor, payload[: len(payload) // 2]))
    world.mine(20)
    await world.writer._gather()
    assert [trouble.recovered for trouble in world.troubles.all] == [False]
    monkeypatch.setattr(os, "write", really)
    world.mine(20)
    await world.writer._gather()
    await kill(world, tmp_path)
    await sync_to_async(assert_database_agrees)(world.accounting)


async def test_a_line_that_the_kill_tore_costs_only_itself(tmp_path):
    world = world_in(tmp_path)
    world.mine(20)
    await world.writer._gather()
    with journal_of(tmp_path).open("ab") as file:
        file.write(b'\n{"writer":"run","num')
    await kill(world, tmp_path)
    await sync_to_async(assert_database_agrees)(world.accounting)


async def test_the_journal_of_a_run_that_lives_is_left_alone(tmp_path):
    world = world_in(tmp_path)
    world.mine(20)
    await world.writer._gather()
    await sync_to_async(JournalReplay(tmp_path))()
    assert journal_of(tmp_path).stat().st_size
    assert await sync_to_async(WriterMark.objects.count)() == 0
    assert await world.writer.close()


async def test_a_database_that_is_away_at_the_start_gets_it_later(tmp_path):
    world = world_in(tmp_path)
    world.mine(20)
    await world.writer._gather()
    world.writer._journal.close()
    answers = [OperationalError("locked"), None]

    def write(batch):
        if (error := answers.pop(0)) is not None:
            raise error
        write_batch(batch)

    replay = JournalReplay(tmp_path, write)
    with pytest.raises(OperationalError):
        await sync_to_async(replay)()
    await sync_to_async(replay)()
    await sync_to_async(assert_database_agrees)(world.accounting)


def test_names_and_numbers_that_json_cannot_hold_stop_nothing():
    from proxy.history import Counts

    counts = Counts()
    counts.accepted, counts.credited, counts.work = 1, float("inf"), float("nan")
    batch = ledger_batch.Batch(writer="run", number=1, rows={(60, 0, WorkerName("a\ud800"), A): counts})
    [(key, row)] = decoded(encoded(batch)).rows.items()
    assert key[2] == "a?" and (row.accepted, row.credited, row.work) == (1, 1e300, 0.0)
