"""Series for the charts: sums, gaps, coarse rows, colours."""

from dataclasses import replace

import pytest
from django.utils import timezone

from dashboard import charts
from dashboard.charts import SPANS, SPLIT_WIDTHS, network, series, split
from dashboard.models import AuditEntry
from proxy.models.history import Block, RejectBucket, ShareBucket
from proxy.models.state import SchedulerState
from proxy.observe.events import PoolDown
from proxy.observe.log import RecentLines
from proxy.observe.log.lines import Entry
from tests.dashboard import fixtures

NOW = 1_790_000_050
MINUTE = NOW // 60 * 60
BEGIN = NOW // 86400 * 86400


def bucket(start, pool="A", worker="w", step=60, **sums):
    ShareBucket.objects.create(step=step, start=start, worker=worker, pool=pool, **sums)


def test_rate_is_work_over_time_and_a_minute_without_shares_is_a_gap(db):
    bucket(MINUTE - 60, work=60)
    bucket(MINUTE - 180, work=120)
    found = series(fixtures.rich(), kind="rate", span="15m", now=NOW)
    assert found.lines[0].values[-3:] == [2 * 2**32, None, 2**32]
    assert found.times[-1] == MINUTE - 60


def test_minute_that_is_not_over_is_left_out(db):
    bucket(MINUTE, work=60)
    assert series(fixtures.rich(), kind="rate", span="15m", now=NOW).lines == []


def test_pool_without_work_in_a_minute_of_others_is_zero(db):
    bucket(MINUTE - 60, pool="A", accepted=5)
    bucket(MINUTE - 60, pool="B", accepted=1)
    bucket(MINUTE - 120, pool="A", accepted=7)
    first, second = series(fixtures.rich(), kind="accepted", span="15m", now=NOW).lines
    assert (first.label, first.colour, first.values[-2:]) == ("A Solo CK", 0, [7, 5])
    assert (second.colour, second.values[-2:]) == (1, [0, 1])


def test_only_the_worker_or_pool_that_was_asked_for(db):
    bucket(MINUTE - 60, worker="w", work=60)
    bucket(MINUTE - 60, worker="other", pool="B", work=600)
    assert [line.label for line in series(fixtures.rich(), kind="rate", span="1h", worker="w", now=NOW).lines] == [
        "A Solo CK"
    ]
    assert [line.colour for line in series(fixtures.rich(), kind="rate", span="1h", pool="B", now=NOW).lines] == [1]


def test_coarse_row_is_spread_over_the_points_it_covers(db):
    start = (MINUTE - 3600) // 600 * 600
    bucket(start, step=600, accepted=100)
    values = series(fixtures.rich(), kind="accepted", span="6h", now=NOW).lines[0].values
    assert [value for value in values if value] == [10.0] * 10


@pytest.mark.parametrize("span", SPANS)
def test_every_span_has_a_bounded_number_of_points_and_one_query(db, span, django_assert_num_queries):
    bucket(MINUTE - 86400 * 3, step=3600, work=1)
    with django_assert_num_queries(1):
        found = series(fixtures.rich(), kind="rate", span=span, now=NOW)
    assert 10 < len(found.times) <= 400


def test_minute_is_drawn_when_its_shares_are_surely_written(db):
    bucket(MINUTE - 60, work=60)
    bucket(MINUTE - 120, work=60)
    ends = [series(fixtures.rich(), kind="rate", span="15m", now=MINUTE + after).times[-1] for after in (1, 5)]
    assert ends == [MINUTE - 120, MINUTE - 60]


def test_chains_share_a_scale_and_stand_in_the_order_of_the_pools(db):
    lines = network(fixtures.rich(), "difficulty").lines
    assert [(line.label, line.values[0]) for line in lines] == [("BTC", 100), ("BCH", 100)]
    assert [line.colour for line in network(fixtures.rich(), "weights").lines] == [0, 1]


def test_short_window_is_drawn_against_the_long_one(db):
    lines = network(fixtures.rich(), "rate").lines
    assert [(line.label, line.dashed) for line in lines] == [
        ("BTC short", False),
        ("BTC long", True),
        ("BCH short", False),
        ("BCH long", True),
    ]
    assert lines[3].values[0] == 100 and lines[2].values[0] == pytest.approx(5.5 / 5.5 * 100)
    assert min(lines[2].values) < 95


def test_what_no_poll_has_told_is_no_line(db):
    snap = fixtures.rich()
    history = tuple(replace(point, short={}, long={}) for point in snap.extra["balance"].history)
    early = replace(snap, extra={"balance": replace(snap.extra["balance"], history=history)})
    assert network(early, "rate").lines == [] and len(network(early, "weights").lines) == 2


def test_no_balance_is_no_line():
    assert network(fixtures.empty(), "rate").lines == []


def test_chart_of_the_fleet_is_marked_with_what_happened(db, monkeypatch):
    now = timezone.now()
    Block.objects.create(
        header_hash="0" * 64,
        worker="desk",
        pool="A",
        chain="BTC",
        at=now,
        header="",
        coinbase="",
        nbits=1,
        true_difficulty=2.0,
        network_difficulty=1.0,
    )
    AuditEntry.write(by="otto", action="weights", new="A 80, B 20")
    AuditEntry.write(by="otto", action="pin", subject="desk", new="A")
    lines = RecentLines()
    lines.append(
        Entry(
            id=1,
            ts=now.timestamp(),
            event=PoolDown(pool=fixtures.A, reason="gone"),
            session=None,
            worker=None,
            pool="A",
        )
    )
    monkeypatch.setattr(charts, "ring", lambda: lines)
    found = charts.fleet(fixtures.rich(), "1h")
    assert {(mark.kind, mark.text) for mark in found.marks} == {
        ("block", "block by desk"),
        ("split", "set the split A 80, B 20"),
        ("down", "A Solo CK is down"),
    }
    assert len(found.as_json()["marks"]) == 3


