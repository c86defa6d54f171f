"""Rows of share history for tests."""

import random

from proxy.models.history import RejectBucket, ShareBucket, Step

T0 = 1_767_225_600  # 2026-01-01 00:00 UTC
DAY = 86400


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
