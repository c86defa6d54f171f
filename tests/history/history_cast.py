"""Rows of share history for tests."""

import random

from proxy.models.history import RejectBucket, ShareBucket, Step

T0 = 1_767_225_600  # 2026-01-01 00:00 UTC
DAY = 86400
PER_MINUTE = 600.0
"""Work a minute of the worker whose history is made up, on each pool."""


def bucket(start, worker="ann", pool="A", step=Step.MINUTE, **sums):
    """One row."""
    return ShareBucket.objects.create(step=step, start=start, worker=worker, pool=pool, **{"accepted": 1, **sums})


def minutes(count, seed=1, every_s=420):
    """Many minutes of two workers on two pools with a few refusals."""
    rng = random.Random(seed)
    shares, rejects = [], []
    for number in range(count):
        start = T0 + number * every_s // 60 * 60
        worker, pool = rng.choice(["ann", "bob"]), rng.choice(["A", "B"])
        accepted, stale = rng.randint(0, 30), rng.randint(0, 2)
        shares.append(
            ShareBucket(
                step=Step.MINUTE,
                start=start,
                worker=worker,
                pool=pool,
                accepted=accepted,
                rejected=stale,
                stale=stale,
                credited=accepted * rng.uniform(1, 1e6),
                work=accepted * 3.0,
                work_squares=accepted * 9.0,
                work_shares=accepted,
                best=rng.uniform(1, 1e9),
                latency_s=0.1 * accepted,
                latency_n=accepted,
            )
        )
        if stale:
            rejects.append(
                RejectBucket(
                    step=Step.MINUTE,
                    start=start,
                    worker=worker,
                    pool=pool,
                    reason="stale",
                    decided_by="pool",
                    count=stale,
                )
            )
    ShareBucket.objects.bulk_create(shares)
    RejectBucket.objects.bulk_create(rejects)


def worked(clock, minutes, worker="ann", pools=("A", "B"), until=0, step=Step.MINUTE):
    """History of the ``minutes`` before the minute ``until`` minutes ago: ``PER_MINUTE`` on each pool."""
    this_minute = int(clock.wall() // 60) * 60
    width = int(step) // 60
    ShareBucket.objects.bulk_create(
        ShareBucket(
            step=step,
            start=(this_minute - (until + back) * 60) // int(step) * int(step),
            worker=worker,
            pool=pool,
            work=PER_MINUTE * width,
            work_squares=PER_MINUTE * width * 10.0,
            work_shares=60 * width,
        )
        for back in range(width, minutes + 1, width)
        for pool in pools
    )
