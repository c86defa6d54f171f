"""A full database: mining goes on, and nothing is lost once there is room again."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from proxy.history import Accounting
from proxy.history.store import write_batch
from proxy.history.writer import HistoryWriter
from proxy.models.history import ShareTotal
from proxy.observe.events import DatabaseTrouble, EventStream
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import WorkerName
from tests.support.shares import Heard, share

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite_only]


def test_a_full_database_is_told_once_and_gets_everything_when_there_is_room():
    clock, events = VirtualClock(), EventStream()
    heard = Heard(events, DatabaseTrouble)
    accounting = Accounting(clock=clock, events=events)
    room = {"pages": None}

    def write(batch):
        if room["pages"] is not None:
            with connection.cursor() as cursor:  # holds for this connection only
                cursor.execute(f"PRAGMA max_page_count = {room['pages']}")
        write_batch(batch)

    with ThreadPoolExecutor(1) as executor:
        room["pages"] = executor.submit(_pages_in_use).result()
        asyncio.run(_mine_on_a_full_disk(clock, events, accounting, heard, room, write, executor))
        total = executor.submit(lambda: sum(row.accepted for row in ShareTotal.objects.all())).result()
        executor.submit(connections.close_all).result()
    assert total == accounting.fleet().total.accepted == 6000


def _pages_in_use():
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA page_count").fetchone()[0]


async def _mine_on_a_full_disk(clock, events, accounting, heard, room, write, executor):
    writer = HistoryWriter(
        writer="full", clock=clock, events=events, accounting=accounting, execute=write, executor=executor
    )
    for turn in range(6):
        for number in range(1000):
            events.emit(share(WorkerName(f"worker-{number}"), session=number))
        clock.advance(10)
        assert not await writer.flush(), turn
    assert [trouble.recovered for trouble in heard.all] == [False]
    assert "full" in heard.all[0].problem
    room["pages"] = 1 << 30
    assert await writer.flush()
    assert [trouble.recovered for trouble in heard.all] == [False, True]
