"""What a node believes of the lease."""

import pytest

from proxy.nodes.lease import LEASE_S, MARGIN_S, LeaseLost, OwnLease, SharedLease, once


class Hand:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_proxy_alone_always_holds_it():
    assert OwnLease().held
    assert not OwnLease().is_shared
    OwnLease().check()


def test_nobody_holds_what_was_never_granted():
    assert not SharedLease(Hand(), lambda epoch: True).held


def test_it_ends_before_the_row_expires_counted_from_before_it_was_asked():
    clock = Hand()
    lease = SharedLease(clock, lambda epoch: epoch == 3)
    clock.now = 103.0  # the answer took three seconds
    lease.granted(4, asked_at=100.0)
    assert lease.held
    assert lease.epoch == 4
    clock.now = 100.0 + LEASE_S - MARGIN_S
    assert not lease.held


def test_a_lost_lease_is_not_held_and_can_be_had_again():
    clock = Hand()
    lease = SharedLease(clock, lambda epoch: epoch == 3)
    lease.granted(1, asked_at=100.0)
    lease.lost()
    assert not lease.held
    lease.granted(3, asked_at=100.0)
    assert lease.held
    assert lease.epoch == 3


def test_job_is_done_while_the_lease_is_held():
    done = []
    assert once(OwnLease(), done.clear) == done.clear
    clock = Hand()
    lease = SharedLease(clock, lambda epoch: True)
    job = once(lease, lambda: done.append(clock.now))
    job()
    lease.granted(1, asked_at=100.0)
    job()
    lease.lost()
    job()
    assert done == [100.0]


def test_writes_of_a_holder_that_the_database_does_not_know_are_refused():
    lease = SharedLease(Hand(), lambda epoch: epoch == 3)
    lease.granted(3, asked_at=100.0)
    lease.check()
    lease.granted(2, asked_at=100.0)
    with pytest.raises(LeaseLost):
        lease.check()
    assert not lease.held
