"""With the switch on, whoever holds the loop is named."""

import asyncio
import time

from proxy.net.loop_watch import LoopWatch


def hold_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_the_call_that_held_the_loop_is_named_with_its_time() -> None:
    async def run() -> list[tuple[float, str]]:
        seen: list[tuple[float, str]] = []
        told = asyncio.Event()

        def report(seconds: float, where: str) -> None:
            seen.append((seconds, where))
            if "hold_the_loop" in where:
                told.set()

        watch = LoopWatch(report, held_s=0.1)
        watch.start()
        asyncio.get_running_loop().call_soon(hold_the_loop, 1.0)
        await asyncio.wait_for(told.wait(), 30)
        watch.stop()
        return seen

    named = [seconds for seconds, where in asyncio.run(run()) if "test_loop_watch.py" in where]
    assert named and max(named) >= 0.9


def test_after_the_end_nothing_is_told() -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        watch = LoopWatch(lambda seconds, where: seen.append(where), held_s=0.1)
        watch.start()
        watch.stop()
        hold_the_loop(0.3)
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(run()) == []
