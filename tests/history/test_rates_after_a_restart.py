"""After a restart the rates of the hour and the day, the split and its target go on from history."""

import asyncio

import pytest

from proxy.history import WINDOWS_S, Accounting, Work
from proxy.history.past_work import Times, read_past, resume_rates
from proxy.history.rates import RateWindow
from proxy.history.split import RESUMED_WITHIN_S, Span, SplitMeter
from proxy.history.tallies import PastPresence, PastWork
from proxy.models.history import Step
from proxy.observe.events import EventStream, SplitTargetChanged
from proxy.scheduling.virtual_clock import VirtualClock
from tests.history.history_cast import worked
from tests.support.shares import ANN, BOB, A, B, ready, share

HOUR, DAY = WINDOWS_S[1:]


class Run:
    """One run of the counting parts."""

    def __init__(self, clock=None):
        self.clock = clock or VirtualClock()
        self.events = EventStream()
        self.accounting = Accounting(clock=self.clock, events=self.events, hashes_per_difficulty=1.0)
        self.meter = SplitMeter(clock=self.clock, events=self.events, accounting=self.accounting)

    def want(self, **weights):
        self.events.emit(SplitTargetChanged(weights=weights))

    def resume(self):
        """Go on from history as ``resume_rates`` does, in this thread."""
        times = Times(self.clock.now(), self.clock.wall())
        past = read_past(times)
        if past.fleet is None:
            return
        self.accounting.resume_fleet(past.fleet)
        for worker in past.workers:
            self.accounting.resume(worker)
        self.meter.watched_since(times.to_wall(past.fleet.day))


@pytest.fixture
def run():
    run = Run()
    run.clock.advance(123_456.0)
    return run


@pytest.mark.no_cover
@pytest.mark.django_db
def test_the_rates_of_the_hour_and_the_day_go_on_from_history(run):
    worked(run.clock, 2 * 1440)
    run.events.emit(ready())
    run.resume()
    run.clock.advance(1)
    rates = run.accounting.worker(ANN).rates
    assert rates.h1.value == pytest.approx(20.0, rel=0.05)
    assert rates.h24.value == pytest.approx(20.0, rel=0.03)
    assert rates.h1.span_s == pytest.approx(HOUR, rel=0.05)
    assert rates.h24.span_s == pytest.approx(DAY, rel=0.03)
    assert rates.m5.shares == 0
    fleet = run.accounting.fleet().rates
    assert (fleet.h1.shares, fleet.h24.shares) == (rates.h1.shares, rates.h24.shares)


@pytest.mark.django_db
def test_a_worker_of_two_hours_is_not_said_to_have_worked_a_day(run):
    worked(run.clock, 2880, BOB)
    worked(run.clock, 120)
    run.resume()
    assert run.accounting.rates(ANN).h24.span_s == 0  # not in memory: nobody shows it
    run.events.emit(ready())
    run.events.emit(ready(session=2, worker=BOB))
    again = Run(run.clock)
    again.events.emit(ready())
    again.resume()
    rates = again.accounting.worker(ANN).rates
    assert rates.h1.span_s > 0.9 * HOUR
    assert rates.h24.span_s == pytest.approx(7200, abs=90)
    assert rates.h24.value == pytest.approx(20.0, rel=0.1)


@pytest.mark.no_cover
@pytest.mark.django_db
def test_time_between_the_runs_counts_as_silence(run):
    worked(run.clock, 1440, until=30)
    run.events.emit(ready())
    run.resume()
    assert run.accounting.worker(ANN).rates.h1.value == pytest.approx(10.0, rel=0.15)


@pytest.mark.no_cover
@pytest.mark.django_db
def test_what_this_run_has_written_itself_is_not_counted_twice(run):
    worked(run.clock, 1, until=-1)
    run.events.emit(ready())
    run.resume()
    assert run.accounting.worker(ANN).rates.h1.shares == 0


@pytest.mark.no_cover
@pytest.mark.django_db
def test_rows_that_are_too_coarse_for_a_window_are_left_out_of_it(run):
    worked(run.clock, 1440, step=Step.TEN_MINUTES)
    worked(run.clock, 1440, BOB, step=Step.HOUR)
    run.events.emit(ready())
    run.resume()
    rates = run.accounting.worker(ANN).rates
    assert rates.h24.value == pytest.approx(20.0, rel=0.1)
    assert run.accounting.fleet().rates.h24.shares == rates.h24.shares


