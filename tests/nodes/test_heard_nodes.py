"""Who was heard when: a node that falls silent takes its rows with it and leaves an alarm."""

import pytest

from proxy.nodes.heard_nodes import MOST_NODES, REMEMBERED_S, SILENT_S, HeardNodes
from proxy.nodes.node_snapshot import NodeState
from proxy.scheduling.virtual_clock import VirtualClock
from tests.support.node_snapshots import a_node, a_worker


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def nodes(clock):
    return HeardNodes(clock, own="own", version="4.1.0")


def worker_names(snapshot):
    return [worker.name for worker in snapshot.workers]


def states(snapshot):
    return {view.name: view.state for view in snapshot.nodes}


def test_nodes_are_shown_with_the_own_one(nodes, clock):
    assert nodes.heard(a_node("b", a_worker("w", "b")))
    clock.advance(3)
    snapshot = nodes.snapshot(5, a_node("own", a_worker("v", "own")))
    assert worker_names(snapshot) == ["w", "v"]
    assert [(view.name, clock.wall() - view.heard_at) for view in snapshot.nodes] == [("b", 3.0), ("own", 0.0)]
    assert (snapshot.revision, snapshot.alarms) == (5, ())


def test_one_that_is_silent_takes_its_rows_with_it_and_leaves_an_alarm(nodes, clock):
    nodes.heard(a_node("b", a_worker("w", "b")))
    nodes.heard(a_node("c"))
    clock.advance(SILENT_S - 1)
    nodes.heard(a_node("c", revision=2))
    assert nodes.fallen_silent() == []
    clock.advance(1)
    assert nodes.fallen_silent() == ["b"]
    assert nodes.fallen_silent() == []
    snapshot = nodes.snapshot(1)
    assert worker_names(snapshot) == []
    assert states(snapshot) == {"b": "silent", "c": "working"}
    (alarm,) = snapshot.alarms
    assert (alarm.level, alarm.kind, alarm.subject, clock.wall() - alarm.since) == ("bad", "node", "b", SILENT_S)
    assert alarm.text.startswith("Node b is silent")


def test_one_that_comes_back_is_news(nodes, clock):
    nodes.heard(a_node("b", a_worker("w", "b")))
    assert not nodes.heard(a_node("b", a_worker("w", "b"), revision=2))
    clock.advance(SILENT_S)
    nodes.fallen_silent()
    assert nodes.heard(a_node("b", a_worker("w", "b"), revision=3))
    assert worker_names(nodes.snapshot(1)) == ["w"]
    assert nodes.snapshot(1).alarms == ()


def test_the_same_snapshot_again_is_no_sign_of_life(nodes, clock):
    nodes.heard(a_node("b"))
    clock.advance(SILENT_S - 1)
    nodes.heard(a_node("b"))
    clock.advance(1)
    assert nodes.fallen_silent() == ["b"]


def test_one_that_stopped_in_order_is_not_missed(nodes, clock):
    nodes.heard(a_node("b"))
    assert not nodes.heard(a_node("b", node={"state": NodeState.STOPPED}, revision=2))
    clock.advance(SILENT_S)
    assert nodes.fallen_silent() == []
    assert nodes.snapshot(1, a_node("own")).alarms == ()


def test_one_that_is_silent_for_a_day_is_forgotten(nodes, clock):
    nodes.heard(a_node("b"))
    clock.advance(SILENT_S)
    nodes.fallen_silent()
    clock.advance(REMEMBERED_S)
    assert nodes.fallen_silent() == []
    assert states(nodes.snapshot(1, a_node("own"))) == {"own": "working"}


def test_what_others_say_of_the_own_node_is_not_believed(nodes):
    assert not nodes.heard(a_node("own", a_worker("false", "own")))
    assert not nodes.unreadable("own", "junk")
    assert worker_names(nodes.snapshot(1, a_node("own"))) == []


def test_one_that_cannot_be_read_is_told_once_until_it_can_be(nodes, clock):
    assert nodes.unreadable("b", "odd bytes")
    assert not nodes.unreadable("b", "odd bytes")
    snapshot = nodes.snapshot(1, a_node("own"))
    assert states(snapshot) == {"b": "unreadable", "own": "working"}
    assert snapshot.nodes[0].trouble == "odd bytes"
    assert [(alarm.level, alarm.subject) for alarm in snapshot.alarms] == [("warn", "b")]
    assert nodes.heard(a_node("b"))
    assert nodes.unreadable("b", "odd bytes")
    assert nodes.snapshot(1).nodes[0].host == "b.example"
    clock.advance(SILENT_S)
    assert nodes.fallen_silent() == ["b"]
    assert states(nodes.snapshot(1)) == {"b": "silent"}


def test_there_is_an_end_to_how_many_nodes_are_known(nodes):
    for number in range(MOST_NODES + 5):
        nodes.heard(a_node(f"n{number}"))
    assert not nodes.unreadable("another", "junk")
    assert len(nodes.snapshot(1).nodes) == MOST_NODES


def test_without_redis_one_alarm_stands_for_all(nodes, clock):
    nodes.heard(a_node("b"))
    nodes.heard(a_node("c"))
    nodes.trouble = "connection refused"
    clock.advance(SILENT_S)
    nodes.fallen_silent()
    (alarm,) = nodes.snapshot(1, a_node("own")).alarms
    assert "Redis cannot be used (connection refused)" in alarm.text


def test_where_no_node_is_heard_at_all_that_is_said_after_a_while(nodes, clock):
    assert nodes.snapshot(1).alarms == ()
    clock.advance(SILENT_S)
    snapshot = nodes.snapshot(2)
    assert snapshot.alarms[0].text.startswith("No node is heard")
    assert (snapshot.version, snapshot.pools, snapshot.at) == ("4.1.0", (), clock.wall())


def test_who_does_not_listen_any_more_knows_nothing(nodes):
    nodes.heard(a_node("b"))
    nodes.forget()
    assert nodes.snapshot(1, a_node("own")).nodes[0].name == "own"
    assert len(nodes.snapshot(1, a_node("own")).nodes) == 1
