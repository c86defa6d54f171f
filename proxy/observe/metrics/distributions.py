"""Plain numbers for what is counted at each share, job and line.

A labelled ``prometheus_client`` counter costs six times a plain addition and a histogram's ``observe`` more, several
times a share; so the hot numbers are plain and become metric families only when somebody scrapes. One thread (the
loop) writes; a scrape from another reads numbers that are each whole.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString

SHARE_BOUNDS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
JOB_BOUNDS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
LAG_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class Distribution:
    """A histogram of seconds with fixed upper bounds."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        """Sum of all that was observed."""

    def observe(self, seconds: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many at or below it), as the exposition wants them."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))


class PoolTraffic:
    """One pool's jobs and waiting times since the process started."""

    __slots__ = (
        "job_latency",
        "jobs",
        "new_block_latency",
        "share_latency",
    )

    def __init__(self) -> None:
        self.jobs = 0
        self.share_latency = Distribution(SHARE_BOUNDS_S)
        self.job_latency = Distribution(JOB_BOUNDS_S)
        self.new_block_latency = Distribution(JOB_BOUNDS_S)
