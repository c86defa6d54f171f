"""Batches not written at shutdown are in the database after the next start, once, whatever happens."""

import json
import resource
import stat

import pytest
from django.db import OperationalError

from proxy.history import Counts
from proxy.history.batch import Batch
from proxy.history.effort import WorkAtBlock
from proxy.history.locks import wait_at_most
from proxy.history.records import Record
from proxy.history.spool import BatchSpool
from proxy.history.store import write_batch
from proxy.models.history import BestShare, BlockMark, RejectTotal, ShareBucket, ShareTotal
from proxy.types import Chain, DecidedBy, PoolKey, Reason, WorkerName

pytestmark = pytest.mark.django_db
ANN, A = WorkerName("ann ☃"), PoolKey("A")


def batch(number=1, accepted=7):
    counts = Counts()
    counts.accepted, counts.credited, counts.work = accepted, 0.1 * accepted, 1 / 3
    counts.rejects = {(Reason.STALE, DecidedBy.POOL): 2}
    record = Record(worker=ANN, chain=Chain.BTC, pool=A, true_difficulty=1e9 / 7, at=1.5, header_hash=b"\1" * 32)
    return Batch(
        writer="run",
        number=number,
        rows={(60, 120, ANN, A): counts},
        last_share_at={(ANN, A): 125.25},
        records=(record,),
        marks=(WorkAtBlock(scope="chain:BTC", work=0.1, at=2.0, blocks=3),),
    )


def locked(batch):
    raise OperationalError("database is locked")


@pytest.fixture(autouse=True)
def _usual_patience(db):
    """The tests share one connection; a run that ends has its own."""
    yield
    wait_at_most(5.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "unwritten.jsonl"


def ended(path, *batches, write=locked):
    """The spool of a run whose database was locked at its end."""
    left = BatchSpool(path, write)
    left.shutdown_begins()
    for each in batches:
        left.execute(each)
    return left


def accepted():
    return [row.accepted for row in ShareTotal.objects.all()]


def test_everything_of_a_batch_comes_back_to_the_last_bit(path):
    ended(path, batch())
    assert accepted() == [] and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert BatchSpool(path).replay() == 1
    row = ShareBucket.objects.get()
    assert (row.step, row.start, row.worker, row.pool, row.accepted) == (60, 120, ANN, A, 7)
    assert (row.credited, row.work, row.rejected) == (0.1 * 7, 1 / 3, 2)
    assert ShareTotal.objects.get().last_share_at == 125.25
    assert RejectTotal.objects.get().reason == "stale"
    assert BestShare.objects.get().true_difficulty == 1e9 / 7 and BlockMark.objects.get().blocks == 3
    assert not path.exists()


def test_batch_that_was_written_after_all_is_not_added_twice(path):
    write_batch(batch())
    ended(path, batch(), batch(2, accepted=1))
    BatchSpool(path).replay()
    assert accepted() == [8]


def test_second_try_after_a_failure_in_the_middle_adds_nothing_twice(path):
    ended(path, batch(1), batch(2), batch(3))
    seen = []

    def fails_at_the_third(each):
        seen.append(each)
        if len(seen) == 3:
            raise OperationalError("database is locked")
        write_batch(each)

    with pytest.raises(OperationalError):
        BatchSpool(path, fails_at_the_third).replay()
    assert path.exists() and accepted() == [14]
    BatchSpool(path).replay()
    assert accepted() == [21] and not path.exists()


def test_while_it_runs_a_failure_is_the_writers_matter(path):
    with pytest.raises(OperationalError):
        BatchSpool(path, locked).execute(batch())
    assert not path.exists()


def test_database_that_takes_it_at_the_end_needs_no_file(path):
    ended(path, batch(), write=write_batch)
    assert accepted() == [7] and not path.exists()


def test_after_the_first_refusal_the_database_is_not_asked_again(path):
    asked = []

    def refuse(each):
        asked.append(each.number)
        locked(each)

    left = ended(path, batch(1), batch(2), batch(3), write=refuse)
    assert asked == [1] and left.kept == 3
    with pytest.raises(OSError, match=r"waits in .*unwritten.jsonl"):
        left.retry()


def test_file_that_cannot_be_written_is_an_error_of_the_writer(tmp_path):
    with pytest.raises(FileNotFoundError):
        ended(tmp_path / "gone" / "unwritten.jsonl", batch())


@pytest.mark.parametrize(
    "line",
    [
        b'{"writer": "run", "numb',
        b"[]",
        b'{"writer": "run"}',
        json.dumps(
            {
                "writer": "run",
                "number": 1,
                "rows": [[60, 120, "ann", "A", {}, []]],
                "last_share_at": [],
                "records": [],
                "marks": [],
            }
        ).encode(),
    ],
)
def test_line_that_cannot_be_read_is_put_aside_and_the_others_count(path, line):
    ended(path, batch())
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert BatchSpool(path).replay() == 1
    assert accepted() == [7] and not path.exists()
    assert path.with_suffix(".unreadable").read_bytes().strip() == line


def test_line_torn_by_a_full_disk_spoils_no_other(path):
    left = ended(path)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
    try:
        with pytest.raises(OSError):
            left.execute(batch())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    left.execute(batch())
    found = []
    assert BatchSpool(path, found.append).replay() == 1
    assert [each.number for each in found] == [1]
    assert len(path.with_suffix(".unreadable").read_bytes().strip()) == 100 - len("\n")


def test_without_a_file_nothing_is_done(path):
    assert BatchSpool(path).replay() == 0
    BatchSpool(path).retry()
