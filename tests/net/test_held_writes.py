"""What is sent in one turn of the loop is written at its end: one write a peer, nothing lost, nothing reordered."""

import asyncio
import random
import socket
from typing import Any

import pytest

from proxy.net.held_writes import MOST_HELD, HeldWrites, held_writes_of
from proxy.net.transport import MAX_UNSENT, StreamLink
from proxy.ports import Link
from tests.support.transport import Transport


class Handler:
    """Answers each read with three lines."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def opened(self, link: Link) -> None:
        self.link = link

    def received(self, payload: bytes) -> None:
        for number in range(3):
            self.link.send(b"answer %d\n" % number)

    def closed(self, reason: str) -> None:
        self.reason = reason


class Stuffed(Transport):
    """Of a peer that does not read: its buffer is full, and the protocol hears of it within ``write`` and ``abort``."""

    def __init__(self) -> None:
        super().__init__()
        self.link: StreamLink | None = None

    def write(self, payload: bytes) -> None:
        super().write(payload)
        assert self.link is not None
        self.link.pause_writing()

    def get_write_buffer_size(self) -> int:
        return MAX_UNSENT + 1

    def abort(self) -> None:
        self.is_closed = True
        assert self.link is not None
        self.link.connection_lost(None)  # a loop does so later: whoever hears of it at once must do no harm either


def linked(transport: Any, handler: Handler | None = None) -> StreamLink:
    link = StreamLink(handler or Handler())
    link.connection_made(transport)
    return link


async def test_the_lines_of_a_turn_leave_in_one_write_in_their_order() -> None:
    transport = Transport()
    link = linked(transport)
    link.data_received(b"question\n")
    link.send(b"last\n")
    assert transport.writes == []
    await asyncio.sleep(0)
    assert transport.writes == [b"answer 0\nanswer 1\nanswer 2\nlast\n"]


async def test_where_many_have_something_to_send_the_first_do_not_wait_for_the_turns_end() -> None:
    transports = [Transport() for _ in range(MOST_HELD + 1)]
    for link in [linked(transport) for transport in transports]:
        link.send(b"job\n")
    assert [len(transport.writes) for transport in transports] == [1] * MOST_HELD + [0]
    await asyncio.sleep(0)
    assert all(transport.writes == [b"job\n"] for transport in transports)


async def test_what_was_sent_before_a_connection_is_closed_goes_out() -> None:
    transport = Transport()
    link = linked(transport)
    link.send(b"farewell\n")
    link.close()
    assert transport.writes == [b"farewell\n"] and transport.is_closed
    link.send(b"too late\n")
    await asyncio.sleep(0)
    assert transport.writes == [b"farewell\n"]


async def test_nothing_is_written_to_a_connection_that_has_ended_in_the_turn() -> None:
    transport = Transport()
    link = linked(transport)
    link.send(b"answer\n")
    link.connection_lost(None)
    await asyncio.sleep(0)
    assert transport.writes == []


async def test_a_write_that_fails_keeps_nobody_elses_lines_back_and_is_told() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    broken, whole = Transport(OSError("broken")), Transport()
    for link in (linked(broken), linked(whole)):
        link.send(b"line\n")
    await asyncio.sleep(0)
    assert whole.writes == [b"line\n"]
    assert [str(context["exception"]) for context in told] == ["broken"]


async def test_a_peer_found_not_to_read_is_cut_off_and_what_that_leads_to_is_sent() -> None:
    stuffed, whole, elsewhere = Stuffed(), Transport(), Transport()
    told, ending = linked(elsewhere), Handler()
    ending.closed = lambda reason: told.send(reason.encode())
    slow = stuffed.link = linked(stuffed, ending)
    slow.send(b"job\n")
    linked(whole).send(b"job\n")
    await asyncio.sleep(0)
    assert whole.writes == stuffed.writes == [b"job\n"]
    slow.send(b"too late\n")
    await asyncio.sleep(0)
    assert stuffed.writes == [b"job\n"]
    assert elsewhere.writes == [b"does not read"]


@pytest.mark.parametrize("seed", range(10))
async def test_whoever_sends_whenever_each_peer_gets_its_lines_once_and_in_order(seed: int) -> None:
    choice = random.Random(seed)
    transports = [Transport() for _ in range(MOST_HELD + 6)]
    sent: list[list[bytes]] = [[] for _ in transports]
    links = [linked(transport) for transport in transports]
    for number in range(3_000):
        peer = choice.randrange(len(links))
        if choice.random() < 0.2:
            sent[peer] += [b"answer %d\n" % each for each in range(3)]
            links[peer].data_received(b"question\n")
        else:
            sent[peer].append(b"%d\n" % number)
            links[peer].send(sent[peer][-1])
        if choice.random() < 0.02:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [b"".join(transport.writes) for transport in transports] == [b"".join(lines) for lines in sent]


async def test_a_peer_that_asks_and_says_that_nothing_follows_is_answered() -> None:
    handler = Handler()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StreamLink(handler), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"question\n")
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    assert await asyncio.wait_for(reader.read(), 20) == b"answer 0\nanswer 1\nanswer 2\n"
    writer.close()
    server.close()


def test_each_loop_has_an_held_writes_of_its_own_and_a_dead_one_leaves_nothing_waiting() -> None:
    async def held() -> HeldWrites:
        linked(Transport()).send(b"line\n")
        return held_writes_of(asyncio.get_running_loop())

    assert asyncio.run(held()) is not asyncio.run(held())
