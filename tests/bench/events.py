"""What an event costs with the metrics and log sinks, and what a log storm does to the loop.

``python -m tests.bench.events`` prints microseconds and the ratio to a bare function call (the yardstick that makes
runs on different machines comparable), then the loop's lag while 1,000 lines/s are written for three seconds.
"""

import asyncio
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from proxy.config.snapshot import LogConfig
from proxy.net.lag_meter import LagMeter
from proxy.observe.events import Event, EventStream
from proxy.observe.log import LogSink
from proxy.observe.metrics import MetricsSink
from proxy.ports import Timer
from proxy.scheduling.virtual_clock import START_WALL
from tests.observe.logs_cast import pool_down, reconnect_wait
from tests.observe.metrics_cast import job, share, shares_of

ROUNDS = 200_000
STORM_S, STORM_LINES_PER_S, BURST_S = 3.0, 1000, 0.01


def us(call: Callable[[], object]) -> float:
    """Microseconds per call, the best of five."""
    return min(timeit.repeat(call, number=ROUNDS // 5, repeat=5)) / (ROUNDS // 5) * 1e6


def nothing(event: Event) -> None:
    """What a call costs at least."""


def per_event() -> None:
    """Print the cost of ``emit`` for the hot events."""
    events, line = EventStream(), reconnect_wait()
    MetricsSink(events, shares_of(events), CollectorRegistry())
    LogSink(events, lambda: START_WALL, LogConfig(), stdout=None)
    bare = us(lambda: nothing(line))
    rows = [
        ("a bare call", bare),
        ("emit, nobody listens", us(lambda: EventStream.emit(silent, line))),
        ("pool_reconnect_wait", us(lambda: events.emit(line))),
    ]
    accepted, jobs = share(), [job("1"), job("2")]
    rows.append(("share_result, accepted", us(lambda: events.emit(accepted))))
    rows.append(("job_forwarded (two)", us(lambda: [events.emit(each) for each in jobs])))
    rows.append(("pool_reconnect_wait written to the log", written_us()))
    for name, cost in rows:
        print(f"{name:32} {cost:7.3f} us {cost / bare:7.1f} x")


silent = EventStream()


def written_us() -> float:
    """Emit an event that the log takes; the queue is emptied on the way as the writer would."""
    events, line = EventStream(), reconnect_wait()
    sink = LogSink(events, lambda: START_WALL, LogConfig(level="DEBUG"), stdout=None, capacity=10**9)
    sink.start()
    cost = us(lambda: events.emit(line))
    sink.stop(60)
    return cost


class LoopClock:
    """The running loop as a ``Clock``."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return START_WALL

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_at(when, callback)


async def storm(path: Path | None) -> str:
    """Emit in bursts every 10 ms; the bursts' own lateness is the lag. Returns a line for people."""
    events, loop, lags = EventStream(), asyncio.get_running_loop(), list[float]()
    sink = LogSink(events, loop.time, LogConfig(), path=path, stdout=None)
    MetricsSink(events, shares_of(events), CollectorRegistry())
    measured: list[float] = []
    meter = LagMeter(LoopClock(), measured.append)
    meter.start()
    sink.start()
    done, due = asyncio.Event(), loop.time()
    ends = due + STORM_S

    def burst(planned: float) -> None:
        lags.append(loop.time() - planned)
        if path is not None:
            for number in range(int(STORM_LINES_PER_S * BURST_S)):
                events.emit(pool_down(f"line {number} of a storm"))
        loop.call_at(planned + BURST_S, burst, planned + BURST_S) if planned < ends else done.set()

    burst(due)
    await done.wait()
    meter.stop()
    await asyncio.to_thread(sink.stop, 30.0)
    lags.sort()
    measured.sort()
    p50, p99, worst = (lags[min(int(len(lags) * part), len(lags) - 1)] * 1e3 for part in (0.5, 0.99, 1.0))
    return (
        f"{len(lags)} bursts: lag p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {worst:.2f} ms; "
        f"meter p99 {measured[len(measured) * 99 // 100] * 1e3:.2f} ms; dropped {sum(sink.dropped.values())}"
    )


def main() -> None:
    """Run both."""
    sys.setswitchinterval(0.0005)  # as runproxy does
    per_event()
    with tempfile.TemporaryDirectory() as folder:
        print("without a storm:", asyncio.run(storm(None)))
        print(f"{STORM_LINES_PER_S} lines/s:  ", asyncio.run(storm(Path(folder) / "dpmp.log")))


if __name__ == "__main__":
    main()
