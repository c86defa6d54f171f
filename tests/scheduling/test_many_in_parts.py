"""What looks at all miners of a large fleet is done a part in a turn of the loop, and comes to the same."""

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from proxy.config.snapshot import Policy
from proxy.scheduling.fleet import Fleet
from proxy.scheduling.fleet_totals import FleetTotals
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies.policy import Assignment, Role
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import PoolKey, SessionId, SwitchReason, WorkerName
from tests.scheduling.harness import A, B, SchedulerHarness, config, schedule

T = TypeVar("T")
IN_PARTS = replace(DEFAULT_TUNING, at_once=4, steps_at_once=3)


def of_many(count: int = 30, policy: Policy = Policy.PACKING) -> SchedulerHarness:
    fleet = SchedulerHarness(config(schedule({A: 70, B: 30}, policy=policy)), tuning=IN_PARTS)
    for number in range(count):
        fleet.join(number)
    return fleet


def the_fleet(fleet: SchedulerHarness) -> Fleet:
    (found,) = [each for each in fleet.scheduler._fleets.values() if each.miners]
    return found


def ended(parts: Generator[None, None, T]) -> tuple[T, int]:
    """What comes of it, and after how many pauses."""
    pauses = 0
    while True:
        try:
            next(parts)
        except StopIteration as end:
            return end.value, pauses
        pauses += 1


def test_fleet_that_is_checked_in_parts_is_packed_and_follows_its_weights() -> None:
    fleet = of_many()
    spent = Counter[PoolKey]()
    for _ in range(20):
        spent.update(fleet.work(60))
    assert {miner.assignment.role for miner in the_fleet(fleet).miners.values()} == {Role.FIXED, Role.RESIDUAL}
    assert spent[A] / spent.total() == pytest.approx(0.7, abs=0.02)
    fleet.scheduler.apply(config(schedule({A: 20, B: 80}, policy=Policy.PACKING), revision=2))
    spent = Counter(fleet.work(1200))
    assert spent[A] / spent.total() == pytest.approx(0.2, abs=0.02)


def test_sums_in_parts_are_those_made_at_once() -> None:
    fleet = of_many()
    fleet.work(90)
    there, now = the_fleet(fleet), fleet.clock.now
    at_once = there.totals(now())
    in_parts, pauses = ended(there.totals_in_parts(now))
    assert pauses == 2 * 8
    assert in_parts == at_once


@pytest.mark.parametrize("what", ["leaves", "comes", "is valued"])
def test_what_happens_between_two_parts_is_in_the_sums_once(what: str) -> None:
    for pause in range(16):
        fleet = of_many()
        fleet.work(90)
        there = the_fleet(fleet)
        before = there.totals(fleet.clock.now()).work
        parts = there.totals_in_parts(fleet.clock.now)
        for _ in range(pause + 1):
            next(parts)
        if what == "leaves":
            fleet.scheduler.remove_miner(next(iter(there.miners)))
        elif what == "comes":
            fleet.join(100 + pause)
        else:
            next(iter(there.miners.values())).close(there.ledger)
        totals, _ = ended(parts)
        assert totals.work == pytest.approx(before)


def test_new_weights_in_the_middle_of_a_check_hold() -> None:
    fleet = of_many()
    fleet.work(300)
    there = the_fleet(fleet)
    check, sums = there.check_in_parts(fleet.clock.now), there.totals_in_parts(fleet.clock.now)
    next(check)
    next(sums)
    fleet.scheduler.apply(config(schedule({A: 0.001, B: 99}, policy=Policy.PACKING), revision=2))
    ended(check)
    totals, _ = ended(sums)
    assert totals.work.keys() == there.ledger.closed.keys()
    assert totals == there.totals(fleet.clock.now())


def test_who_leaves_in_the_middle_of_a_check_is_not_decided_about_and_others_are() -> None:
    fleet = of_many()
    fleet.work(300)
    there = the_fleet(fleet)
    check = there.check_in_parts(fleet.clock.now)
    pauses = 0
    for pauses, _ in enumerate(check, 1):
        if pauses == 20:
            fleet.scheduler.remove_miner(SessionId(0))
            fleet.ready(SessionId(1))  # it loses its pool, and has no other
    assert pauses > 20
    assert SessionId(0) not in there.miners
    assert there.due < float("inf")


