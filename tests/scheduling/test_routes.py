"""Routes: schedules for the miners of one listener; and what a miner asks for in its password."""

from dataclasses import replace

from proxy.config.snapshot import ConfigSnapshot, ListenerConfig, MinerDirectives, Mode, OverrideConfig, OverrideKind
from proxy.config.validate import validate
from proxy.scheduling.control import NO_CHOICE, MinerChoice
from proxy.types import ListenerId, PoolKey, SessionId, WorkerName
from tests.scheduling.harness import A, B, C, SchedulerHarness, config, schedule

RACK, OTHER = ListenerId(7), ListenerId(8)
DEFAULT = schedule({A: 50, B: 50})
ROUTE = schedule({C: 1}, id=2, name="customer", is_default=False, listener=RACK)
ALL = (A, B, C)
NO_DIRECTIVES = MinerDirectives()


def listener(directives: MinerDirectives = NO_DIRECTIVES, ident: ListenerId = RACK) -> ListenerConfig:
    return ListenerConfig(id=ident, name="rack", host="0.0.0.0", port=3360, directives=directives)


def routed(*schedules: object, **fields: object) -> ConfigSnapshot:
    fields = {"miner_listeners": (listener(),), **fields}
    return config(*(schedules or (DEFAULT, ROUTE)), pools=ALL, **fields)  # type: ignore[arg-type]


def join(
    fleet: SchedulerHarness, number: int, through: ListenerId, worker: str = "rig", choice: MinerChoice = NO_CHOICE
) -> SessionId:
    session = SessionId(number)
    fleet.scheduler.add_miner(session, WorkerName(worker), through, choice)
    fleet.scheduler.set_ready(session, frozenset(ALL))
    return session


def test_miners_of_a_listener_follow_its_schedule_and_the_others_the_default_one():
    fleet = SchedulerHarness(routed())
    rack, home = join(fleet, 1, RACK), join(fleet, 2, OTHER)
    spent = fleet.work(600)
    assert fleet.scheduler.current(rack) == C
    assert spent[C] == 600 and {A, B} & spent.keys()
    assert fleet.scheduler.pools_wanted(rack) == {C} and fleet.scheduler.pools_wanted(home) == {A, B}


def test_a_schedule_of_a_listener_comes_before_others_whatever_their_priority():
    night = schedule({A: 1}, id=3, name="night", is_default=False, priority=100)
    fleet = SchedulerHarness(routed(DEFAULT, ROUTE, night))
    assert fleet.scheduler.current(join(fleet, 1, RACK)) == C
    assert fleet.scheduler.current(join(fleet, 2, OTHER)) == A


def test_the_slider_and_auto_balance_by_hand_do_not_move_miners_of_a_route():
    for override in (
        OverrideConfig(weights={A: 100}),
        OverrideConfig(kind=OverrideKind.AUTO_BALANCE, weights={}),
    ):
        fleet = SchedulerHarness(routed())
        rack = join(fleet, 1, RACK)
        join(fleet, 2, OTHER)
        fleet.scheduler.apply(routed(override=override))
        fleet.scheduler.set_balance_weights({A: 1, B: 1})
        fleet.work(120)
        assert fleet.scheduler.current(rack) == C
        assert {pool for _, session, pool, _ in fleet.moves if session == rack} == {C}


def test_auto_balance_on_a_route_weighs_only_the_routes_own_pools():
    route = replace(ROUTE, mode=Mode.AUTO_BALANCE, allocations=((B, 1), (C, 1), (A, 0)))
    fleet = SchedulerHarness(routed(DEFAULT, route))
    fleet.scheduler.set_balance_weights({A: 90, B: 2.5, C: 7.5})
    assert fleet.scheduler.control(WorkerName("rig"), RACK).weights == {B: 0.25, C: 0.75}
    fleet.scheduler.set_balance_weights({A: 90})
    assert fleet.scheduler.control(WorkerName("rig"), RACK).weights == {B: 0.5, C: 0.5}


def test_a_pin_moves_a_miner_of_a_route_only_among_the_routes_pools():
    """Names are the miners' own words: a customer's ``rig`` may be called as the operator's."""
    fleet = SchedulerHarness(routed(pins={"rig": A}))
    rack, home = join(fleet, 1, RACK), join(fleet, 2, OTHER)
    assert (fleet.scheduler.current(rack), fleet.scheduler.current(home)) == (C, A)
    fleet.scheduler.apply(routed(DEFAULT, replace(ROUTE, fallbacks=(B,)), pins={"rig": B}))
    assert (fleet.scheduler.current(rack), fleet.scheduler.current(home)) == (B, B)


