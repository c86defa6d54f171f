"""A peer that sends a lot is worked off in turns; one with a budget is slowed down. Nothing is lost or reordered."""

import asyncio

import pytest

from proxy.net.transport import LINE_COST, LINES_A_TURN, InputBudget, StreamLink


class Handler:
    """Notes what came, and how much of it in one turn of the loop."""

    def __init__(self) -> None:
        self.data = b""
        self.pieces: list[bytes] = []
        self.reason: str | None = None

    def opened(self, link: object) -> None:
        self.link = link

    def received(self, payload: bytes) -> None:
        self.data += payload
        self.pieces.append(payload)

    def closed(self, reason: str) -> None:
        self.reason = reason


async def connected(budget: InputBudget | None):
    """A handler behind a real socket, and the writer of the other side."""
    handler = Handler()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StreamLink(handler, budget), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    return handler, writer, server


async def until(fact) -> None:
    async with asyncio.timeout(20):
        while not fact():
            await asyncio.sleep(0.005)


LINES = b"".join(b"line %d\n" % number for number in range(5_000)) + b"the rest"


@pytest.mark.parametrize("budget", [None, InputBudget(bytes_per_s=10e6, burst=10e6)])
async def test_one_read_of_many_lines_is_worked_off_in_turns_and_in_order(budget):
    handler, writer, server = await connected(budget)
    writer.write(LINES)
    await until(lambda: len(handler.data) == len(LINES))
    assert handler.data == LINES
    assert max(piece.count(b"\n") for piece in handler.pieces) <= LINES_A_TURN
    writer.close()
    await until(lambda: handler.reason is not None)
    server.close()


async def test_others_have_their_turn_between_the_lines_of_a_flood():
    handler, writer, server = await connected(None)
    other, beside, second = await connected(None)
    writer.write(LINES)
    beside.write(b"hello\n")
    await until(lambda: other.data)
    assert len(handler.data) < len(LINES)
    for each in (writer, beside):
        each.close()
    server.close()
    second.close()


async def test_a_peer_over_its_budget_is_read_at_the_budgets_rate():
    budget = InputBudget(bytes_per_s=20_000.0, burst=5_000.0)
    handler, writer, server = await connected(budget)
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(LINES[:9_000])
    await until(lambda: len(handler.data) == 9_000)
    cost = 9_000 + LINE_COST * LINES[:9_000].count(b"\n")
    last = 2 * (max(map(len, handler.pieces)) + LINE_COST * LINES_A_TURN)
    assert loop.time() - began >= (cost - last - 2 * budget.burst) / budget.bytes_per_s  # settled a burst late
    assert handler.data == LINES[:9_000]
    writer.close()
    server.close()


async def test_within_the_budget_nothing_waits():
    handler, writer, server = await connected(InputBudget())
    for number in range(50):
        writer.write(b'{"id":%d,"method":"mining.submit"}\n' % number)
        await until(lambda number=number: handler.data.count(b"\n") == number + 1)
    assert len(handler.pieces) == 50
    writer.close()
    server.close()


async def test_what_a_pool_sent_before_it_closed_is_taken():
    handler, writer, server = await connected(None)
    writer.write(LINES)
    writer.close()
    await until(lambda: handler.reason is not None)
    assert handler.data == LINES
    server.close()


async def test_a_miner_that_closes_leaves_nothing_behind():
    handler, writer, server = await connected(InputBudget(bytes_per_s=1_000.0, burst=1_000.0))
    writer.write(LINES)
    await until(lambda: handler.data)
    handler.link._abort("enough")  # as a peer that vanishes while it is over its budget
    await until(lambda: handler.reason is not None)
    assert handler.reason == "enough" and len(handler.data) < len(LINES)
    server.close()
