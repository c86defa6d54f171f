"""A peer that sends a lot is worked off in turns; one with a budget is slowed down. Nothing is lost or reordered."""

import asyncio

import pytest

from proxy.net.transport import LINES_A_TURN, MOST_ANSWERS, InputBudget, StreamLink


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


@pytest.mark.no_cover
@pytest.mark.parametrize("budget", [None, InputBudget(bytes_per_s=10e6, burst=10e6)])
async def test_one_read_of_many_lines_is_worked_off_in_turns_and_in_order(budget):
    handler, writer, server = await connected(budget)
    writer.write(LINES)
    await until(lambda: len(handler.data) == len(LINES))
    assert handler.data == LINES
    most = LINES_A_TURN if budget is None else budget.lines_a_turn
    assert max(piece.count(b"\n") for piece in handler.pieces) <= most
    writer.close()
    await until(lambda: handler.reason is not None)
    server.close()


async def test_the_answers_to_what_a_pool_was_sent_do_not_wait_behind_one_another():
    handler, writer, server = await connected(None)
    await until(lambda: hasattr(handler, "link"))
    for _ in range(1_000):
        handler.link.send(b"a share of one of many miners\n")
    handler.link.data_received(LINES)
    assert handler.pieces[0].count(b"\n") == LINES_A_TURN + 1_000
    await until(lambda: len(handler.data) == len(LINES))
    assert handler.data == LINES
    assert max(piece.count(b"\n") for piece in handler.pieces[1:]) <= LINES_A_TURN, "each line allows one answer"
    writer.close()
    server.close()


async def test_what_a_pool_may_answer_at_once_is_bounded():
    handler, _writer, server = await connected(None)
    await until(lambda: hasattr(handler, "link"))
    for _ in range(10_000):
        handler.link.send(b"a share\n")
    for _ in range(4):
        handler.link.data_received(LINES)
    assert handler.pieces[0].count(b"\n") == LINES_A_TURN + MOST_ANSWERS
    handler.link.close()
    server.close()


async def test_what_a_miner_was_sent_gives_it_no_more_of_a_turn():
    handler, _writer, server = await connected(InputBudget(bytes_per_s=10e6, burst=10e6))
    await until(lambda: hasattr(handler, "link"))
    for _ in range(100):
        handler.link.send(b"a job\n")
    handler.link.data_received(LINES)
    assert handler.pieces[0].count(b"\n") == InputBudget().lines_a_turn
    handler.link.close()
    server.close()


async def test_others_have_their_turn_between_the_lines_of_a_flood():
    handler, writer, server = await connected(None)
    other, beside, second = await connected(None)
    heard_after = []
    other.received = lambda payload: heard_after.append(len(handler.data))
    writer.write(LINES)
    beside.write(b"hello\n")
    await until(lambda: heard_after)
    assert heard_after[0] < len(LINES)
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
    cost = 9_000 + budget.line_cost * LINES[:9_000].count(b"\n")
    last = 2 * (max(map(len, handler.pieces)) + budget.line_cost * LINES_A_TURN)
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


async def test_a_miner_that_vanishes_while_it_is_over_its_budget_does_not_stay_until_it_is_not():
    handler, writer, server = await connected(InputBudget(bytes_per_s=0.001, burst=1.0))
    writer.write(LINES)
    await until(lambda: handler.data)
    handler.link._abort("enough")
    await until(lambda: handler.reason is not None)
    assert handler.reason == "enough" and LINES.startswith(handler.data)
    assert handler.link._unread == b"" and handler.link._waiting is None
    server.close()


async def test_a_slowed_peer_is_not_read_for_as_long_and_then_goes_on():
    handler, writer, server = await connected(InputBudget())
    loop = asyncio.get_running_loop()
    writer.write(b"one\n")
    await until(lambda: handler.data)
    handler.link.slow(0.3)
    began = loop.time()
    writer.write(b"two\n")
    await until(lambda: handler.data == b"one\ntwo\n")
    writer.write(b"three\n")
    await until(lambda: handler.data.endswith(b"three\n"))
    assert loop.time() - began >= 0.3
    writer.close()
    await until(lambda: handler.reason is not None)
    server.close()


class Slowing(Handler):
    """Wants its peer slowed down for each line."""

    def received(self, payload: bytes) -> None:
        super().received(payload)
        self.link.slow(0.05)


async def test_a_handler_can_slow_its_peer_while_it_is_handed_lines():
    handler = Slowing()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StreamLink(handler, InputBudget()), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    began = loop.time()
    writer.write(LINES[:1_000])
    await until(lambda: len(handler.data) == 1_000)
    assert loop.time() - began >= 0.05 * (len(handler.pieces) - 1)
    writer.close()
    server.close()


async def test_blank_lines_use_up_the_budget_too():
    budget = InputBudget(bytes_per_s=1e6, burst=1e4, lines_per_s=100.0)  # 10,000 bytes each
    handler, writer, server = await connected(budget)
    writer.write(b"\n" * 100)
    await until(lambda: handler.link._waiting is not None)
    assert len(handler.data) < 100
    writer.close()
    server.close()


async def test_a_change_of_the_budget_acts_on_those_that_are_connected():
    budget = InputBudget(bytes_per_s=1_000.0, burst=1_000.0, lines_per_s=1_000.0)
    handler, writer, server = await connected(budget)
    writer.write(LINES[:6_000])
    await until(lambda: handler.link._waiting is not None)
    budget.bytes_per_s = budget.burst = 1e6
    await until(lambda: len(handler.data) == 6_000)
    writer.close()
    server.close()


class Earning(StreamLink):
    """Each of its lines earned something."""

    def _earned_lines(self) -> int:
        before, self._handler.seen = self._handler.seen, self._handler.data.count(b"\n")
        return self._handler.seen - before


async def test_lines_that_earned_something_are_free():
    handler = Handler()
    handler.seen = 0
    budget = InputBudget(bytes_per_s=1_000.0, burst=2_000.0, lines_per_s=100.0)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Earning(handler, budget), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    began = loop.time()
    for number in range(600):
        writer.write(b"a share of a hundred bytes" * 4 + b"\n")
        await until(lambda number=number: handler.data.count(b"\n") == number + 1)
    assert loop.time() - began < 20.0  # a minute and more by the budget alone
    writer.close()
    server.close()
