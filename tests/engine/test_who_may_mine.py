"""The networks that miners may connect from, and the password that they need, where the operator set them."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from proxy.config.snapshot import MinerAccess
from proxy.engine.miner_access import may_connect, password_for_pool
from proxy.observe.events import MinerRefused, MinerWrongPassword
from tests.support.world import World

LAN = MinerAccess(networks=(ip_network("192.168.1.0/24"), ip_network("2001:db8::/32")))
SECRET = MinerAccess(password="sesame")


@pytest.mark.parametrize(
    ("peer", "may"),
    [
        ("192.168.1.7:50000", True),
        ("192.168.2.7:50000", False),
        ("[2001:db8::7]:50000", True),
        ("[fe80::1%eth0]:50000", False),
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("nonsense", False),
    ],
)
def test_only_the_listed_networks_and_this_machine_may_connect(peer: str, may: bool) -> None:
    assert may_connect(LAN, peer) is may
    assert may_connect(MinerAccess(), peer)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("sesame", ""),
        ("sesame,d=1000", "d=1000"),
        ("d=1000,sesame", "d=1000"),
        ("sesame; d=1000 ; m=solo", "d=1000,m=solo"),
        ("Sesame", None),
        ("sesam", None),
        ("sesame1", None),
        ("d=sesame", None),
        ("x", None),
        ("", None),
        ("s\u00e9same", None),
    ],
)
def test_the_password_may_stand_beside_directives_which_alone_reach_the_pool(given: str, left: str | None) -> None:
    assert password_for_pool(SECRET, given) == left
    assert password_for_pool(MinerAccess(), given) == given


def with_access(access: MinerAccess) -> World:
    world = World({"A": 8})
    world.config = replace(world.config, access=access)
    world.engine.apply(world.config)
    return world


def test_the_secret_is_in_no_repr() -> None:
    assert "sesame" not in repr(with_access(SECRET).config)


def test_a_miner_from_elsewhere_is_refused_at_once() -> None:
    world = with_access(LAN)
    assert world.engine.connect("192.168.2.7:1") is None
    assert world.engine.connect("192.168.1.7:1") is not None
    assert [event.limit for event in world.events_of(MinerRefused)] == ["not an address that may mine here"]


def test_a_wrong_password_is_answered_false_with_a_sentence_and_the_next_try_may_be_right() -> None:
    world = with_access(SECRET)
    miner = world.miner(handshake=False)
    miner.call("mining.subscribe", ["cpuminer/2.5.1"], 2)
    miner.call("mining.authorize", ["addr.rig", "x"], 3)
    answer = miner.answers(3)[0]
    assert answer["result"] is False and answer["error"][0] == 24 and "Wrong password" in answer["error"][1]
    world.advance(1)
    assert not miner.all("mining.notify")
    assert [event.user for event in world.events_of(MinerWrongPassword)] == ["addr.rig"]
    miner.call("mining.authorize", ["addr.rig", "sesame,d=500"], 4)
    assert miner.answers(4)[0]["result"] is True
    world.advance(1)
    assert miner.all("mining.notify")
    assert world.pools["A"].live()[-1].password == "d=500"


def test_who_guesses_is_slowed_and_closed() -> None:
    world = with_access(SECRET)
    miner = world.miner(handshake=False)
    tries = 0
    while not miner.link.closed:
        miner.call("mining.authorize", ["addr.rig", str(tries)], tries)
        tries += 1
    assert tries <= 51 and miner.link.slowed_s > 15.0
