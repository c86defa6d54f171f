"""A miner's last lines may hold shares: what was read before its connection ended is handed on, a few lines a turn."""

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from proxy.net.listener import StratumListener
from proxy.net.transport import InputBudget, StreamLink
from proxy.ports import Link
from tests.support.patience import PATIENCE_S
from tests.support.transport import Transport

NUMBER = 30
LINES = b"".join(b'{"share":%d}\n' % number for number in range(NUMBER))
A_TURN = InputBudget().lines_a_turn


class Miner:
    """Notes what of it is handed on. Each line is answered, so that a peer that has left resets the connection."""

    def __init__(self, *, fails_after: int = NUMBER, is_cut_off_after: int = NUMBER + 1) -> None:
        self.pieces: list[bytes] = []
        self.fails_after, self.is_cut_off_after = fails_after, is_cut_off_after
        self.reasons: list[str] = []
        self.ended = asyncio.Event()

    @property
    def lines(self) -> int:
        return b"".join(self.pieces).count(b"\n")

    @property
    def is_cut_off(self) -> bool:
        return self.lines >= self.is_cut_off_after

    def opened(self, link: Link) -> None:
        self.link = link

    def received(self, payload: bytes) -> None:
        assert not self.reasons
        self.pieces.append(payload)
        self.link.send(b"true\n" * payload.count(b"\n"))
        if self.lines > self.fails_after:
            raise RuntimeError("boom")

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)
        self.ended.set()

    def earned_lines(self) -> int:
        return 0

    def not_tls(self) -> None:
        raise AssertionError


def came(miner: Miner, budget: InputBudget | None = None) -> StreamLink:
    """The connection of a miner through a listener."""
    link = StratumListener(lambda peer, through="": miner, budget)._link()
    assert isinstance(link, StreamLink)
    link.connection_made(Transport())  # type: ignore[arg-type]
    return link


async def end_of(miner: Miner) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await miner.ended.wait()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_miner_that_sends_its_shares_and_closes_has_them_all_taken(run: Callable[..., None]) -> None:
    async def check() -> None:
        miner = Miner()
        listener = StratumListener(lambda peer, through="": miner)
        with socket.create_connection(await listener.start("127.0.0.1", 0)) as peer:
            peer.sendall(LINES)
        await end_of(miner)
        assert b"".join(miner.pieces) == LINES
        await listener.stop()

    run(check())


@pytest.mark.parametrize("budget", [InputBudget(), InputBudget(bytes_per_s=0.001, burst=1.0)])
async def test_after_a_reset_the_rest_is_taken_in_small_pieces_whatever_the_budget(budget: InputBudget) -> None:
    miner = Miner()
    link = came(miner, budget)
    link.data_received(LINES)
    link.connection_lost(ConnectionResetError("reset"))
    assert miner.lines < NUMBER and not miner.reasons
    await end_of(miner)
    assert b"".join(miner.pieces) == LINES
    assert max(piece.count(b"\n") for piece in miner.pieces) <= A_TURN
    assert miner.reasons == ["reset"]
    assert link._handler is None and link._waiting is None and link._unread == b""


@pytest.mark.parametrize("after", [A_TURN, 2 * A_TURN, 3 * A_TURN])
async def test_a_miner_that_is_cut_off_is_not_heard_any_more(after: int) -> None:
    miner = Miner(is_cut_off_after=after)
    link = came(miner)
    link.data_received(LINES)
    link.connection_lost(None)
    await end_of(miner)
    assert miner.lines == after
    assert miner.reasons == ["closed by the other side"]


async def test_an_error_among_the_last_lines_ends_it() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))
    miner = Miner(fails_after=2 * A_TURN)
    link = came(miner)
    link.data_received(LINES)
    link.connection_lost(None)
    await end_of(miner)
    assert miner.lines == 3 * A_TURN and told == ["boom"]
    assert miner.reasons == ["boom"]
