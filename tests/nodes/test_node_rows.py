"""A name has one run at a time, and the lease one holder, by the database's clock alone."""

import pytest
from django.db import connection, transaction

from proxy.models.nodes import Lease, NodeState, ProxyNode
from proxy.models.state import SchedulerState
from proxy.nodes.node_rows import FORGOTTEN, ask_to_drain, claim_name, give_up, holds_lease, say_alive
from tests.nodes.cast import expire, me, silence
from tests.nodes.test_writers_at_the_same_time import WAITS_S, elsewhere

pytestmark = pytest.mark.django_db(transaction=True)


def alive(who, *, wants_lease=True, state=NodeState.WORKING):
    return say_alive(who, state=state, address="127.0.0.1:3351", wants_lease=wants_lease)


def holds(node, epoch):
    with transaction.atomic():
        return holds_lease(node.run, epoch)


def started(*names):
    nodes = [me(name) for name in names]
    for node in nodes:
        assert claim_name(node) is None
    return nodes


def test_second_run_of_a_name_hears_who_has_it():
    claim_name(me("one", "first", host="rack-1"))
    holder = claim_name(me("one", "second", host="rack-2"))
    assert (holder.run, holder.host, holder.pid) == ("first", "rack-1", 7)
    assert ProxyNode.objects.get().run == "first"


def test_name_of_a_run_that_was_not_heard_is_free():
    claim_name(me("one", "first"))
    silence("one")
    assert claim_name(me("one", "second")) is None
    assert ProxyNode.objects.get().run == "second"
    assert not alive(me("one", "first")).is_mine


def test_name_of_a_run_that_ended_is_free_at_once():
    first = me("one", "first")
    claim_name(first)
    give_up(first)
    assert ProxyNode.objects.get().state == NodeState.STOPPED
    assert claim_name(me("one", "second")) is None


def test_run_that_was_killed_in_the_directory_that_is_locked_now_is_followed_at_once():
    claim_name(me("one", "first", home="here"))
    assert claim_name(me("one", "second", home="here")) is None
    assert claim_name(me("one", "third", home="there")) is not None
    assert claim_name(me("one", "fourth", home="here", host="a copy of the machine")) is not None


def test_two_that_want_a_new_name_at_once_do_not_both_get_it():
    with transaction.atomic():
        assert claim_name(me("one", "first")) is None
        second = elsewhere(claim_name, me("one", "second"))
        with pytest.raises(TimeoutError):
            second.result(WAITS_S)
    assert second.result(30).run == "first"


def test_one_node_holds_the_lease_until_it_is_not_renewed():
    one, two = started("one", "two")
    assert alive(one).epoch == 1
    assert alive(two).epoch is None
    assert alive(one).epoch == 1
    expire()
    assert alive(two).epoch == 2
    assert alive(one).epoch is None
    assert not holds(one, 1)
    assert holds(two, 2)


def test_holder_that_comes_back_late_goes_on_if_nobody_took_it():
    [one] = started("one")
    assert alive(one).epoch == 1
    expire()
    assert holds(one, 1)
    assert alive(one).epoch == 1


def test_new_run_of_the_same_name_is_another_holder():
    claim_name(me("one", "first"))
    assert alive(me("one", "first")).epoch == 1
    silence("one")
    claim_name(me("one", "second"))
    assert alive(me("one", "second")).epoch is None
    expire()
    assert alive(me("one", "second")).epoch == 2


@pytest.mark.parametrize("leave", [give_up, lambda node: alive(node, wants_lease=False, state=NodeState.DRAINING)])
def test_who_leaves_or_drains_gives_the_lease_up_at_once(leave):
    one, two = started("one", "two")
    alive(one)
    leave(one)
    assert alive(two).epoch == 2


def test_nobody_takes_the_lease_in_the_middle_of_a_write():
    one, two = started("one", "two")
    alive(one)
    expire()
    with transaction.atomic():
        assert holds_lease(one.run, 1)
        taker = elsewhere(alive, two)
        with pytest.raises(TimeoutError):
            taker.result(WAITS_S)
    assert taker.result(30).epoch == 2
    with transaction.atomic():
        assert not holds_lease(one.run, 1)


def test_node_that_lives_can_be_asked_to_drain():
    one, two = started("one", "two")
    assert ask_to_drain("one")
    assert alive(one).drain
    assert not alive(two).drain
    silence("two")
    assert not ask_to_drain("two")
    assert not ask_to_drain("three")
    give_up(one)
    assert not ask_to_drain("one")
    claim_name(one)
    assert not alive(one).drain


def test_nodes_that_are_long_gone_are_forgotten_with_their_state():
    started("old", "one")
    SchedulerState.objects.create(node="old")
    SchedulerState.objects.create(node="one")
    SchedulerState.objects.create(node="")
    for model, column in ((ProxyNode, "seen_at"), (SchedulerState, "saved_at")):
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {quote(model._meta.db_table)} SET {quote(column)} = '2020-01-01 00:00:00'")
    ProxyNode.objects.exclude(name="old").update(seen_at=ProxyNode.objects.get(name="old").seen_at + 1000 * FORGOTTEN)
    started("two")
    assert set(ProxyNode.objects.values_list("name", flat=True)) == {"one", "two"}
    assert set(SchedulerState.objects.values_list("node", flat=True)) == {"one", ""}


def test_a_row_says_what_it_is():
    [one] = started("one")
    alive(one)
    assert str(ProxyNode.objects.get()) == "one"
    assert str(Lease.objects.get()) == "fleet: one"
