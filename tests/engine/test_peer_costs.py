"""The arithmetic of what peers cost: allowances, decay, credit, refused addresses, bounds. Time is handed in."""

import pytest

from proxy.engine.peer_costs import (
    ALLOWANCE,
    CLOSE_AT,
    CLOSE_SOON_AT,
    FORGET_S,
    HANDSHAKE,
    MAX_ADDRESSES,
    MAX_NOTED,
    MOST_REFUSE_S,
    REFUSE_AT,
    REFUSE_S,
    SMALL_ALLOWANCE,
    Measure,
    PeerCost,
    PeerCosts,
)
from proxy.peer_address import address_of
from proxy.types import SessionId, Waste


class Costs:
    """``PeerCosts`` with a clock and numbered connections."""

    def __init__(self) -> None:
        self.table = PeerCosts()
        self.now = 1_000.0
        self.number = 0

    def peer(self, address: str = "a", accepted: int = 0) -> PeerCost:
        self.number += 1
        peer = self.table.connect(SessionId(self.number), address, self.now)
        peer.accepted = accepted
        return peer

    def charge(self, peer: PeerCost, points: float = 1.0) -> Measure:
        return self.table.charge(peer, points, Waste.CALLS, self.now)

    def flood(self, peer: PeerCost, until: Measure, points: float = 1.0) -> int:
        """How many charges it takes."""
        for number in range(1, 10_000):
            if self.charge(peer, points) is until:
                return number
        raise AssertionError(until)

    def refuse(self, address: str) -> None:
        """Have an address refused by connections that are closed one after the other."""
        for _ in range(20):
            peer = self.peer(address)
            while (measure := self.charge(peer)) in (Measure.NOTHING, Measure.SLOW):
                pass
            self.table.disconnect(peer, self.now)
            if measure is Measure.REFUSE:
                return
        raise AssertionError("never refused")


def test_a_peer_is_slowed_beyond_its_allowance_and_closed_beyond_its_limit() -> None:
    costs = Costs()
    costs.peer("a", accepted=5)  # a good miner at the same address
    peer = costs.peer("a", accepted=1)
    peer.points(costs.now)
    assert costs.flood(peer, Measure.SLOW) == ALLOWANCE + 1
    assert costs.flood(peer, Measure.CLOSE) == CLOSE_AT - ALLOWANCE
    assert peer.limit == CLOSE_AT


def test_points_decay_and_a_keep_alive_every_few_seconds_never_adds_up() -> None:
    costs = Costs()
    peer = costs.peer()
    for _ in range(5_000):
        costs.now += 2.0
        assert costs.charge(peer) is Measure.NOTHING
    assert peer.points(costs.now) == 1.0


def test_accepted_shares_pay_for_those_that_go_wrong_beside_them() -> None:
    costs = Costs()
    peer = costs.peer()
    for _ in range(10_000):  # hundreds a second, a third of them good
        peer.accepted += 1
        assert costs.charge(peer, 2.0) is Measure.NOTHING


def test_credit_is_not_saved_up() -> None:
    costs = Costs()
    peer = costs.peer(accepted=1_000_000)
    costs.flood(peer, Measure.CLOSE)


def test_an_address_is_refused_in_the_end_and_longer_each_time_and_that_is_forgotten() -> None:
    costs = Costs()
    for seconds in (60.0, 120.0, 240.0, 480.0, MOST_REFUSE_S, MOST_REFUSE_S):
        costs.refuse("a")
        assert costs.table.refused_s("a", costs.now) == seconds
        assert costs.table.refused_s("b", costs.now) == 0.0
        costs.now += seconds
        assert costs.table.refused_s("a", costs.now) == 0.0
    costs.now += FORGET_S + 1.0
    costs.refuse("a")
    assert costs.table.refused_s("a", costs.now) == REFUSE_S


def test_many_connections_of_an_address_do_not_get_many_allowances() -> None:
    costs = Costs()
    peers = [costs.peer() for _ in range(100)]
    spent = 0
    while all(costs.charge(peer) is not Measure.REFUSE for peer in peers):
        spent += len(peers)
    assert spent < 3 * REFUSE_AT
    assert len(costs.table.offenders(peers[0].address, costs.now)) == 100


def test_connections_that_end_before_they_are_slowed_count_for_their_address() -> None:
    costs = Costs()
    for _ in range(200):
        peer = costs.peer()
        if costs.charge(peer, HANDSHAKE - 1.0) is Measure.REFUSE:
            raise AssertionError("one handshake")
        costs.table.disconnect(peer, costs.now)
    assert costs.charge(costs.peer(), HANDSHAKE + 1.0) is Measure.REFUSE


def test_a_thousand_miners_that_come_back_with_old_shares_cost_their_address_nothing() -> None:
    costs = Costs()
    peers = [costs.peer() for _ in range(1_000)]
    for peer in peers:
        for _ in range(6 + 10):  # a handshake, and shares for jobs that this process never knew
            assert costs.charge(peer) is Measure.NOTHING
        costs.now += 0.001
    for peer in peers:
        peer.accepted += 1
    assert not peers[0].address.is_costly


