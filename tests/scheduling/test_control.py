"""Who is in control: pin > override > the schedule in force > the default > nobody."""

import math
from dataclasses import replace
from datetime import time

import pytest

from proxy.config.snapshot import Mode, OverrideConfig, OverrideKind, Window
from proxy.observe.events import ControlChanged, OverrideChanged
from proxy.scheduling import controls
from tests.scheduling.harness import A, B, C, SchedulerHarness, config, schedule

DAYTIME = Window(weekdays=frozenset(range(7)), start=time(16), end=time(20))
PLANS = (schedule({A: 50, B: 50}), schedule({A: 1}, id=2, name="evening", is_default=False, windows=(DAYTIME,)))


def test_the_default_rules_outside_the_windows_and_the_schedule_inside_at_once():
    fleet = SchedulerHarness(config(*PLANS))
    rig = fleet.join(1)
    assert fleet.scheduler.control("rig1").source == "default"
    fleet.work(3600, every=10)
    assert fleet.scheduler.control("rig1").source == "schedule"
    assert fleet.scheduler.current(rig) == A
    assert [event.source for event in fleet.of(ControlChanged)] == ["default", "schedule"]
    assert fleet.work(1800, every=10) == {A: 1800}


def test_the_slider_wins_over_every_schedule_until_it_is_cleared():
    fleet = SchedulerHarness(config(*PLANS))
    rig = fleet.join(1)
    slider = OverrideConfig(weights={B: 100, A: 0}, set_by="ann", set_at=5.0)
    fleet.scheduler.apply(config(*PLANS, override=slider))
    control = fleet.scheduler.control("rig1")
    assert (control.source, control.detail, control.weights) == ("override", "slider, set by ann", {B: 1.0})
    assert fleet.scheduler.current(rig) == B
    assert fleet.of(OverrideChanged)[-1].set_by == "ann"
    fleet.scheduler.apply(config(*PLANS))
    assert fleet.scheduler.control("rig1").source == "default"
    assert fleet.of(OverrideChanged)[-1].weights == {}


def test_the_slider_ends_at_its_chosen_time():
    fleet = SchedulerHarness(config(PLANS[0]))
    rig = fleet.join(1)
    slider = OverrideConfig(weights={B: 100}, until=fleet.clock.wall() + 90)
    fleet.scheduler.apply(config(PLANS[0], override=slider))
    assert fleet.scheduler.current(rig) == B
    fleet.clock.advance(89)
    assert fleet.scheduler.control("rig1").source == "override"
    spent = fleet.work(600)
    assert fleet.scheduler.control("rig1").source == "default"
    assert spent[A] > 200


def test_a_pin_wins_over_the_slider_and_its_worker_falls_back_when_the_pool_is_down():
    fleet = SchedulerHarness(config(PLANS[0], override=OverrideConfig(weights={A: 100}), pins={"rig1": B}))
    rig, other = fleet.join(1), fleet.join(2)
    assert fleet.pools() == {rig: B, other: A}
    assert fleet.scheduler.control("rig1").source == "pin"
    fleet.scheduler.pool_status(B, False)
    assert fleet.scheduler.current(rig) == A
    fleet.scheduler.pool_status(B, True)
    fleet.clock.advance(5)
    assert fleet.pools() == {rig: B, other: A}


def test_auto_balance_by_hand_uses_its_weights_or_the_schedules_while_it_has_none():
    by_hand = OverrideConfig(kind=OverrideKind.AUTO_BALANCE, set_by="bob")
    fleet = SchedulerHarness(config(PLANS[0], override=by_hand))
    assert fleet.scheduler.control("rig1").weights == {A: 0.5, B: 0.5}
    fleet.scheduler.set_balance_weights({A: 30, B: 70})
    control = fleet.scheduler.control("rig1")
    assert (control.source, control.weights) == ("auto-balance", {A: 0.3, B: 0.7})
    fleet.scheduler.set_balance_weights(None)
    assert fleet.scheduler.control("rig1").weights == {A: 0.5, B: 0.5}


def test_without_any_schedule_the_pools_share_evenly_so_that_nobody_idles():
    fleet = SchedulerHarness(config())
    rig = fleet.join(1)
    assert fleet.scheduler.control("rig1").source == "none"
    assert fleet.scheduler.current(rig) is not None


def test_without_pools_miners_wait():
    fleet = SchedulerHarness(config(pools=()))
    rig = fleet.join(1, ready=())
    fleet.clock.advance(600)
    assert fleet.scheduler.current(rig) is None
    fleet.scheduler.apply(config(PLANS[0]))
    fleet.scheduler.pool_status(A, True)
    fleet.ready(rig, A)
    assert fleet.scheduler.current(rig) == A


def test_priority_takes_the_first_pool_that_is_up_and_returns_to_it():
    fleet = SchedulerHarness(config(schedule({A: 1, B: 1, C: 1}, mode=Mode.PRIORITY), pools=(A, B, C)))
    rigs = [fleet.join(number, (A, B, C)) for number in range(10)]
    assert set(fleet.pools().values()) == {A}
    assert fleet.scheduler.pools_wanted(rigs[0]) == {A}
    fleet.scheduler.pool_status(A, False)
    assert set(fleet.pools().values()) == {B}
    assert fleet.scheduler.pools_wanted(rigs[0]) == {A, B}
    fleet.scheduler.pool_status(A, True)
    assert list(fleet.pools().values()).count(A) < 5, "a few a second, not the herd"
    fleet.work(10, every=1)
    assert set(fleet.pools().values()) == {A}


