"""Connections that speak no Stratum V1 are closed at once, with one line in the log that says why."""

import random
from typing import Any

import pytest

from proxy.config.snapshot import Listeners
from proxy.engine.refusals import MAX_ADDRESSES, ReportedProtocols
from proxy.observe.events import MinerBadMessage, MinerOtherProtocol
from tests.support.world import MemoryLink, World

KEY = random.Random(7).randbytes(64)
TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x5a" * 506
BROWSER = b"GET /favicon.ico HTTP/1.1\r\nHost: 10.0.0.5:3351\r\n\r\n"
HANDSHAKE = (
    b'{"id":1,"method":"mining.subscribe","params":["bfgminer/5.5"]}\n'
    b'{"id":2,"method":"mining.authorize","params":["addr.rig","x"]}\n'
)


class RawClient:
    """A connection that sends bytes and keeps what it gets."""

    def __init__(self, world: World, *, address: str = "10.9.9.9:5000") -> None:
        session = world.engine.connect(address)
        assert session is not None
        self.session = session
        self.got = b""
        self.link = MemoryLink(session, self.take, world.clock, address)
        session.opened(self.link)

    def take(self, payload: bytes) -> None:
        self.got += payload

    def send(self, payload: bytes, *, step: int = 1 << 20) -> None:
        for start in range(0, len(payload), step):
            if not self.link.closed:
                self.session.received(payload[start : start + step])


@pytest.mark.no_cover
@pytest.mark.parametrize("step", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("stream", "protocol"),
    [
        (TLS_HELLO, "tls"),
        (BROWSER, "http"),
        (KEY, "stratum-v2"),
        (b"hello\n", "text"),
        (b'{"id":1,\n', "text"),
        (b"not json at all, and longer than the first message of a Stratum V2 client is", "text"),
    ],
)
def test_what_is_not_stratum_v1_is_closed_at_once_and_logged_in_one_line(
    stream: bytes, protocol: str, step: int
) -> None:
    world = World()
    client = RawClient(world)
    client.send(stream, step=step)
    assert client.link.closed
    (event,) = world.events_of(MinerOtherProtocol)
    assert (event.protocol, event.peer) == (protocol, "10.9.9.9:5000")
    assert event.reason
    assert not world.events_of(MinerBadMessage)
    world.advance(1)
    assert not world.engine.sessions
    assert bool(client.got) is (protocol == "http")
    if protocol == "http":
        assert client.got.startswith(b"HTTP/1.1 400 ")
        assert b"port 8855" in client.got


@pytest.mark.parametrize("step", [1, 3, 60, 1 << 20])
@pytest.mark.parametrize("before", [b"", b"\r\n", b" \n\t"])
def test_a_miner_whose_first_bytes_come_one_by_one_gets_its_job(step: int, before: bytes) -> None:
    world = World({"A": 8})
    client = RawClient(world)
    client.send(before + HANDSHAKE, step=step)
    world.advance(1)
    assert client.got.count(b'"method":"mining.notify"') == 1
    assert not world.events_of(MinerOtherProtocol)


def test_a_slow_first_line_is_waited_for_and_a_slow_beginning_of_something_else_is_not() -> None:
    world = World({"A": 8})
    slow, odd, half, browser = (RawClient(world, address=f"10.9.9.{n}:5000") for n in range(4))
    slow.send(HANDSHAKE[:20])
    odd.send(b"hel")
    half.send(KEY[:20])
    browser.send(b"GET / HTTP/1.1\r\n")
    world.advance(5)
    assert [client.link.closed for client in (slow, odd, half, browser)] == [False, True, True, True]
    assert {event.protocol for event in world.events_of(MinerOtherProtocol)} == {"text", "binary", "http"}
    assert browser.got.startswith(b"HTTP/1.1 400 ")
    slow.send(HANDSHAKE[20:])
    world.advance(1)
    assert b'"method":"mining.notify"' in slow.got


def test_bfgminer_gets_its_first_job_at_once_on_the_connection_after_its_tls_hello() -> None:
    world = World({"A": 8})
    client = RawClient(world)
    client.send(TLS_HELLO)
    assert client.link.closed
    again = RawClient(world)
    again.send(HANDSHAKE)
    world.advance(0.1)
    assert b'"method":"mining.notify"' in again.got


def test_a_line_that_is_not_json_closes_before_subscribe_and_costs_after_it() -> None:
    world = World({"A": 8})
    before = RawClient(world)
    before.send(
        b'{"id":1,"method":"mining.configure","params":[["version-rolling"],{}]}\n{"id":2,\n'
        b'{"id":3,"method":"mining.subscribe","params":[]}\n'
    )
    assert before.link.closed
    assert b'"id":1,' in before.got
    assert b'"id":3' not in before.got
    miner: Any = world.miner()
    miner.raw(b"{garbage\n")
    assert not miner.link.closed
    assert len(world.events_of(MinerBadMessage)) == 1


def test_what_comes_behind_the_verdict_is_not_read() -> None:
    world = World({"A": 8})
    client = RawClient(world)
    client.session.received(TLS_HELLO)
    client.session.received(HANDSHAKE)
    world.advance(10)
    assert client.got == b""
    assert len(world.events_of(MinerOtherProtocol)) == 1


def test_an_address_that_tries_again_and_again_is_told_of_once_an_hour() -> None:
    world = World()
    for _ in range(5):
        RawClient(world).send(TLS_HELLO)
        RawClient(world).send(b"hello\n")
        RawClient(world).session.not_tls()
        world.advance(60)
    assert [event.protocol for event in world.events_of(MinerOtherProtocol)] == ["tls", "text", "plain"]
    world.advance(3_600)
    RawClient(world).send(TLS_HELLO)
    assert len(world.events_of(MinerOtherProtocol)) == 4


def test_where_there_is_a_port_with_tls_the_log_names_it() -> None:
    world = World()
    world.engine.apply(world.snapshot(listeners=Listeners(tls_port=3352, tls_certificate="/x")))
    RawClient(world).send(TLS_HELLO)
    assert world.events_of(MinerOtherProtocol)[0].reason.endswith("for TLS use stratum+ssl:// and port 3352")


def test_the_addresses_told_of_are_bounded() -> None:
    told = ReportedProtocols()
    assert all(told.is_new(str(number), "tls", 0.0) for number in range(2 * MAX_ADDRESSES))
    assert told.is_new("0", "tls", 0.0) and not told.is_new(str(2 * MAX_ADDRESSES - 1), "tls", 0.0)


def test_the_beginning_of_a_line_is_judged_no_more_once_its_connection_was_cut_off() -> None:
    world = World({"A": 8})
    client = RawClient(world)
    client.send(b"GE")
    client.link.close = lambda reason="": None  # type: ignore[method-assign]  # its end is told later
    client.session.downstream.cut_off("it costs too much")
    world.advance(10)
    assert client.got == b""
    assert not world.events_of(MinerOtherProtocol) and not world.events_of(MinerBadMessage)
