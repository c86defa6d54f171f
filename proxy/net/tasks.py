"""Starts background tasks: named, kept alive, and with every failure reported."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Report = Callable[[str, BaseException], None]

_logger = logging.getLogger(__name__)
_running: set[asyncio.Task[Any]] = set()  # the loop itself keeps only weak references


def log_failure(name: str, error: BaseException) -> None:
    """Log that task ``name`` ended with ``error``, with its traceback."""
    _logger.error("Task %s failed: %s", name, error, exc_info=error)


def spawn(coroutine: Coroutine[Any, Any, T], *, name: str, report: Report = log_failure) -> asyncio.Task[T]:
    """Run ``coroutine`` as a task of the running loop that lives until it is done.

    An exception other than cancellation reaches ``report(name, error)`` at once, whether or not the task is
    awaited; an awaiting caller gets it, too. Cancellation is not reported.
    """
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _running.add(task)

    def finished(task: asyncio.Task[T]) -> None:
        _running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            report(name, error)

    task.add_done_callback(finished)
    return task


async def cancel_and_wait(*tasks: asyncio.Task[Any], timeout_s: float) -> set[asyncio.Task[Any]]:
    """Cancel ``tasks`` and wait for their end for at most ``timeout_s`` seconds; returns those still running."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return set()
    _, pending = await asyncio.wait(tasks, timeout=timeout_s)
    return pending
