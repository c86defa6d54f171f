"""Background tasks are named, kept alive and never fail in silence."""

import asyncio
import gc
import logging

import pytest

from proxy.net.tasks import cancel_and_wait, spawn
from tests.support.patience import PATIENCE_S


async def wait_for(event):
    await event.wait()
    return "done"


async def fail():
    raise ValueError("broken")


async def test_task_has_its_name_and_its_result():
    event = asyncio.Event()
    task = spawn(wait_for(event), name="listener")
    assert task.get_name() == "listener"
    event.set()
    assert await task == "done"


@pytest.mark.no_cover
async def test_task_that_nobody_holds_goes_on():
    reached = asyncio.Event()

    async def work():
        await asyncio.sleep(0)
        gc.collect()
        reached.set()

    spawn(work(), name="held")
    gc.collect()
    await asyncio.wait_for(reached.wait(), PATIENCE_S)


async def test_failure_is_logged_with_its_traceback(caplog):
    task = spawn(fail(), name="dialer")
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="broken"):
        await task
    [record] = caplog.records
    assert "dialer" in record.getMessage() and record.exc_info[0] is ValueError


async def test_failure_reaches_the_given_reporter():
    reports = []
    task = spawn(fail(), name="dialer", report=lambda name, error: reports.append((name, str(error))))
    await asyncio.wait([task])
    assert reports == [("dialer", "broken")]


async def test_cancellation_is_not_swallowed_and_not_reported():
    reports = []
    task = spawn(wait_for(asyncio.Event()), name="upstream", report=lambda *report: reports.append(report))
    assert await cancel_and_wait(task, timeout_s=PATIENCE_S) == set()
    assert task.cancelled() and reports == []


async def test_task_that_refuses_to_end_is_returned():
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = spawn(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    assert await cancel_and_wait(task, timeout_s=0.01) == {task}
    release.set()
    await task
