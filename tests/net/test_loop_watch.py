"""With the switch on, whoever holds the loop is named."""

import asyncio
import sys
import time
from collections.abc import Callable

from proxy.net.loop_watch import NO_CALL, LoopWatch, explained
from tests.support.patience import PATIENCE_S


def hold_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def rest(seconds: float) -> None:
    time.sleep(seconds)


def told_of(hold: Callable[[asyncio.AbstractEventLoop], object], is_it: Callable[[float, str], bool]) -> None:
    """Hold the loop until that is told; what else a busy machine does to it is told, too."""

    async def run() -> None:
        told = asyncio.Event()

        def report(seconds: float, where: str) -> None:
            if is_it(seconds, where):
                told.set()

        watch = LoopWatch(report, held_s=0.1)
        watch.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            while not told.is_set():
                hold(asyncio.get_running_loop())
                await asyncio.sleep(0.5)
        watch.stop()

    asyncio.run(run())


def test_the_call_that_held_the_loop_is_named_with_its_time() -> None:
    told_of(
        lambda loop: loop.call_soon(hold_the_loop, 1.0),
        lambda seconds, where: seconds >= 0.9 and where.startswith("net/test_loop_watch.py:"),
    )


def test_many_short_calls_are_not_taken_for_one() -> None:
    def hold(loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(500):
            loop.call_soon(hold_the_loop, 0.002)

    told_of(hold, lambda seconds, where: seconds >= 0.9 and where.startswith("many calls, one of them net/test_loop_w"))


def test_a_call_that_only_waited_is_told_as_such() -> None:
    told_of(
        lambda loop: loop.call_soon(rest, 1.0),
        lambda seconds, where: where.startswith("net/test_loop_watch.py:") and "rest (waited, or had no" in where,
    )


def test_where_the_loop_is_in_no_call_that_is_said() -> None:
    assert explained([(None, "the loop's own")], 0.5, 0.4) == NO_CALL
    assert explained([(None, "the loop's own")], 0.5, 0.1) == (
        f"{NO_CALL} (waited, or had no processor, for 0.400 s of it)"
    )
    call = sys._getframe()
    assert explained([(None, "the loop's own"), (call, "a call"), (call, "later")], 0.5, 0.4) == "a call"


def test_after_the_end_nothing_is_told() -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        watch = LoopWatch(lambda seconds, where: seen.append(where), held_s=0.1)
        watch.start()
        await asyncio.sleep(0)
        watch.stop()
        hold_the_loop(0.3)
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(run()) == []