def test_latency_difficulty_and_reasons_of_refusals_are_drawn_over_time(db):
    for minute, work in ((0, 300.0), (1, 0.0)):
        ShareBucket.objects.create(
            step=60,
            start=BEGIN + 60 * minute,
            worker="ann",
            pool="A",
            accepted=1,
            work=work,
            work_shares=3 if work else 0,
            latency_s=0.12,
            latency_n=3,
        )
    RejectBucket.objects.create(
        step=60, start=BEGIN, worker="ann", pool="A", reason="stale", decided_by="pool", count=4
    )

    def drawn(kind, **whose):
        found = charts.series(fixtures.rich(), kind=kind, span="15m", now=BEGIN + 905, **whose)
        return {line.label: line.values[:2] for line in found.lines}

    assert drawn("latency", worker="ann") == {"A Solo CK": [pytest.approx(40.0)] * 2}
    assert drawn("difficulty", pool="A") == {"A Solo CK": [100.0, None]}
    assert drawn("rejected", worker="ann", pool="A") == {"Stale: the block had changed": [4.0, 0.0]}
    assert drawn("rejected", worker="bob") == {}


def test_strip_of_a_day_tells_pool_several_pools_idle_and_nothing_recorded(db):
    def worked(piece, worker="ann", **work):
        for pool, amount in work.items():
            start = BEGIN + 600 * piece
            ShareBucket.objects.create(step=600, start=start, worker=worker, pool=pool, work=amount, work_shares=1)

    worked(0, A=9.0)
    worked(1, A=1.0)
    worked(2, A=1.0, B=1.0)
    worked(3, worker="bob", A=1.0)
    pieces = charts.day_strip(fixtures.rich(), "ann", BEGIN + 86400 + 5)
    assert [(piece.kind, piece.colour) for piece in pieces] == [("pool", 0), ("mixed", 0), ("idle", 0), ("off", 0)]
    assert sum(piece.width for piece in pieces) == pytest.approx(100)
    assert pieces[1].left == pytest.approx(2 * 100 / 144)
    assert charts.day_strip(fixtures.rich(), "nobody", BEGIN) == []


def test_unknown_kind_of_a_chart_is_the_usual_one(browser_of, pools):
    vera = browser_of("viewer")
    assert vera.get("/charts/worker/ann/?what=x").json()["lines"] == []
    assert vera.get("/charts/pool/A/?what=rejected").status_code == 200


def half_hour(start, **parts):
    for pool, work in parts.items():
        bucket(start, pool=pool, work=work, work_squares=work * work / 100, work_shares=100)


def test_split_over_time_has_a_band_that_narrows_with_more_shares_and_the_target_beside_it(db):
    for minute in range(1, 31):
        half_hour(MINUTE - 60 * minute, A=70, B=30)
    for span, least in (("15m", 10), ("1h", 4)):
        line, target = split(fixtures.rich(), span, now=NOW).lines
        seen = [value for value in line.values if value is not None]
        assert seen[-1] == pytest.approx(70) and len(seen) >= least
        assert line.label == "A Solo CK" and not line.dashed
        assert target.dashed and target.values[-1] == pytest.approx(70)
    minute, hour = (split(fixtures.rich(), span, now=NOW).lines[0].errors for span in ("15m", "1h"))
    assert 0 < hour[-1] < minute[-1] < 15


def test_period_without_shares_is_a_gap_in_the_split(db):
    half_hour(MINUTE - 60, A=70, B=30)
    half_hour(MINUTE - 180, A=50, B=50)
    line = split(fixtures.rich(), "15m", now=NOW).lines[0]
    assert [value and round(value) for value in line.values[-3:]] == [50, None, 70]
    assert line.errors[-2] is None


def test_target_of_the_past_is_what_was_wanted_then(db):
    SchedulerState.objects.create(
        pk=1, split={"changes": [[MINUTE - 700, {"A": 0.5, "B": 0.5}], [MINUTE - 400, {"A": 0.9, "B": 0.1}]]}
    )
    half_hour(MINUTE - 60, A=70, B=30)
    snap = fixtures.rich()
    snap = replace(snap, splits=(replace(snap.splits[0], since=MINUTE - 130),))
    target = split(snap, "15m", now=NOW).lines[1].values
    assert target[0] is None, "before the first change that is known"
    assert target[5] == pytest.approx(50) and target[9] == pytest.approx(90) and target[-1] == pytest.approx(70)


@pytest.mark.parametrize("saved", [{}, [], {"changes": 3}, {"changes": [[None, {}]]}, {"changes": [[1, "x"]]}])
def test_nonsense_of_the_database_leaves_the_target_of_now(db, saved):
    SchedulerState.objects.create(pk=1, split=saved)
    half_hour(MINUTE - 900, A=70, B=30)
    assert split(fixtures.rich(), "1h", now=NOW).lines[1].values[-1] == pytest.approx(70)


def test_split_of_three_pools_draws_each_and_that_of_nothing_nothing(db):
    assert split(fixtures.three(), "1h", now=NOW).lines == []
    half_hour(MINUTE - 900, A=70, B=30)
    assert len(split(fixtures.three(), "nonsense", now=NOW).lines) == 6


@pytest.mark.parametrize("span", SPANS)
def test_split_has_some_tens_of_points_for_each_span(db, span):
    half_hour(MINUTE - 60, A=70, B=30)
    half_hour(BEGIN - 10 * 86400, A=70, B=30)
    found = split(fixtures.rich(), span, now=NOW)
    assert 10 <= len(found.times) <= 60 and SPLIT_WIDTHS.keys() == SPANS.keys()