def test_at_a_costly_address_only_those_without_an_accepted_share_get_the_small_allowance() -> None:
    costs = Costs()
    good = costs.peer(accepted=3)
    bad = costs.peer()
    costs.flood(bad, Measure.CLOSE)
    assert bad.address.is_costly
    new = costs.peer()
    assert (new.allowance, new.limit) == (SMALL_ALLOWANCE, CLOSE_SOON_AT)
    assert costs.flood(new, Measure.SLOW) == SMALL_ALLOWANCE + 1
    assert good.allowance == ALLOWANCE
    new.accepted += 1
    assert new.allowance == ALLOWANCE


def test_an_address_with_a_miner_in_good_standing_is_not_refused() -> None:
    costs = Costs()
    good = costs.peer("farm", accepted=1)
    for _ in range(30):
        bad = costs.peer("farm")
        assert costs.flood(bad, Measure.CLOSE)
        costs.table.disconnect(bad, costs.now)
    assert costs.table.refused_s("farm", costs.now) == 0.0
    costs.table.disconnect(good, costs.now)  # a power cut: nobody is there, but it was lately
    assert costs.table.is_good("farm", costs.now)
    bad = costs.peer("farm")
    costs.flood(bad, Measure.CLOSE)
    costs.now += FORGET_S
    assert not costs.table.is_good("farm", costs.now)
    costs.refuse("farm")
    assert costs.table.refused_s("farm", costs.now) == REFUSE_S


def test_a_miner_that_floods_is_in_no_good_standing_whatever_it_earned() -> None:
    costs = Costs()
    peer = costs.peer(accepted=1)
    costs.flood(peer, Measure.REFUSE, 5.0)
    assert costs.table.offenders(peer.address, costs.now) == []
    costs.table.disconnect(peer, costs.now)
    assert not costs.table.is_good("a", costs.now)


def test_the_table_is_bounded_and_keeps_those_that_are_connected() -> None:
    costs = Costs()
    stays = costs.peer("stays")
    for number in range(MAX_ADDRESSES + 500):
        costs.table.disconnect(costs.peer(str(number)), costs.now)
    assert len(costs.table) == MAX_ADDRESSES
    assert costs.peer("stays").address is stays.address
    assert not costs.table.is_good("0", costs.now)


def test_a_table_full_of_connected_addresses_grows_with_them() -> None:
    costs = Costs()
    for number in range(MAX_ADDRESSES + 1):
        costs.peer(str(number))
    assert len(costs.table) == MAX_ADDRESSES + 1


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.1:50000", "10.0.0.1"),
        ("[2001:db8:1:2:3:4:5:6]:50000", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:1", "2001:db8:1:2::/64"),
        ("[fe80::1%eth0]:3", "fe80::/64"),
        ("[no:address]:3", "no:address"),
        ("?", ""),
    ],
)
def test_addresses_are_counted_as_one_host_has_them(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_who_is_slowed_or_refused_is_listed_for_as_long_as_it_is_and_with_what_it_sent_most() -> None:
    costs = Costs()
    slow = costs.peer("slow")
    costs.flood(slow, Measure.SLOW)
    costs.table.charge(slow, 20.0, Waste.BLANKS, costs.now)
    costs.refuse("refused")
    assert costs.table.costly(costs.now) == [
        ("refused", REFUSE_S, 0, Waste.CALLS),
        ("slow", 0.0, 1, Waste.BLANKS),
    ]
    costs.now += REFUSE_S / 2
    assert [(one.name, one.refused_s) for one in costs.table.costly(costs.now)] == [("refused", REFUSE_S / 2)]
    costs.now += REFUSE_S
    assert costs.table.costly(costs.now) == []


def test_an_address_that_is_let_in_has_cost_nothing() -> None:
    costs = Costs()
    slow = costs.peer("a")
    costs.flood(slow, Measure.SLOW)
    costs.refuse("a")
    assert costs.table.let_in("a", costs.now)
    assert (costs.table.refused_s("a", costs.now), slow.points(costs.now)) == (0.0, 0.0)
    assert costs.table.costly(costs.now) == []
    assert not costs.table.let_in("a", costs.now), "it is not on the list any more"
    costs.refuse("a")
    assert costs.table.refused_s("a", costs.now) == REFUSE_S, "for the first time again"


def test_so_many_addresses_are_listed_at_most_and_none_that_was_forgotten() -> None:
    costs = Costs()
    for number in range(MAX_NOTED + 10):
        costs.refuse(f"{number}")
    listed = [one.name for one in costs.table.costly(costs.now)]
    assert (len(listed), listed[0]) == (MAX_NOTED, f"{MAX_NOTED + 9}")
    for number in range(MAX_ADDRESSES):
        costs.peer(f"other {number}")
    assert costs.table.costly(costs.now) == []