def test_fallback_pools_are_used_in_order_only_while_all_allocated_ones_are_down():
    fleet = SchedulerHarness(config(schedule({A: 1}, fallbacks=(B, C)), pools=(A, B, C)), up=(A,))
    rig = fleet.join(1, (A,))
    assert fleet.scheduler.pools_wanted(rig) == {A}
    fleet.scheduler.pool_status(A, False)
    assert fleet.scheduler.pools_wanted(rig) == {A, B}
    assert fleet.wanted_changes >= 1
    fleet.ready(rig, B)
    assert fleet.scheduler.current(rig) == B
    fleet.scheduler.pool_status(B, False)
    assert fleet.scheduler.pools_wanted(rig) == {A, C}
    fleet.ready(rig)
    assert fleet.scheduler.current(rig) is None
    fleet.ready(rig, C)
    assert fleet.scheduler.current(rig) == C
    fleet.ready(rig, A, C)
    fleet.scheduler.pool_status(A, True)
    fleet.clock.advance(5)
    assert fleet.scheduler.current(rig) == A


def test_a_pool_that_is_taken_out_is_left_at_once():
    plans = config(schedule({A: 50, B: 50}))
    fleet = SchedulerHarness(plans)
    rigs = [fleet.join(number) for number in range(6)]
    drained = {**plans.pools, B: replace(plans.pools[B], status="drain")}
    fleet.scheduler.apply(replace(plans, pools=drained))
    assert set(fleet.pools().values()) == {A}
    assert fleet.scheduler.pools_wanted(rigs[0]) == {A}


def test_weights_of_auto_balance_that_make_no_sense_leave_the_schedules_own_in_force():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50}, mode=Mode.AUTO_BALANCE)))
    rig = fleet.join(1)
    for nonsense in ({A: math.nan, B: math.nan}, {A: math.inf}, {A: -1.0, B: 0.0}, {A: 0.0, B: 0.0}):
        fleet.scheduler.set_balance_weights(nonsense)
        assert fleet.scheduler.control("rig1").weights == {A: 0.5, B: 0.5}
    fleet.scheduler.set_balance_weights({A: 70.0, B: math.nan})
    assert fleet.scheduler.control("rig1").weights == {A: 1.0}
    assert fleet.scheduler.current(rig) == A


def test_an_override_whose_time_is_over_comes_back_if_the_clock_is_set_back():
    fleet = SchedulerHarness(config(schedule({A: 100})))
    rig = fleet.join(1)
    until = fleet.clock.wall() + 90
    fleet.scheduler.apply(config(schedule({A: 100}), override=OverrideConfig(weights={B: 100}, until=until)))
    fleet.work(120)
    assert fleet.scheduler.current(rig) == A
    fleet.clock.set_wall(until - 3000)
    fleet.work(70)
    assert fleet.scheduler.current(rig) == B
    fleet.clock.set_wall(until + 5)
    fleet.work(70)
    assert fleet.scheduler.current(rig) == A


def test_a_pin_to_a_pool_that_is_taken_out_works_elsewhere_and_returns():
    plans = config(schedule({A: 100}), pins={"rig1": B})
    fleet = SchedulerHarness(plans)
    rig = fleet.join(1)
    assert fleet.scheduler.current(rig) == B
    out = replace(plans, pools={**plans.pools, B: replace(plans.pools[B], status="disabled")})
    fleet.scheduler.apply(out)
    assert fleet.scheduler.current(rig) == A
    assert fleet.scheduler.control("rig1").source == "pin"
    fleet.scheduler.apply(plans)
    fleet.work(30)
    assert fleet.scheduler.current(rig) == B


@pytest.mark.no_cover
def test_a_better_pool_that_comes_and_goes_all_the_time_is_followed_without_a_herd():
    fleet = SchedulerHarness(config(schedule({A: 1, B: 1}, mode=Mode.PRIORITY)))
    rigs = [fleet.join(number) for number in range(40)]
    for _ in range(20):
        fleet.scheduler.pool_status(A, False)
        for rig in rigs:
            fleet.ready(rig, B)
        assert set(fleet.pools().values()) == {B}
        for rig in rigs:
            fleet.ready(rig, A, B)
        fleet.scheduler.pool_status(A, True)
        fleet.work(2, every=1)
        assert list(fleet.pools().values()).count(A) <= 15
    fleet.work(30, every=1)
    assert set(fleet.pools().values()) == {A}


@pytest.mark.no_cover
def test_a_thousand_workers_of_one_schedule_are_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    found = []
    whole = controls.control_of
    monkeypatch.setattr(controls, "control_of", lambda *args, **more: found.append(args) or whole(*args, **more))
    fleet = SchedulerHarness(config(*PLANS, pins={"rig7": B}))
    for number in range(1000):
        fleet.join(number)
    fleet.scheduler.apply(config(*PLANS, pins={"rig8": A}))
    assert len(found) < 10
    assert fleet.scheduler.control("rig7").source == "default"
    assert fleet.scheduler.control("rig8").source == "pin"