def test_miners_that_are_due_together_take_their_steps_a_few_in_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = of_many(policy=Policy.SLICING)
    fleet.work(30)
    there, steps, turns = the_fleet(fleet), 0, Counter[int]()
    step = Fleet.step

    def counted(self: Fleet, miner: FleetMiner, now: float) -> None:
        nonlocal steps
        steps += 1
        step(self, miner, now)

    run = fleet.scheduler._run

    def one_turn(most: float = float("inf")) -> None:
        before = steps
        run(most)
        turns[steps - before] += 1

    monkeypatch.setattr(Fleet, "step", counted)
    monkeypatch.setattr(fleet.scheduler, "_run", one_turn)
    for miner in there.miners.values():
        miner.due = fleet.clock.now() + 1.0
        fleet.scheduler._timers.plan(miner)
    fleet.scheduler._rearm()
    fleet.clock.advance(1.0)
    assert steps >= 30
    assert max(turns) == 3


def test_state_in_parts_is_that_made_at_once() -> None:
    fleet = of_many()
    fleet.work(90)
    for number in range(5):
        fleet.scheduler.remove_miner(SessionId(number))
    kept, pauses = ended(fleet.scheduler.dump_in_parts())
    assert pauses > 10
    assert kept == fleet.scheduler.dump()
    assert WorkerName("rig0") in kept["workers"]  # type: ignore[operator]


def test_miner_that_cannot_move_at_once_keeps_its_reason() -> None:
    fleet = of_many()
    fleet.work(300)
    fleet.scheduler.pool_status(A, False)
    fleet.clock.advance(1.0)
    assert set(fleet.pools().values()) == {B}
    assert {reason for at, _, _, reason in fleet.moves if at >= 300} == {SwitchReason.FAILOVER}


def test_placing_in_parts_is_placing_at_once() -> None:
    fleets = [of_many(60), of_many(60)]
    for each in fleets:
        each.work(300)
    in_parts, at_once = (the_fleet(each) for each in fleets)
    for there in (in_parts, at_once):
        there._packed_at = float("-inf")
        for number in range(0, 60, 7):
            there.miners[SessionId(number)].assignment = Assignment()
    _, pauses = ended(in_parts.check_in_parts(fleets[0].clock.now))
    at_once.check(fleets[1].clock.now())
    assert pauses > 60
    for number in range(60):
        one, other = in_parts.miners[SessionId(number)], at_once.miners[SessionId(number)]
        assert one.assignment == other.assignment
        assert one.assignment.role is not Role.NEW


@pytest.mark.parametrize("what", ["leaves", "loses its pool", "finds none but one", "has new weights"])
def test_all_are_placed_at_once_also_where_one_changes_in_the_middle(what: str) -> None:
    pause, in_the_middle = 1, 0
    while True:
        fleet = of_many()
        fleet.work(300)
        there = the_fleet(fleet)
        there._packed_at = float("-inf")
        for miner in there.miners.values():
            miner.assignment = Assignment()
        check = there.check_in_parts(fleet.clock.now)
        for _ in range(pause):
            if next(check, check) is check:
                assert in_the_middle > 30
                return
        placed = {miner.assignment.role for miner in there.miners.values()} != {Role.NEW}
        in_the_middle += not placed
        one = there.miners[SessionId(5)]
        if what == "leaves":
            fleet.scheduler.remove_miner(one.session)
        elif what == "loses its pool":
            fleet.ready(one.session, *({A, B} - {one.current}))
        elif what == "finds none but one":
            assert one.current is not None
            fleet.ready(one.session, one.current)
        else:
            fleet.scheduler.apply(config(schedule({A: 20, B: 80}, policy=Policy.PACKING), revision=2))
            decided = {miner.session: miner.assignment for miner in there.miners.values()}
        roles = {miner.session: miner.assignment.role for miner in there.miners.values()}
        for _ in check:
            now = {miner.session: miner.assignment.role for miner in there.miners.values()}
            assert now == roles or what != "has new weights"
            others = {role for session, role in now.items() if session != one.session}
            assert others == {Role.NEW} or Role.NEW not in others
        assert not there._placing
        if what == "has new weights":
            assert {miner.session: miner.assignment for miner in there.miners.values()} == decided
        fleet.work(30)
        for miner in there.miners.values():
            assert miner.assignment.role is not Role.NEW
            assert miner.current in miner.pools
        pause += 1


