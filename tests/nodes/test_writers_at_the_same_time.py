"""Writers and sweeps of several nodes at the same time: each share is in the books once."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from proxy.history import Counts
from proxy.history.batch import Batch
from proxy.history.retention import sweep
from proxy.history.store import write_batch
from proxy.models.history import ShareBucket, ShareTotal, Step
from proxy.types import PoolKey, WorkerName

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86400
WAITS_S = 0.3
"""How long the second is watched while it waits for the first: too short a time can only hide a fault."""


def batch(writer="one", number=1, workers=("ann",), start=0):
    rows = {}
    for worker in workers:
        rows[60, start, WorkerName(worker), PoolKey("A")] = counts = Counts()
        counts.accepted, counts.work = 1, 8.0
    return Batch(writer=writer, number=number, rows=rows)


def elsewhere(work, *args) -> Future:
    """Do it in a thread with a connection of its own."""

    def call():
        with closing(connection):
            return work(*args)

    with_one = ThreadPoolExecutor(1)
    found = with_one.submit(call)
    with_one.shutdown(wait=False)
    return found


def counted():
    totals, buckets = (model.objects.aggregate(found=Sum("accepted"))["found"] for model in (ShareTotal, ShareBucket))
    assert totals == buckets
    return totals


def test_batch_that_is_tried_again_while_the_first_try_commits_is_added_once():
    """A connection that breaks in COMMIT leaves the server at work on it; the next try comes over another one."""
    for number in (1, 2):
        with transaction.atomic():
            write_batch(batch(number=number))
            again = elsewhere(write_batch, batch(number=number))
            with pytest.raises(TimeoutError):
                again.result(WAITS_S)
        again.result(30)
        assert counted() == number


def test_batch_of_before_the_last_one_is_not_added():
    write_batch(batch(number=2))
    write_batch(batch(number=1))
    assert counted() == 1


@pytest.mark.postgresql_only
def test_two_nodes_that_count_the_same_workers_do_not_lock_each_other_out():
    names = [f"rig{number}" for number in range(300)]
    start = threading.Barrier(2)

    def write_all(writer, workers):
        for number in range(1, 6):
            start.wait(30)
            write_batch(batch(writer, number, workers))

    both = [elsewhere(write_all, "one", names), elsewhere(write_all, "two", names[::-1])]
    for each in both:
        each.result(60)
    assert counted() == 2 * 5 * 300


@pytest.mark.postgresql_only
def test_late_batch_of_another_node_is_not_lost_in_a_sweep():
    write_batch(batch())
    write_batch(batch("two"))
    with transaction.atomic():
        assert sweep(500 * DAY).rolled_up > 0
        late = elsewhere(write_batch, batch("three"))
        swept = elsewhere(sweep, 500 * DAY)
        with pytest.raises(TimeoutError):
            late.result(WAITS_S)
    late.result(30)
    swept.result(30)
    assert counted() == 3
    sweep(500 * DAY)
    assert counted() == 3
    assert set(ShareBucket.objects.values_list("step", flat=True)) == {Step.DAY}
