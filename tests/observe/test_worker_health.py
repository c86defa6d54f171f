"""What is said of a worker's health holds for it, and chance alone makes nobody unhealthy."""

from typing import Any

import pytest

from proxy.observe.live.moves import ShareSum
from proxy.observe.live.views import LiveSnapshot, RateView, WorkerView
from proxy.observe.live.worker_health import Cause, Level, WorkerHealth, assess, health_of
from proxy.types import DecidedBy, PoolKey, Reason, WorkerName
from tests.support.tallies import tally

NOW, HASHES = 1_790_000_000.0, 2.0**32
RIG = WorkerName("rig")
UNKNOWN = {"rate_1h": RateView(), "rate_24h": RateView()}


def rate(value: float, span_s: float = 86400.0, error: float = 0.02) -> RateView:
    return RateView(value=value, low=value * (1 - error), high=value * (1 + error), known=True, span_s=span_s)


def worker(**changes: Any) -> WorkerView:
    """One that gets a share in 10 s, the last of them just now."""
    fields: dict[str, Any] = {
        "connections": 1,
        "connected_at": NOW - 9000,
        "last_share_at": NOW - 5,
        "difficulty": 1000.0,
        "rate_1h": rate(100.0 * HASHES, 3600.0),
        "rate_24h": rate(100.0 * HASHES),
    }
    return WorkerView(name=RIG, **(fields | changes))


GOOD = ShareSum(1000, 0, 0)


def assessed(recent: ShareSum = GOOD, **changes: Any) -> WorkerHealth:
    return assess(worker(**changes), recent, at=NOW, hashes_per_difficulty=HASHES)


def test_worker_that_works_as_it_did_is_healthy() -> None:
    assert assessed() == WorkerHealth(Level.HEALTHY)
    assert assessed().score == 1.0


@pytest.mark.parametrize(
    "changes, level, cause, number",
    [
        ({"connections": 0, "last_seen_at": NOW - 60}, Level.BAD, Cause.AWAY, 60.0),
        ({"connections": 0, "last_seen_at": None}, Level.BAD, Cause.AWAY, 0.0),
        ({"waiting": "no pool fits", "last_share_at": NOW - 9000}, Level.BAD, Cause.NO_WORK, 0.0),
        ({"last_share_at": NOW - 301}, Level.ATTENTION, Cause.SILENT, 301.0),
        ({"last_share_at": NOW - 901}, Level.BAD, Cause.SILENT, 901.0),
        ({"last_share_at": None, **UNKNOWN}, Level.ATTENTION, Cause.NO_SHARE_YET, 9000.0),
        ({"rate_1h": rate(80 * HASHES, 3600.0)}, Level.ATTENTION, Cause.SLOW, 0.8),
        ({"rate_1h": rate(40 * HASHES, 3600.0)}, Level.BAD, Cause.SLOW, 0.4),
        ({"excluded": {PoolKey("B"): "jobs too large"}}, Level.ATTENTION, Cause.EXCLUDED, 0.0),
    ],
)  # fmt: skip
def test_each_finding_has_its_level_and_number(changes: Any, level: Level, cause: Cause, number: float) -> None:
    health = assessed(**changes)
    assert health.level is level
    assert [finding.cause for finding in health.findings] == [cause]
    assert health.findings[0].number == pytest.approx(number)


@pytest.mark.parametrize(
    "changes",
    [
        {"last_share_at": NOW - 299},
        # A small miner with a share an hour was silent for ten hours: once in 22 000 by luck.
        {"last_share_at": NOW - 36_000, "connected_at": NOW - 90_000, "difficulty": 360_000.0},
        {"last_share_at": NOW - 9000, "connected_at": NOW - 20},  # it has only just come back
        {"last_share_at": None, "connected_at": NOW - 3000, **UNKNOWN},
        {"last_share_at": None, "connected_at": None},
        {"last_share_at": NOW - 9000, "difficulty": 0.0},
        {"last_share_at": NOW - 9000, **UNKNOWN},
        {"rate_1h": rate(40 * HASHES, 1700.0)},  # the hour has not been watched for half of it
        {"rate_1h": rate(40 * HASHES, 3600.0), "rate_24h": rate(100 * HASHES, 3 * 3600.0)},
        {"rate_1h": rate(80 * HASHES, 3600.0, error=0.3)},  # a few shares: it may as well be its usual rate
    ],
)
def test_what_chance_explains_is_no_finding(changes: Any) -> None:
    assert assessed(**changes).level is Level.HEALTHY


@pytest.mark.parametrize(
    "recent, found",
    [
        (ShareSum(1000, 40, 0), [(Level.ATTENTION, Cause.REJECTS)]),
        (ShareSum(100, 40, 0), [(Level.BAD, Cause.REJECTS)]),
        (ShareSum(1000, 20, 0), []),
        (ShareSum(4, 4, 0), []),
        (ShareSum(1000, 20, 20), [(Level.ATTENTION, Cause.FIRMWARE)]),
        (ShareSum(100, 90, 30), [(Level.BAD, Cause.FIRMWARE), (Level.BAD, Cause.REJECTS)]),
        (ShareSum(0, 0, 0), []),
    ],
)
def test_refused_shares_count_by_what_they_say_of_the_miner(recent: ShareSum, found: object) -> None:
    assert [(finding.level, finding.cause) for finding in assessed(recent).findings] == found


def test_worst_comes_first_and_decides() -> None:
    health = assessed(ShareSum(1000, 40, 0), excluded={PoolKey("B"): "x"}, last_share_at=NOW - 950)
    assert [finding.cause for finding in health.findings] == [Cause.SILENT, Cause.REJECTS, Cause.EXCLUDED]
    assert (health.level, health.score) == (Level.BAD, 0.1)


def test_old_refusals_are_forgiven() -> None:
    refused = {(Reason.DUPLICATE, DecidedBy.PROXY): 500, (Reason.DUPLICATE, DecidedBy.POOL): 400}
    counts = tally(accepted=2000)
    counts.rejects.update(refused)  # type: ignore[union-attr]
    rig = worker(counts=counts)
    before = LiveSnapshot(revision=1, at=NOW, started_at=0.0)
    assert [finding.cause for finding in health_of(rig, before).findings] == [Cause.FIRMWARE, Cause.REJECTS]
    known = LiveSnapshot(revision=1, at=NOW, started_at=0.0, marks={RIG: ShareSum(1000, 900, 500)})
    assert health_of(rig, known).level is Level.HEALTHY
    anew = LiveSnapshot(revision=1, at=NOW, started_at=0.0, marks={RIG: ShareSum(9000, 9000, 9000)})
    assert health_of(rig, anew).level is Level.HEALTHY
