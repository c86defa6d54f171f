"""One snapshot of several nodes: what each counted adds up, in whatever order they are heard."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.balance.auto_balance import AutoBalance
from proxy.history.counters import Counts, tally_of
from proxy.history.switch_cost import SwitchCost
from proxy.nodes.merge import largest_of, merge, sum_of_rates
from proxy.nodes.node_snapshot import NodeState
from proxy.nodes.shared_view import with_own
from proxy.observe.events import EventStream
from proxy.observe.live.moves import Moves, ShareSum, Stay
from proxy.observe.live.views import (
    UNKNOWN_RATE,
    Alarm,
    CostlyView,
    ListenerView,
    LiveSnapshot,
    PoolView,
    SessionView,
    SharedView,
    SplitPart,
    SplitView,
)
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import AdminStatus, Chain, PoolStatus, Waste
from proxy.updates.releases import Release
from tests.support.node_snapshots import T0, a_node, a_rate, a_worker, tallies


def merged(*nodes):
    return merge({node.name: node for node in nodes}, revision=3)


def a_pool(key="A", status=PoolStatus.UP, **more):
    return PoolView(
        key=key, name=f"Pool {key}", chain=Chain.BTC, status=status, admin=AdminStatus.ENABLED, colour=0, **more
    )


def test_of_no_node_there_is_no_snapshot():
    assert merge({}) is None


def test_that_of_a_single_node_is_its_own():
    node = a_node("a", a_worker("w", "a", rate=5.0), rate_1h=a_rate(5.0))
    one = merged(node)
    assert one.workers == node.live.workers
    assert one.revision == 3
    assert [(view.name, view.part, view.workers) for view in one.nodes] == [("a", 1.0, 1)]


# --- Everything -------------------------------------------------------------------------------------------------------

NAMES = ["w1", "w2", "w3"]


@st.composite
def fleets(draw):
    nodes = []
    for name in ("a", "b", "c")[: draw(st.integers(2, 3))]:
        workers = [
            replace(
                a_worker(
                    worker,
                    name,
                    connections=draw(st.integers(0, 2)),
                    rate=draw(st.floats(0, 1e15)),
                    best=draw(st.floats(0, 1e9)),
                    by_pool={"A": draw(st.floats(0, 1e9))},
                ),
                counts=draw(tallies()),
            )
            for worker in draw(st.lists(st.sampled_from(NAMES), unique=True))
        ]
        work = draw(st.floats(0, 1e12))
        part = draw(st.floats(0, 1))
        nodes.append(
            a_node(
                name,
                *workers,
                node={"leads": draw(st.booleans())},
                monotonic=draw(st.floats(0, 1e6)),
                at=T0 + draw(st.floats(-5, 5)),
                pools=tuple(
                    a_pool(key, draw(st.sampled_from(PoolStatus)), miners=draw(st.integers(0, 9)), effort=part)
                    for key in draw(st.lists(st.sampled_from("AB"), unique=True))
                ),
                splits=(SplitView(label="hour", since=T0, work=work, parts=parts(A=part, B=1 - part)),),
                spark=((T0 - draw(st.integers(0, 119)), {"A": draw(st.floats(0, 1e15))}),),
                rate_5m=a_rate(draw(st.floats(0, 1e15)), 1.0),
                alarms=tuple(
                    Alarm(level=draw(st.sampled_from(["warn", "bad"])), text=text)
                    for text in draw(st.lists(st.sampled_from("xyz"), unique=True))
                ),
                moves={worker.name: Moves(draw(st.integers(0, 9)), {"A": Stay(1.0, 1, 2.0)}) for worker in workers},
            )
        )
    return nodes


def parts(**delivered):
    return tuple(SplitPart(pool=key, delivered=part, error=0.1, wanted=0.5) for key, part in delivered.items())


@settings(max_examples=60, deadline=None)
@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_in_which_nodes_are_heard_does_not_matter(nodes, rng):
    shuffled = list(nodes)
    rng.shuffle(shuffled)
    assert merged(*shuffled) == merged(*nodes)


@pytest.mark.no_cover
@settings(max_examples=60, deadline=None)
@given(fleets())
def test_what_each_node_sees_adds_up_and_totals_of_all_time_are_the_newest(nodes):
    whole = merged(*nodes)
    lives = [node.live for node in nodes]
    assert whole.sessions == sum(live.sessions for live in lives)
    assert whole.counts == largest_of([live.counts for live in lives])
    for name in NAMES:
        rows = [worker for live in lives for worker in live.workers if worker.name == name]
        worker = whole.worker(name)
        assert (worker is None) == (not rows)
        if rows:
            assert worker.connections == sum(row.connections for row in rows)
            assert worker.counts == largest_of([row.counts for row in rows])
            assert worker.rate_5m.value == pytest.approx(sum(row.rate_5m.value for row in rows))
            assert worker.by_pool["A"] == max(row.by_pool["A"] for row in rows)
            assert worker.best == max(row.best for row in rows)
            assert whole.moves[name].switches == sum(live.moves[name].switches for live in lives if name in live.moves)
    assert sum(pool.miners for pool in whole.pools) == sum(pool.miners for live in lives for pool in live.pools)
    work = sum(live.splits[0].work for live in lives)
    if whole.splits[0].parts:
        assert whole.splits[0].work == pytest.approx(work)
        assert sum(part.delivered for part in whole.splits[0].parts) == pytest.approx(1.0)


# --- Workers ----------------------------------------------------------------------------------------------------------


def test_a_worker_that_went_to_another_node_is_one_row_with_the_rates_of_both():
    left = a_worker("w", "a", connections=0, rate=2.0, accepted=5, work=10.0, best=7.0, last_share_at=T0 - 60)
    came = a_worker("w", "b", rate=3.0, accepted=6, work=12.0, last_share_at=T0, pool="B", waiting="")
    (row,) = merged(a_node("a", left), a_node("b", came)).workers
    assert (row.node, row.connections, row.pool) == ("b", 1, "B")
    assert (row.counts.accepted, row.counts.work, row.rate_5m.value) == (6, 12.0, 5.0)
    assert (row.last_share_at, row.best) == (T0, 7.0)


def test_a_rack_under_one_name_is_on_several_nodes_at_once():
    sessions = [
        SessionView(session=number, connected_at=T0 - 30 + number, peer=f"10.0.0.{number}") for number in range(15)
    ]
    on_a = a_worker("rack", "a", connections=200, rate=7.0, sessions=tuple(sessions[:12]), shares_aim=15.0)
    on_b = a_worker("rack", "b", connections=190, rate=6.0, sessions=tuple(sessions), shares_aim=30.0)
    (row,) = merged(a_node("a", on_a), a_node("b", on_b)).workers
    assert (row.node, row.connections, row.shares_aim) == ("a, b", 390, 45.0)
    assert len(row.sessions) == 20
    assert row.sessions[-1].connected_at == T0 - 16


def test_no_aim_is_shown_where_a_pool_decides_on_one_of_the_nodes():
    on_a, on_b = a_worker("w", "a", shares_aim=15.0), a_worker("w", "b")
    assert merged(a_node("a", on_a), a_node("b", on_b)).workers[0].shares_aim is None


def test_one_that_is_away_everywhere_shows_where_it_was_last():
    before = a_worker("w", "a", connections=0, connected_at=None, last_seen_at=T0 - 500)
    last = a_worker("w", "b", connections=0, connected_at=None, last_seen_at=T0 - 100)
    (row,) = merged(a_node("a", last), a_node("b", before)).workers
    assert (row.node, row.last_seen_at) == ("b", T0 - 100)


def test_connected_workers_come_first():
    away, here = a_worker("w1", "a", connections=0), a_worker("w2", "b")
    assert [row.name for row in merged(a_node("a", away), a_node("b", here)).workers] == ["w2", "w1"]


def test_the_fullest_day_is_a_workers_day():
    """Each node that it is connected to has what it did on all nodes, up to some minutes ago."""
    newest = a_worker("w", "a", rate=3.0, day_line=bytes([0, 255, 255]))
    older = a_worker("w", "b", rate=2.5, day_line=bytes([255, 0]))
    for views in ((newest, older), (older, newest)):
        (row,) = merged(a_node("a", views[0]), a_node("b", views[1])).workers
        assert (row.rate_1h, row.rate_24h, row.day_line) == (newest.rate_1h, newest.rate_24h, newest.day_line)
        assert row.rate_5m.value == 5.5, "the minutes are what each sees by itself"


def test_a_worker_without_work_has_no_line():
    idle = a_worker("w", "a"), a_worker("w", "b")
    (row,) = merged(a_node("a", idle[0]), a_node("b", idle[1])).workers
    assert row.day_line == b""
    assert not row.rate_24h.known


def test_time_on_pools_is_on_one_clock_whatever_those_of_the_nodes():
    on_a = a_node("a", a_worker("w", "a"), monotonic=1000.0, moves={"w": Moves(1, {"A": Stay(5.0, 1, 990.0)})})
    on_b = a_node(
        "b",
        a_worker("w", "b"),
        monotonic=3.0,
        moves={"w": Moves(2, {"A": Stay(1.0, 2, 2.0), "B": Stay(7.0, 0, 0.0)})},
    )
    for leads in ("a", "b"):
        whole = merged(*[replace(node, leads=node.name == leads) for node in (on_a, on_b)])
        assert whole.moves["w"].switches == 3
        assert whole.moves["w"].seconds(whole.monotonic) == {"A": pytest.approx(15.0 + 5.0), "B": 7.0}


def test_what_shares_were_is_what_the_better_informed_node_says():
    on_a, on_b = a_node("a", marks={"w": ShareSum(9, 2, 3), "x": ShareSum(1)}), a_node("b", marks={"w": ShareSum(4)})
    assert merged(on_a, on_b).marks == {"w": ShareSum(9, 2, 3), "x": ShareSum(1)}


def test_the_largest_of_each_counter_is_taken():
    one, other = Counts(), Counts()
    one.accepted, other.accepted, other.best = 5, 3, 2.5
    one.rejects, other.rejects = {("stale", "pool"): 1}, {("stale", "pool"): 2, ("duplicate", "proxy"): 1}
    both = largest_of([tally_of(one), tally_of(other)])
    assert (both.accepted, both.best, both.rejected) == (5, 2.5, 3)


# --- Pools ------------------------------------------------------------------------------------------------------------


def test_a_pool_is_up_while_it_is_for_one_node_and_each_node_says_how_it_is_there():
    down = a_pool(status=PoolStatus.DOWN, reason="no answer", since=T0, miners=0)
    up = a_pool(since=T0 - 50, miners=3, connections=2, rate=a_rate(5.0))
    whole = merged(a_node("a", pools=(down,), node={"leads": True}), a_node("b", pools=(up,)))
    (pool,) = whole.pools
    assert (pool.status, pool.reason, pool.since, pool.miners) == (PoolStatus.UP, "", T0 - 50, 3)
    assert [(on.node, on.status, on.reason, on.miners) for on in pool.nodes] == [
        ("a", PoolStatus.DOWN, "no answer", 0),
        ("b", PoolStatus.UP, "", 3),
    ]


def test_a_pool_that_is_down_everywhere_says_why():
    one, other = [a_pool(status=PoolStatus.DOWN, reason=f"no answer {n}", since=T0 - n) for n in (1, 2)]
    pool = merged(a_node("a", pools=(one,)), a_node("b", pools=(other,), node={"leads": True})).pools[0]
    assert (pool.status, pool.reason, pool.since) == (PoolStatus.DOWN, "no answer 2", T0 - 2)


def test_figures_of_a_pool_are_of_all_nodes():
    leads = {"leads": True}
    one = a_pool(
        latency_ms=10.0,
        latency_p99_ms=90.0,
        connections=3,
        effort=0.25,
        time_sum_s=30.0,
        jobs=4,
        height=100,
        shared=SharedView(connections=1, miners=5, waiting=2, apart=3),
    )
    other = a_pool(
        latency_ms=50.0,
        latency_p99_ms=70.0,
        connections=1,
        effort=0.5,
        time_sum_s=50.0,
        jobs=6,
        height=101,
        payout_ok=False,
        shared=SharedView(connections=2, miners=6, apart=1),
    )
    idle = a_pool("B", latency_ms=5.0, time_sum_s=20.0)
    whole = merged(a_node("a", pools=(one, idle), node=leads), a_node("b", pools=(other,)))
    pool, second = whole.pools
    assert (pool.latency_ms, pool.latency_p90_ms, pool.latency_p99_ms) == (20.0, None, 90.0)
    assert (pool.effort, pool.time_share, pool.jobs, pool.height) == (0.25, 0.8, 10, 101)
    assert pool.payout_ok is False
    assert pool.shared == SharedView(connections=3, miners=11, waiting=2, apart=4)
    assert (second.latency_ms, second.colour, second.shared, second.effort) == (5.0, 1, None, None)


# --- Work -------------------------------------------------------------------------------------------------------------


def test_the_split_is_of_the_work_of_all_nodes():
    large = SplitView(label="hour", since=T0 - 60, work=300.0, parts=parts(A=1.0))
    small = SplitView(label="hour", since=T0 - 90, work=100.0, parts=parts(B=1.0))
    idle = SplitView(label="hour", since=T0 - 900)
    nodes = [a_node(name, splits=(split,)) for name, split in (("a", large), ("b", small), ("c", idle))]
    (split,) = merged(*nodes).splits
    assert (split.label, split.since, split.work) == ("hour", T0 - 90, 400.0)
    assert [(part.pool, part.delivered) for part in split.parts] == [("A", 0.75), ("B", 0.25)]
    assert split.parts[0].error == pytest.approx(0.075)
    assert split.parts[0].wanted == pytest.approx(0.375)


def test_a_split_without_work_has_no_parts():
    split = SplitView(label="change", since=T0)
    assert merged(a_node("a", splits=(split,)), a_node("b", splits=(split,))).splits == (split,)


def test_rates_add_up_with_their_intervals():
    both = sum_of_rates([a_rate(10.0, 3.0), a_rate(20.0, 4.0), UNKNOWN_RATE])
    assert (both.value, both.low, both.high, both.known) == (30.0, 25.0, 35.0, True)
    assert sum_of_rates([UNKNOWN_RATE, UNKNOWN_RATE]) == UNKNOWN_RATE
    assert sum_of_rates([UNKNOWN_RATE, a_rate(1.0)]) == a_rate(1.0)


def test_the_last_hour_is_the_sum_whenever_each_node_started():
    at = T0 // 120 * 120 + 60.0
    on_a = a_node("a", at=at, spark=((at - 180.0, {"A": 10.0}), (at - 60.0, {"A": 10.0})))
    on_b = a_node("b", at=at, spark=((at - 240.0, {"A": 4.0}), (at - 120.0, {"A": 4.0})))  # begins between two slots
    spark = merged(on_a, on_b).spark
    assert len(spark) == 30
    assert spark[-1][0] == at - 60.0
    assert spark[-2] == (at - 180.0, {"A": 14.0})
    assert spark[-1] == (at - 60.0, {"A": 14.0})
    assert spark[0][1] == {}


# --- The rest ---------------------------------------------------------------------------------------------------------


def test_an_alarm_of_all_nodes_is_everybodys_and_others_say_whose_they_are():
    common, own = Alarm(level="warn", text="both"), Alarm(level="bad", text="one", since=T0)
    alarms = merged(
        a_node("a", alarms=(replace(common, since=T0 - 9), own)), a_node("b", alarms=(replace(common, since=T0 - 5),))
    ).alarms
    assert alarms == (replace(own, nodes=("a",)), replace(common, since=T0 - 9))


def test_settings_are_those_of_the_leader_and_the_oldest_in_force_counts():
    follower = a_node("a", config_revision=9, miner_address="a:1")
    leader = a_node("b", config_revision=8, miner_address="b:1", node={"leads": True})
    whole = merged(follower, leader)
    assert (whole.miner_address, whole.config_revision) == ("b:1", 8)
    assert merged(follower, replace(leader, leads=False)).miner_address == "a:1"


def test_auto_balance_and_the_newer_version_are_the_leaders():
    balance = AutoBalance(clock=VirtualClock(), events=EventStream()).view()
    update = Release("5.0")
    leader = a_node("b", node={"leads": True, "balance": balance, "update": update})
    assert merged(a_node("a"), leader).extra == {"balance": balance, "update": update}
    assert merged(a_node("a"), replace(leader, leads=False)).extra["balance"] == balance


def test_nodes_say_their_part_of_the_work():
    whole = merged(
        a_node("b", rate_1h=a_rate(1.0), node={"state": NodeState.DRAINING, "trouble": "gone"}),
        a_node("a", a_worker("w", "a"), a_worker("v", "a", connections=0), rate_1h=a_rate(3.0), node={"leads": True}),
    )
    a, b = whole.nodes
    assert (a.name, a.host, a.part, a.workers, a.leads, a.state) == ("a", "a.example", 0.75, 1, True, "working")
    assert (b.part, b.state, b.trouble) == (0.25, "draining", "gone")


def test_a_node_has_no_part_of_no_work():
    assert merged(a_node("a"), a_node("b")).nodes[0].part is None


def test_a_port_is_open_where_it_is_on_all_nodes():
    is_open = ListenerView(id=1, name="rack", address="h:1", is_open=True, miners=3)
    shut = replace(is_open, is_open=False, problem="in use", miners=0)
    (port,) = merged(a_node("a", listeners=(is_open,)), a_node("b", listeners=(shut,))).listeners
    assert (port.is_open, port.problem, port.miners) == (False, "b: in use", 3)


def test_costs_of_switches_count_by_the_visits_they_were_measured_in():
    def cost(switches, shares, cost_s, error_s):
        return SwitchCost(
            profile="Bitaxe",
            switches=switches,
            shares=shares,
            measured_s=4.0,
            expected_s=2.0,
            cost_s=cost_s,
            error_s=error_s,
        )

    (both,) = merged(
        a_node("a", switch_costs=(cost(30, 30, 1.0, 0.3),)), a_node("b", switch_costs=(cost(10, 10, 5.0, 1.2),))
    ).switch_costs
    assert (both.switches, both.shares, both.measured_s, both.expected_s, both.cost_s) == (40, 40, 4.0, 2.0, 2.0)
    assert both.error_s == pytest.approx(0.375)


def test_an_address_is_refused_while_one_node_refuses_it():
    slowed = CostlyView(address="10.0.0.9", until=None, slowed=2, what=Waste.SHARES)
    refused = replace(slowed, until=T0 + 60, slowed=1)
    assert merged(a_node("a", costly=(slowed,)), a_node("b", costly=(refused,))).costly == (
        replace(slowed, until=T0 + 60, slowed=3),
    )


def test_many_nodes_in_any_order():
    nodes = [a_node(f"n{number}", a_worker(f"w{number}", f"n{number}", rate=1.0)) for number in range(20)]
    random.Random(1).shuffle(nodes)
    assert [node.name for node in merged(*nodes).nodes] == sorted(f"n{number}" for number in range(20))


def test_what_miners_say_of_themselves_stays_with_the_node_that_asked_them() -> None:
    own = LiveSnapshot(revision=1, at=1.0, started_at=0.0, extra={"devices": "asked here"})
    merged = LiveSnapshot(revision=2, at=1.0, started_at=0.0, extra={"balance": None})
    assert with_own(merged, own).extra == {"balance": None, "devices": "asked here"}
    assert with_own(merged, merged) is merged
