"""Miners that send what earns nothing are slowed, closed, and their address refused; honest ones in trouble are not."""

from typing import Any

import orjson
import pytest

from proxy.engine.peer_costs import ALLOWANCE, CLOSE_AT
from proxy.engine.session import COSTLY
from proxy.observe.events import AddressRefused, MinerDisconnected, MinerRefused, MinerSlowed
from proxy.types import PoolKey, Waste
from tests.support.world import ScriptedMiner, World


def call(method: str, params: list[Any], ident: Any = 9) -> bytes:
    return orjson.dumps({"id": ident, "method": method, "params": params}) + b"\n"


def ready(world: World, peer: str | None = None) -> ScriptedMiner:
    """A miner with a job, connected from ``peer``."""
    if peer is not None:
        world.next_peer = peer
    miner = world.miner()
    world.advance(1)
    return miner


FLOODS = {
    "subscribe": call("mining.subscribe", ["cpuminer/2.5.1"]),
    "authorize": call("mining.authorize", ["addr.rig", "x"]),
    "configure": call("mining.configure", [["version-rolling"], {"version-rolling.mask": "1fffe000"}]),
    "suggest": call("mining.suggest_difficulty", [100]),
    "unknown method": call("no.such.method", []),
    "answers to nothing": b'{"id":7,"result":true,"error":null}\n',
    "blank lines": b"\n" * 8,
    "no message": b"{}\n",
    "unknown job": call("mining.submit", ["addr.rig", "nope", "00000000", "00000000", "00000000"]),
    "malformed share": call("mining.submit", ["addr.rig"]),
    "foreign user": call("mining.submit", ["x", "nope", "00000000", "00000000", "00000000"]),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("line", FLOODS.values(), ids=FLOODS)
def test_what_earns_nothing_slows_its_sender_and_closes_it_in_the_end(line: bytes) -> None:
    world = World({"A": 8})
    good, bad = ready(world), ready(world)
    sent = 0
    while not bad.link.closed:
        bad.raw(line)
        sent += 1
        if sent <= 5:
            assert not bad.link.slowed_s
    assert sent <= CLOSE_AT
    assert bad.link.slowed_s >= 15.0
    world.advance(1)
    assert [event.session for event in world.events_of(MinerSlowed)] == [bad.session.id]
    assert [event.reason for event in world.events_of(MinerDisconnected)] == [COSTLY]
    ident = good.submit()
    world.advance(1)
    assert good.answers(ident)[0]["result"] is True and not good.link.slowed_s


def test_low_and_duplicate_shares_cost_but_shares_of_a_lower_difficulty_lately_given_do_not() -> None:
    world = World({"A": 8}, difficulty=1.0)
    miner = ready(world)
    world.pools["A"].difficulty = 2.0**40
    world.pools["A"].live()[0].push("mining.set_difficulty", [2.0**40])
    world.pools["A"].notify(clean=False)
    world.advance(1)
    assert miner.difficulty == 2.0**40
    for nonce in range(3 * int(ALLOWANCE)):  # firmware that takes the new difficulty over late
        miner.submit(nonce=f"{nonce:08x}")
    assert not miner.link.slowed_s
    world.pools["A"].notify(clean=True)
    world.advance(61)
    world.pools["A"].notify(clean=True)  # what was issued before is forgotten
    world.advance(1)
    for nonce in range(3 * int(ALLOWANCE)):
        miner.submit(nonce=f"{nonce:08x}")
    assert miner.link.slowed_s


def test_the_same_share_again_and_again_costs() -> None:
    world = World({"A": 8})
    miner = ready(world)
    for _ in range(3 * int(ALLOWANCE)):
        miner.submit()
    assert miner.link.slowed_s


def test_shares_that_the_pool_rejects_as_late_cost_nothing() -> None:
    world = World({"A": 8})
    miner = ready(world)
    old = miner.job
    world.pools["A"].verdict = lambda params: {"result": None, "error": [21, "stale", None]}
    world.pools["A"].notify(clean=True)
    for nonce in range(3 * int(ALLOWANCE)):
        miner.submit(old, nonce=f"{nonce:08x}")
    world.advance(1)
    assert not miner.link.slowed_s


def test_two_hundred_shares_for_jobs_of_its_last_connection_cost_a_good_miner_nothing() -> None:
    world = World({"A": 8})
    miner = ready(world)
    for nonce in range(2 * int(ALLOWANCE)):
        miner.submit(nonce=f"{nonce:08x}")
        world.advance(0.01)
        miner.call("mining.submit", ["addr.rig", "old", "00000000", "00000000", "00000000"], 5)
    assert not miner.link.slowed_s


def test_accepted_shares_are_told_to_the_link_once() -> None:
    world = World({"A": 8})
    miner = ready(world)
    for nonce in range(7):
        miner.submit(nonce=f"{nonce:08x}")
    world.advance(1)
    assert [miner.session.earned_lines(), miner.session.earned_lines()] == [7, 0]


def test_an_address_that_goes_on_is_refused_for_a_while_and_the_operator_hears_of_it_once() -> None:
    world = World({"A": 8})
    beside = ready(world, "192.0.2.9:1000")
    for _ in range(20):
        world.next_peer = "192.0.2.7:1000"
        if world.engine.connection_control.peer_costs.refused_s("192.0.2.7", world.clock.now()):
            break
        bad = world.miner()
        while not bad.link.closed:
            bad.raw(b"{}\n")
        world.advance(1)
    (event,) = world.events_of(AddressRefused)
    assert (event.address, event.seconds) == ("192.0.2.7", 60.0)
    for _ in range(500):
        assert world.engine.connect("192.0.2.7:2000") is None
    assert [event.connections for event in world.events_of(MinerRefused)] == [1]
    assert "sent too much that earns nothing" in world.events_of(MinerRefused)[0].limit
    world.advance(60)
    assert [event.connections for event in world.events_of(MinerRefused)] == [1, 499]
    world.next_peer = "192.0.2.7:1000"
    assert world.miner().answers(2)
    assert not beside.link.closed


def test_known_miners_come_back_to_an_address_that_a_neighbour_floods_from() -> None:
    world = World({"A": 8})
    good = ready(world, "192.0.2.7:1")
    good.submit()
    world.advance(1)
    for number in range(20):
        bad = ready(world, f"192.0.2.7:{100 + number}")
        while not bad.link.closed:
            bad.raw(b"{}\n")
        world.advance(1)
    good.leave()
    world.advance(1)
    again = ready(world, "192.0.2.7:2")
    again.submit()
    world.advance(1)
    assert again.session.cost.accepted == 1 and not again.link.slowed_s
    assert not world.events_of(AddressRefused)


@pytest.mark.no_cover
def test_when_an_address_is_refused_its_other_flooding_connections_are_closed_as_well() -> None:
    world = World({"A": 8})
    bad = [ready(world, f"192.0.2.7:{number}") for number in range(20)]
    quiet = ready(world, "192.0.2.7:99")
    while not world.events_of(AddressRefused):
        for miner in bad:
            miner.raw(FLOODS["unknown job"])
    assert all(miner.link.closed for miner in bad)
    assert world.events_of(AddressRefused)[0].closed == 20
    assert not quiet.link.closed


def test_refusals_of_more_addresses_than_are_told_of_are_told_of_together() -> None:
    world = World({"A": 8})
    world.engine.connection_control.close()
    for number in range(1_000):
        for _ in range(2):
            world.engine.connect(f"10.1.{number // 250}.{number % 250}:5")
    told = world.events_of(MinerRefused)
    assert len(told) == 256
    world.advance(61)
    told = world.events_of(MinerRefused)
    assert sum(event.connections for event in told) == 2_000
    assert told[-1].peer == "many addresses"
    assert PoolKey("A") in world.engine.pools


def test_what_is_charged_after_the_end_of_a_connection_is_held_against_nobody() -> None:
    world = World({"A": 8})
    miner = ready(world, "10.9.9.9:5000")
    miner.leave()
    world.advance(1)
    for _ in range(100):
        miner.session.miner_cost(CLOSE_AT, Waste.CALLS)
    assert not world.events_of(MinerSlowed) and not world.events_of(AddressRefused)
    assert ready(world, "10.9.9.9:5001").all("mining.notify")


def test_an_address_that_an_operator_lets_in_may_connect_at_once() -> None:
    world = World({"A": 8})
    for number in range(20):
        if world.engine.connection_control.peer_costs.refused_s("192.0.2.7", world.clock.now()):
            break
        bad = ready(world, f"192.0.2.7:{number + 1}")
        while not bad.link.closed:
            bad.raw(FLOODS["unknown job"])
        world.advance(1)
    assert world.engine.connect("192.0.2.7:500") is None
    world.engine.connection_control.let_in("192.0.2.7")
    assert ready(world, "192.0.2.7:501").answers(2)
