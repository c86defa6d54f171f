"""Old history gets coarser, and every share stays in exactly one row."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from django.db.models import F, Max, Sum

from proxy.history import retention
from proxy.history.retention import RetentionJob, sweep
from proxy.models.history import BestShare, ChainTip, PayoutRecord, RejectBucket, Retention, ShareBucket, Step
from proxy.scheduling.virtual_clock import VirtualClock
from tests.history.history_cast import DAY, T0, bucket, minutes

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]
SUMS = ("accepted", "rejected", "stale", "credited", "work", "work_squares", "work_shares", "latency_s", "latency_n")


def sums():
    """Everything by worker and pool."""
    rows = (
        ShareBucket.objects.values("worker", "pool")
        .annotate(top=Max("best"), **{f"sum_{name}": Sum(name) for name in SUMS})
        .order_by("worker", "pool")
    )
    refused = (
        RejectBucket.objects.values("worker", "pool", "reason").annotate(total=Sum("count")).order_by("worker", "pool")
    )
    return [
        *(pytest.approx(row["sum_credited"], rel=1e-12) for row in rows),
        *({key: value for key, value in row.items() if not isinstance(value, float)} for row in rows),
        *(row["top"] for row in rows),
        *map(dict, refused),
    ]


def steps():
    return dict(ShareBucket.objects.values_list("step").annotate(rows=Sum(1)).order_by("step"))


@pytest.mark.slow
def test_a_years_history_is_rolled_up_without_losing_or_doubling_a_share():
    minutes(2000, every_s=15_720)  # about a year
    before = sums()
    for days in (1, 5, 40, 100, 380, 800):
        sweep(T0 + days * DAY)
        assert sums() == before
    assert steps().keys() == {Step.DAY}
    assert not ShareBucket.objects.annotate(left=F("start") % DAY).exclude(left=0).exists()


def test_each_age_has_its_step():
    minutes(2000, every_s=2100)  # 48.6 days
    now = T0 + 49 * DAY
    sweep(now)
    for step, youngest, oldest in ((Step.MINUTE, 0, 3), (Step.TEN_MINUTES, 3, 30), (Step.HOUR, 30, 366)):
        starts = ShareBucket.objects.filter(step=step).aggregate(first=Max(-F("start")), last=Max("start"))
        assert -starts["first"] >= now - oldest * DAY - step
        assert starts["last"] < now - youngest * DAY


def test_a_late_row_joins_the_bucket_that_is_there_already():
    bucket(T0, accepted=5, best=3.0)
    sweep(T0 + 10 * DAY)
    bucket(T0 + 120, accepted=7, best=2.0)
    sweep(T0 + 10 * DAY)
    [row] = ShareBucket.objects.all()
    assert (row.step, row.start, row.accepted, row.best) == (Step.TEN_MINUTES, T0, 12, 3.0)


def test_a_sweep_that_is_stopped_midway_is_finished_by_the_next(monkeypatch):
    minutes(500, every_s=420)
    before = sums()
    move = retention._move
    calls = []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 4:  # refusals of the second piece: its shares are moved already
            raise OperationalError("killed")
        return move(*args)

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_move", stopped)
        with pytest.raises(OperationalError):
            sweep(T0 + 30 * DAY)
    assert sums() == before
    assert Step.MINUTE in steps()
    sweep(T0 + 30 * DAY)
    assert sums() == before and Step.MINUTE not in steps()


def test_the_operators_settings_count_and_days_can_be_let_go():
    Retention.objects.create(id=1, minutes_days=1, ten_minutes_days=2, hours_days=3, days_days=10)
    minutes(2000, every_s=1000)  # 23 days
    sweep(T0 + 24 * DAY)
    assert ShareBucket.objects.order_by("start").first().start >= T0 + 14 * DAY


def test_tips_and_payouts_go_when_they_are_old():
    for days in (0, 95):
        when = datetime.fromtimestamp(T0 + days * DAY, UTC)
        ChainTip.objects.create(chain="BTC", pool="A", prevhash=str(days), nbits=1, seen_at=when, behind_ms=0)
        PayoutRecord.objects.create(pool="A", at=when, percent=100, ok=True)
    sweep(T0 + 100 * DAY)
    assert ChainTip.objects.count() == 1
    assert PayoutRecord.objects.count() == 2


def test_best_shares_that_were_beaten_go_and_every_workers_own_best_stays():
    when = datetime.fromtimestamp(T0, UTC)
    for number in range(200):
        BestShare.objects.create(worker="big", chain="BTC", pool="A", true_difficulty=1000 + number, at=when)
    for difficulty in (3, 5):
        BestShare.objects.create(worker="small", chain="BTC", pool="A", true_difficulty=difficulty, at=when)
    sweep(T0)
    assert BestShare.objects.filter(worker="big").count() == 50
    assert list(BestShare.objects.filter(worker="small").values_list("true_difficulty", flat=True)) == [5.0]


def test_the_periodic_job_sweeps_every_ten_minutes_and_again_after_a_failure(monkeypatch):
    swept = []

    def count(now, check):
        swept.append(now)
        if len(swept) == 1:
            raise OperationalError("database is locked")
        return retention.Swept(rolled_up=0, deleted=0)

    monkeypatch.setattr(retention, "sweep", count)
    clock = VirtualClock()
    periodic_job = RetentionJob(clock)
    with pytest.raises(OperationalError):
        periodic_job()
    for _ in range(10):
        periodic_job()
        clock.advance(200)
    assert len(swept) == 1 + 4
