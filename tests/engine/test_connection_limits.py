"""How many may connect, how fast, and who makes room: miners that work are never kept out by those that do not."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.config.snapshot import Limits
from proxy.engine.connection_limits import (
    LEAST_CONNECTS,
    MAX_ADDRESSES,
    SURELY_IDLE_S,
    ConnectionLimits,
    ConnectRates,
    limits_for,
)
from proxy.observe.events import MinerDisconnected, MinerRefused
from proxy.types import SessionId
from tests.support.world import ScriptedMiner, World


def nobody(_: str) -> bool:
    return False


class Table:
    """``ConnectionLimits`` with numbered sessions."""

    def __init__(self, **limits: int) -> None:
        self.table = ConnectionLimits()
        self.limits = Limits(**{"max_sessions_per_address": 1000, **limits})
        self.number = 0

    def add(self, address: str, now: float = 0.0, *, authorized: bool = False) -> SessionId:
        self.number += 1
        ident = SessionId(self.number)
        self.table.add(ident, address, now)
        if authorized:
            self.table.authorized(ident)
        return ident

    def reached(self, address: str) -> str:
        return self.table.reached(address, self.limits)

    def makes_room(self, address: str, now: float = 100.0, is_known: Any = nobody) -> SessionId | None:
        return self.table.makes_room(address, self.limits, now, is_known)


def test_connections_are_limited_in_all_and_by_address() -> None:
    table = Table(max_sessions=3, max_sessions_per_address=2)
    assert table.reached("a") == ""
    first, second = table.add("a"), table.add("a")
    each = '2 connections from one address ("maximum miners per address" in the proxy settings)'
    assert table.reached("a") == each
    assert table.reached("b") == ""
    table.add("b")
    assert table.reached("c") == '3 connections ("maximum miners" in the proxy settings)'
    for _ in range(2):  # the second time does nothing
        table.table.remove(first)
    assert first not in table.table and second in table.table
    assert table.reached("a") == ""
    table.table.authorized(first)
    assert first not in table.table


def test_the_oldest_unauthorised_connection_of_the_address_with_the_most_makes_room() -> None:
    table = Table(max_sessions=6)
    table.add("few")
    oldest = table.add("many", authorized=False)
    for _ in range(2):
        table.add("many")
    table.add("good", authorized=True)
    assert table.makes_room("new") == oldest


def test_a_handshake_that_goes_on_is_not_cut_off_while_others_are_silent_for_longer() -> None:
    table = Table(max_sessions=4)
    silent = table.add("few", now=0.0)
    for _ in range(3):
        table.add("farm", now=SURELY_IDLE_S)
    assert table.makes_room("new", now=SURELY_IDLE_S + 1.0) == silent


def test_connections_of_known_addresses_go_last() -> None:
    table = Table(max_sessions=4)
    for _ in range(3):
        table.add("farm")
    stranger = table.add("stranger")
    assert table.makes_room("new", is_known=lambda address: address == "farm") == stranger


def test_authorised_connections_make_no_room_and_an_address_only_for_itself() -> None:
    table = Table(max_sessions=4, max_sessions_per_address=2)
    table.add("a", authorized=True)
    pending = table.add("a")
    table.add("b")
    table.add("c", authorized=True)
    assert table.makes_room("a") == pending
    table.table.authorized(pending)
    assert table.makes_room("a") is None


def test_a_rate_lets_a_minutes_connections_come_at_once_and_more_as_time_passes() -> None:
    rates = ConnectRates()
    assert sum(rates.admits("a", 100, 0.0) for _ in range(1_000)) == 100
    assert rates.admits("b", 100, 0.0)
    assert sum(rates.admits("a", 100, 6.0) for _ in range(1_000)) == 10
    assert sum(rates.admits("a", 100, 1_000.0) for _ in range(1_000)) == 100


def test_the_table_of_rates_is_bounded() -> None:
    rates = ConnectRates()
    for number in range(2 * MAX_ADDRESSES):
        assert rates.admits(str(number), 1, 0.0)
    assert len(rates._used) == MAX_ADDRESSES


def limited(**limits: Any) -> World:
    world = World({"A": 8})
    world.config = replace(world.config, limits=Limits(**{"max_sessions_per_address": 1000, **limits}))
    world.engine.apply(world.config)
    return world


def half_open(world: World, peer: str) -> ScriptedMiner:
    world.next_peer = peer
    return world.miner(handshake=False)


def miner(world: World, peer: str) -> ScriptedMiner:
    world.next_peer = peer
    return world.miner()


def test_new_miners_are_served_while_half_open_connections_hold_all_places() -> None:
    world = limited(max_sessions=60, max_sessions_per_address=50)
    works = miner(world, "198.51.100.1:1")
    for number in range(90):
        half_open(world, f"203.0.113.{number % 30}:{number}")
    new = [miner(world, f"198.51.100.{number}:1") for number in range(10, 20)]
    world.advance(1)
    assert all(each.all("mining.notify") for each in new)
    assert not works.link.closed
    assert len(world.engine.sessions) == 60
    reasons = {event.reason for event in world.events_of(MinerDisconnected)}
    assert any(reason.startswith("made room for another miner: 60 connections") for reason in reasons)


def test_a_known_miner_goes_before_authorised_strangers_that_found_nothing() -> None:
    world = limited(max_sessions=10)
    known = miner(world, "198.51.100.1:1")
    world.advance(1)
    known.submit()
    world.advance(1)
    strangers = [miner(world, f"203.0.113.{number}:1") for number in range(9)]
    world.next_peer = "203.0.113.99:1"
    assert world.engine.connect(world.next_peer) is None
    again = miner(world, "198.51.100.1:2")
    assert again.answers(2)
    assert [each.link.closed for each in strangers] == [True] + [False] * 8
    assert not known.link.closed
    [refusal] = world.events_of(MinerRefused)
    assert refusal.limit == '10 connections ("maximum miners" in the proxy settings)'
    assert world.engine.connection_control.limit_met == (refusal.limit, world.clock.now())


def test_where_all_work_a_newcomer_is_refused() -> None:
    world = limited(max_sessions=2)
    for number in range(2):
        each = miner(world, f"198.51.100.{number}:1")
        world.advance(1)
        each.submit()
        world.advance(1)
    assert world.engine.connect("198.51.100.1:9") is None
    assert world.engine.connect("198.51.100.9:9") is None


@pytest.mark.no_cover
@pytest.mark.parametrize("limits", [Limits(), Limits(max_sessions_per_address=5_000)])
def test_as_many_miners_as_an_address_may_have_come_back_at_once_and_once_more(limits: Limits) -> None:
    """A farm behind one router after a power cut; its old connections are not noticed as broken yet, or all are."""
    world = World({"A": 8})
    world.engine.apply(replace(world.config, limits=limits_for(limits, 10_000)))
    for _ in range(2):
        sessions = [world.engine.connect(f"192.0.2.1:{port}") for port in range(5_000)]
        assert None not in sessions
        for session in sessions:
            world.engine.session_ended(session)


@pytest.mark.no_cover
def test_a_thousand_miners_of_one_address_come_back_at_once() -> None:
    world = limited(max_sessions=2_000)
    admitted = [world.engine.connect(f"192.0.2.1:{port}") for port in range(1_000)]
    admitted += [world.engine.connect(f"192.0.2.2:{port}") for port in range(1_000)]
    assert None not in admitted


def test_connecting_again_and_again_is_refused_by_address() -> None:
    world = limited(connects_per_minute=20)
    for number in range(40):
        session = world.engine.connect(f"192.0.2.1:{number}")
        if session is not None:
            world.engine.session_ended(session)
    assert world.engine.connect("192.0.2.2:1") is not None
    world.advance(61)
    assert world.engine.connect("192.0.2.1:99") is not None
    told = world.events_of(MinerRefused)
    assert [event.connections for event in told] == [1, 19]
    setting = '"new connections per address and minute" in the proxy settings'
    assert told[0].limit == f"20 new connections from one address in a minute ({setting})"


@pytest.mark.parametrize("call", [None, ("mining.configure", [["version-rolling"], {}])])
def test_who_says_nothing_is_closed_soon_and_who_does_not_finish_its_handshake_later(call: Any) -> None:
    world = World()
    silent = world.miner(handshake=False)
    if call is not None:
        silent.call(*call)
    world.advance(9.9)
    assert not silent.link.closed
    world.advance(0.2)
    assert silent.link.closed is (call is None)
    world.advance(19.7)
    assert silent.link.closed is (call is None)
    world.advance(0.3)
    assert silent.link.closed


def test_a_handshake_timeout_below_the_first_ones_holds_as_well() -> None:
    world = limited(subscribe_timeout_s=10.0, handshake_timeout_s=5.0)
    late = world.miner(handshake=False)
    late.call("mining.authorize", ["addr.rig", "x"])
    world.advance(10.1)
    assert late.link.closed


def test_firmware_that_authorises_first_and_subscribes_late_is_served() -> None:
    world = World()
    late = world.miner(handshake=False)
    late.call("mining.authorize", ["addr.rig", "x"], 1)
    world.advance(25)
    late.call("mining.subscribe", ["odd/1"], 2)
    world.advance(60)
    assert late.all("mining.notify") and not late.link.closed


def test_where_the_operator_sets_no_limits_the_machine_decides() -> None:
    fitted = Limits(max_sessions=6000, max_sessions_per_address=3000, max_workers=6000, connects_per_minute=2 * 3000)
    assert limits_for(Limits(), 6000) == fitted, "each of them may be a worker of its own"
    assert limits_for(Limits(max_workers=7000), 6000).max_workers == 7000
    least = {"max_sessions": 10, "connects_per_minute": LEAST_CONNECTS}
    assert limits_for(Limits(max_sessions=10), 6000) == Limits(**least, max_sessions_per_address=5)
    most = Limits(max_sessions=10, max_sessions_per_address=9, connects_per_minute=7)
    assert limits_for(most, 6000) == most
    assert limits_for(Limits(), 1).max_sessions_per_address == 1


def test_a_farm_is_taken_up_to_the_room_that_the_machine_has() -> None:
    world = World({"A": 8})
    world.engine.apply(world.snapshot(limits=limits_for(Limits(), 4)))
    for number in range(6):
        half_open(world, f"192.0.2.{number}:1")
    world.advance(1)
    assert len(world.engine.sessions) == 4  # two made room for those that came later