def test_residual_miner_of_many_goes_by_the_sums_of_a_check_and_nothing_sums_up_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = of_many()
    fleet.work(300)
    there = the_fleet(fleet)
    at_once, steps = 0, Counter[str]()

    def totals(now: float) -> FleetTotals:
        nonlocal at_once
        at_once += 1
        return Fleet.totals(there, now)

    step = there._step_slice

    def slice_step(miner: FleetMiner, now: float, *others: Any) -> None:
        assert now - there._summed_at <= IN_PARTS.sums_kept_s
        steps[miner.assignment.role] += 1
        step(miner, now, *others)

    monkeypatch.setattr(there, "totals", totals)
    monkeypatch.setattr(there, "_step_slice", slice_step)
    fleet.work(600)
    assert at_once == 0
    assert steps[Role.RESIDUAL] >= 600 / 30


def test_miner_that_was_silent_by_chance_has_no_fleet_of_many_checked() -> None:
    fleet = of_many()
    fleet.work(400)
    there, due = the_fleet(fleet), the_fleet(fleet).due
    silent = next(miner for miner in there.miners.values() if miner.assignment.role is Role.FIXED)
    silent.is_quiet = True
    assert silent.current is not None
    fleet.scheduler.share(silent.session, silent.current, 1000.0, True)
    assert not silent.is_quiet
    assert there.due == due > fleet.clock.now()


def test_snapshot_in_parts_is_that_made_at_once_and_bears_who_leaves() -> None:
    fleet = of_many()
    fleet.work(90)
    parts, pauses = ended(fleet.scheduler.snapshot_in_parts())
    assert (parts, pauses) == (fleet.scheduler.snapshot(), 2 * 8)
    again = fleet.scheduler.snapshot_in_parts()
    next(again)
    for number in range(20, 30):
        fleet.scheduler.remove_miner(SessionId(number))
    left, _ = ended(again)
    assert sum(pool.miners for pool in left.pools.values()) == 20


def test_new_weights_place_many_in_parts_and_the_last_ones_hold() -> None:
    fleet = of_many()
    fleet.work(300)
    there = the_fleet(fleet)
    before = {miner.session: miner.assignment for miner in there.miners.values()}
    for share, revision in ((20, 2), (90, 3), (40, 4)):
        fleet.scheduler.apply(config(schedule({A: share, B: 100 - share}, policy=Policy.PACKING), revision=revision))
        kept = {session: there.miners[session].assignment for session in before}
        assert kept == before  # nothing is placed in this turn
    fleet.clock.advance(0.0)
    assert not there._is_strict
    fixed = [miner for miner in there.miners.values() if miner.assignment.role is Role.FIXED]
    assert len(fixed) >= 28
    rates = Counter[PoolKey | None]()
    for miner in fixed:
        rates[miner.assignment.pool] += miner.estimate.rate  # type: ignore[assignment]
        assert miner.move_reason is (
            SwitchReason.ASSIGN if miner.assignment.pool == miner.current else SwitchReason.WEIGHT
        )
    assert rates[A] / sum(rates.values()) == pytest.approx(0.4, abs=0.05)
    fleet.clock.advance(1.0)
    assert all(miner.current == miner.assignment.pool for miner in fixed)


def test_pool_that_dies_is_left_by_many_in_the_same_turn() -> None:
    fleet = of_many()
    fleet.work(300)
    fleet.scheduler.pool_status(A, False)
    assert set(fleet.pools().values()) == {B}
    fleet.clock.advance(5.0)
    fleet.scheduler.pool_status(A, True)
    spent = Counter(fleet.work(600))
    assert spent[A] / spent.total() == pytest.approx(0.7, abs=0.05)
    assert not the_fleet(fleet).is_returning