@pytest.mark.django_db(transaction=True)
def test_history_is_read_in_a_thread_while_miners_are_served(run):
    run.events.emit(ready())
    assert asyncio.run(resume_rates(run.accounting, run.clock)) is None
    worked(run.clock, 30)
    since = asyncio.run(resume_rates(run.accounting, run.clock))
    assert since == pytest.approx(run.clock.wall() - 1800, abs=60)
    assert run.accounting.worker(ANN).rates.h1.shares == 30 * 2 * 60


@pytest.mark.no_cover
@pytest.mark.django_db
def test_the_split_of_the_day_goes_on_with_what_was_wanted_then(run):
    worked(run.clock, 1440, pools=(A,))
    before = Run(run.clock)
    before.want(A=80, B=20)
    run.clock.advance(DAY / 2)
    worked(run.clock, 719, pools=(B,))
    left = before.meter.dump()
    now = Run(run.clock)
    now.meter.restore(left)
    now.resume()
    now.want(A=50, B=50)
    day = now.meter.fleet(Span.DAY)
    assert [part.pool for part in day.parts] == [A, B]
    assert day.parts[0].delivered == pytest.approx(0.5, abs=0.03)
    assert day.parts[0].wanted == pytest.approx(0.8, abs=0.001)
    assert run.clock.wall() - day.since == pytest.approx(DAY, rel=0.03)


def test_the_span_since_the_change_goes_on_if_the_same_is_wanted_again(run):
    run.events.emit(ready())
    run.want(A=50, B=50)
    changed = run.clock.wall()
    run.clock.advance(600)
    run.events.emit(share(pool=A))
    now = Run(run.clock)
    now.meter.restore(run.meter.dump())
    run.clock.advance(1)
    assert now.meter.fleet(Span.CHANGE).parts == ()
    now.want(A=100)  # the other pool takes a moment longer
    assert now.meter.fleet(Span.CHANGE).since == pytest.approx(run.clock.wall())
    now.want(A=1, B=1)
    assert now.meter.fleet(Span.CHANGE).since == pytest.approx(changed)


def test_the_span_since_the_change_begins_anew_if_something_else_is_wanted(run):
    run.want(A=50, B=50)
    run.clock.advance(600)
    now = Run(run.clock)
    now.meter.restore(run.meter.dump())
    now.want(A=90, B=10)
    run.clock.advance(RESUMED_WITHIN_S + 1)
    now.want(A=50, B=50)
    assert now.meter.fleet(Span.CHANGE).since == pytest.approx(run.clock.wall())


@pytest.mark.parametrize(
    "state",
    [
        [],
        {},
        {"changes": []},
        {"changes": [[1, {"A": "x"}]]},
        {"changes": [], "base": {}, "changed_at": 1},
        {"changes": 3},
    ],
)
def test_a_state_that_is_not_one_is_not_used(state):
    run = Run()
    run.meter.restore(state)
    run.want(A=1)
    assert len(run.meter.dump()["changes"]) == 1


def test_work_of_earlier_runs_leaves_the_windows_when_its_time_is_over():
    window = RateWindow(100_000.0)
    window.add_past(99_000.0, Work(5.0, 25.0, 1), 100_000.0)
    window.add_past(99_990.0, Work(7.0, 49.0, 1), 100_000.0)
    window.add_past(1.0, Work(9.0, 81.0, 1), 100_000.0)
    assert [window.work(100_000.0, number).sum for number in range(3)] == [0.0, 12.0, 12.0]
    window.add(100_001.0, 1.0)
    assert window.work(100_030.0, 1) == Work(13.0, 75.0, 3)
    assert window.work(99_000.0 + HOUR + 120, 1).sum == 8.0
    assert window.work(100_001.0 + HOUR + 120, 1).sum == 0.0
    assert window.work(100_001.0 + DAY + 1800, 2) == Work()
    window.add_past(200_000.0, Work(2.0, 4.0, 1), 200_000.0)
    assert window.work(200_000.0, 2).sum == 2.0


def test_a_worker_that_comes_back_later_was_still_there_before():
    run = Run()
    run.clock.advance(DAY)
    now = run.clock.now()
    run.events.emit(ready())
    run.events.emit(ready(session=2, worker=BOB))
    run.accounting.resume(
        PastWork(
            worker=ANN, slots=[(A, now - 60, Work(60.0, 60.0, 60))], presence=PastPresence(now - 600, now - 900, now)
        )
    )
    assert run.accounting.worker(ANN).rates.h1.span_s == pytest.approx(600)
    assert run.accounting.worker(ANN).rates.h24.span_s == pytest.approx(900)
    assert run.accounting.worker(BOB).rates.h1.span_s == 0
    assert run.accounting.pool_work(1)[A].shares == 60