def test_a_changed_route_moves_its_miners_and_no_others():
    fleet = SchedulerHarness(routed())
    rack, home = join(fleet, 1, RACK), join(fleet, 2, OTHER)
    fleet.work(60)
    before = [move for move in fleet.moves if move[1] == home]
    fleet.scheduler.apply(routed(replace(DEFAULT, allocations=((A, 1),)), replace(ROUTE, allocations=((B, 1),))))
    assert fleet.scheduler.current(rack) == B
    fleet.scheduler.apply(routed(replace(DEFAULT, allocations=((A, 1),))))
    assert fleet.scheduler.current(rack) == A
    assert len([move for move in fleet.moves if move[1] == home]) <= len(before) + 1


def test_a_routes_pools_that_are_all_down_take_its_miners_nowhere_else():
    fleet = SchedulerHarness(routed())
    rack = join(fleet, 1, RACK)
    fleet.scheduler.pool_status(C, False)
    fleet.ready(rack, A, B)
    assert fleet.scheduler.current(rack) is None


def test_the_largest_fleet_that_follows_no_route_is_the_one_that_pages_show():
    fleet = SchedulerHarness(routed())
    for number in range(3):
        join(fleet, number, RACK, f"rack{number}")
    assert fleet.scheduler.snapshot().control.detail == "customer"
    join(fleet, 9, OTHER)
    assert fleet.scheduler.snapshot().control.detail == "always"


CHOICES = MinerDirectives(pin=True, split=True)


def test_a_miner_mines_where_it_asks_to_if_its_listener_allows_it():
    allowed = (listener(CHOICES),)
    fleet = SchedulerHarness(routed(DEFAULT, miner_listeners=allowed))
    pinned = join(fleet, 1, RACK, choice=MinerChoice(pin=B))
    assert fleet.scheduler.current(pinned) == B
    asked = fleet.scheduler.control(WorkerName("rig"), RACK, MinerChoice(split=(90.0, 10.0)))
    assert (asked.source, asked.weights, asked.detail) == ("miner", {A: 0.9, B: 0.1}, "the miner's own split 90:10")
    for refused in (MinerChoice(pin=C), MinerChoice(pin=PoolKey("X")), MinerChoice(split=(1.0, 1.0, 1.0))):
        assert fleet.scheduler.control(WorkerName("rig"), RACK, refused).source == "default"
    assert fleet.scheduler.control(WorkerName("rig"), OTHER, MinerChoice(pin=B)).source == "default"
    fleet.scheduler.apply(routed(replace(DEFAULT, allocations=((A, 1),))))
    assert fleet.scheduler.current(pinned) == A


def test_limits_of_choices_hold_and_the_operators_pin_wins():
    limited = (listener(replace(CHOICES, pools=(C,), split_least=20.0)),)
    fleet = SchedulerHarness(routed(DEFAULT, miner_listeners=limited, pins={"mine": A}))
    rig = WorkerName("rig")
    assert fleet.scheduler.control(rig, RACK, MinerChoice(pin=C)).detail == "the miner's own choice: C"
    assert fleet.scheduler.control(rig, RACK, MinerChoice(pin=A)).source == "default"
    assert fleet.scheduler.control(rig, RACK, MinerChoice(split=(90.0, 10.0))).source == "default"
    assert fleet.scheduler.control(rig, RACK, MinerChoice(split=(80.0, 20.0))).source == "miner"
    assert fleet.scheduler.control(WorkerName("mine"), RACK, MinerChoice(pin=C)).detail == "pinned to A"


def test_a_split_without_any_schedule_is_over_all_pools_in_order():
    fleet = SchedulerHarness(validate(replace(routed(), schedules=(), miner_listeners=(listener(CHOICES),))))
    control = fleet.scheduler.control(WorkerName("rig"), RACK, MinerChoice(split=(2.0, 1.0, 1.0)))
    assert control.weights == {A: 0.5, B: 0.25, C: 0.25}


def test_no_choice_outlives_its_miners():
    fleet = SchedulerHarness(routed(DEFAULT, miner_listeners=(listener(CHOICES),)))
    for number in range(50):
        session = join(fleet, number, RACK, choice=MinerChoice(split=(float(number + 1), 7.0)))
        fleet.scheduler.remove_miner(session)
    assert len(fleet.scheduler._fleets) <= 2
