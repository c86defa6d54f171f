"""Adapts an asyncio transport to ``Link``.

An error while a connection is opened, or while received bytes are handled, closes only that connection, of which
nothing more is read then: the loop's exception handler is told, from where it becomes an event, and ``connection_lost``
follows. That is done here, for the loop itself does so only within a read, and not in the turns that follow it.

No peer gets more than ``LINES_A_TURN`` lines of work (fewer by its budget) in one turn of the loop, however much one
read brought: the rest waits, and nothing more is read meanwhile. A pool may have one more for each line that it was
sent, for it answers: where many miners share its connection, their shares' verdicts and the next job would wait behind
one another. A peer with an ``InputBudget`` waits longer where it
sends more than that, or where its handler wants it slowed down.
"""

import asyncio
import socket
from dataclasses import dataclass
from math import inf
from typing import cast

from proxy.net.held_writes import held_writes_of
from proxy.ports import LinkHandler, Receiver
from proxy.text import address_text
from proxy.types import shared

MAX_UNSENT = 1 << 20
"""Maximum of unsent bytes for a peer that does not read."""
SLOW_READER_S = 30.0
LINES_A_TURN = 16
"""A read can bring 256 KiB, some ten thousand short lines: seconds of work in which nobody else is served."""
MOST_ANSWERS = 2_048
"""So many lines more may be answers: in a turn of the loop the miners of a shared connection send 1,500."""
EARNED = 512
"""Bytes of its budget that a line which earned something gives back; a submit has about 150, at most 1,024 or so."""
MOST_EARNED_PER_S = 1_000
"""Of such lines: on a test network every hash may be a share."""
KEEP_ALIVE = (
    (socket.SO_KEEPALIVE, socket.SOL_SOCKET, 1),
    (getattr(socket, "TCP_KEEPIDLE", None), socket.IPPROTO_TCP, 60),
    (getattr(socket, "TCP_KEEPINTVL", None), socket.IPPROTO_TCP, 15),
    (getattr(socket, "TCP_KEEPCNT", None), socket.IPPROTO_TCP, 4),
    (getattr(socket, "TCP_USER_TIMEOUT", None), socket.IPPROTO_TCP, 120_000),
)
"""A peer that vanished is noticed after two minutes, whether or not data is in flight."""


def keep_alive(sock: socket.socket) -> None:
    """Enable TCP keep-alive on ``sock``; accepted connections inherit it from a listening socket."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        for option, level, value in KEEP_ALIVE:
            if option is not None:
                sock.setsockopt(level, option, value)


@dataclass(slots=True, kw_only=True)
class InputBudget:
    """What a peer may send without being slowed down. Shared by the peers of a listener: a change acts on all of them.

    A line uses up its bytes and, for reading an empty one is work too, as many more as ``lines_per_s`` makes of a
    second's.
    """

    bytes_per_s: float = 32_768.0
    burst: float = 65_536.0
    """Bytes at once; a peer may be a burst further before it is noticed."""
    lines_per_s: float = 500.0
    lines_a_turn: int = 6
    """In place of ``LINES_A_TURN``: there may be hundreds of such peers that all send at once. A handshake fits, so no
    job comes between a call of it and its answer."""

    @property
    def line_cost(self) -> float:
        """Bytes that a line uses up beside its own."""
        return self.bytes_per_s / self.lines_per_s


class _Nobody:
    """There is no handler."""

    def received(self, payload: bytes) -> None:
        """Ignore it."""


_NOBODY = _Nobody()


class StreamLink(asyncio.Protocol):
    """One connection: a ``Link`` for its handler, a protocol for asyncio."""

    __slots__ = (
        "_abort_reason",
        "_answers",
        "_budget",
        "_burst",
        "_handler",
        "_held_writes",
        "_line_cost",
        "_lines_a_turn",
        "_loop",
        "_paused",
        "_receiver",
        "_slow_timer",
        "_spent",
        "_spent_at",
        "_transport",
        "_unread",
        "_unsent",
        "_waiting",
        "_write_paused",
    )

    def __init__(self, handler: LinkHandler | None, budget: InputBudget | None = None) -> None:
        """``handler`` None: it is found when the peer is known, by ``_find_handler``. ``budget`` None: no limit."""
        self._budget = budget
        self._spent = 0.0
        self._burst = budget.burst if budget is not None else inf
        self._line_cost = shared(budget.line_cost) if budget is not None else 0.0
        self._lines_a_turn = budget.lines_a_turn if budget is not None else LINES_A_TURN
        self._answers = 0
        """Lines that a peer without a budget may send beyond those of a turn: it was sent so many."""
        self._spent_at = 0.0
        """When ``_spent`` was settled (the loop's time); since then it has fallen by the budget's rate."""
        self._unread = b""
        """What was read and is not worked off yet."""
        self._waiting: asyncio.Handle | None = None
        """Goes on with ``_unread``; while it is set nothing is read."""
        self._paused = False
        """Whether reading is paused."""
        self._handler = handler
        self._receiver: Receiver = _NOBODY
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._held_writes = held_writes_of(self._loop)
        self._unsent: list[bytes] | None = None
        """What leaves at the end of this turn of the loop."""
        self._write_paused = False
        """Whether the write buffer is above its high-water mark."""
        self._slow_timer: asyncio.TimerHandle | None = None
        self._abort_reason = ""

    def _refuse(self, transport: asyncio.Transport) -> None:
        """End a connection for which there is no handler."""
        transport.close()

    def _find_handler(self, transport: asyncio.Transport) -> LinkHandler | None:
        return self._handler

    # --- Link -----------------------------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        """``address:port`` of the other end; "" while it is not open."""
        return peer_of(self._transport) if self._transport is not None else ""

    def send(self, payload: bytes) -> None:
        """Queue bytes, to be written with all others of this turn; a peer that does not read is cut off."""
        if self._transport is None:
            return
        if self._answers < MOST_ANSWERS and self._budget is None:
            self._answers += 1
        if self._unsent is not None:
            self._unsent.append(payload)
        else:
            self._unsent = [payload]
            self._held_writes.add(self)

    def write_held(self) -> None:
        """Write what was queued."""
        transport, unsent, self._unsent = self._transport, self._unsent, None
        if unsent is None or transport is None or transport.is_closing():
            return
        transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))
        if self._write_paused and transport.get_write_buffer_size() > MAX_UNSENT:
            self._abort("does not read")

    def close(self) -> None:
        """Close once what is queued has been sent."""
        self.write_held()
        if self._transport is not None:
            self._transport.close()

    def slow(self, seconds: float) -> None:
        """Read nothing for ``seconds`` (more than it waits already); only of a peer with a budget."""
        budget = self._budget
        if budget is not None:
            self._settle(budget)
            self._spent = max(self._spent, budget.burst) + seconds * budget.bytes_per_s

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.Transport, transport)
        try:
            self._handler = self._find_handler(self._transport)
            if self._handler is None:
                self._refuse(self._transport)
                return
            self._receiver = self._handler
            self._receiver = self._handler.opened(self) or self._handler
        except Exception as error:
            self._failed(error)

    def data_received(self, data: bytes) -> None:
        """Pass received bytes to the handler."""
        lines = data.count(b"\n")
        if self._waiting is None and lines <= LINES_A_TURN + self._answers and self._spent <= self._burst:
            if self._budget is not None:
                self._spent += len(data) + self._line_cost * lines
            else:
                self._answers = self._answers - lines if self._answers > lines else 0
            try:
                self._receiver.received(data)
            except Exception as error:
                self._failed(error)
                return
            if self._spent > self._burst:
                self._work()
            return
        self._unread += data
        if self._waiting is None:
            self._work()

    def _work(self) -> None:
        """Hand on what one turn may hold of what was read, and arrange for the rest; nothing is read meanwhile."""
        self._waiting = None
        delay = self._delay()
        if self._unread and not delay:
            piece, self._unread = _first_lines(self._unread, self._lines_a_turn + self._answers)
            self._charge(piece)
            try:
                self._receiver.received(piece)
            except Exception as error:
                self._failed(error)
                return
            delay = self._delay()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._unread and not delay:
            if self._paused:
                self._paused = False
                transport.resume_reading()
            return
        if not self._paused:
            self._paused = True
            transport.pause_reading()
        self._waiting = self._loop.call_later(delay, self._work) if delay else self._loop.call_soon(self._work)

    def _charge(self, piece: bytes) -> None:
        lines = piece.count(b"\n")
        self._spent += len(piece) + self._line_cost * lines
        self._answers = max(0, self._answers - lines)

    def _delay(self) -> float:
        """Seconds until the peer is within its budget again; time is looked at only where it seems to be over it."""
        budget = self._budget
        if budget is None or self._spent <= self._burst:
            return 0.0
        self._settle(budget)
        return max(0.0, self._spent - budget.burst) / budget.bytes_per_s

    def _settle(self, budget: InputBudget) -> None:
        """Let ``_spent`` be what it is now; changes of the budget act from here on."""
        now = self._loop.time()
        passed = now - self._spent_at
        earned = min(self._earned_lines(), MOST_EARNED_PER_S * passed)
        self._spent = max(0.0, self._spent - passed * budget.bytes_per_s - earned * (EARNED + budget.line_cost))
        self._spent_at, self._burst, self._line_cost = now, budget.burst, budget.line_cost

    def _earned_lines(self) -> int:
        """How many lines since the last call earned something: those are free."""
        return 0

    def _failed(self, error: Exception) -> None:
        """The handler could not do with the connection, or with what it was handed: end it, and leave the rest."""
        self._unread = b""
        self._loop.call_exception_handler({"message": "a connection could not be served", "exception": error})
        self._abort(str(error) or type(error).__name__)

    def eof_received(self) -> None:
        """The peer sends no more; asyncio closes the connection, after what was queued."""
        self.write_held()

    def pause_writing(self) -> None:
        """The peer reads slowly: abort after ``SLOW_READER_S``."""
        self._write_paused = True
        if self._slow_timer is None:
            self._slow_timer = self._loop.call_later(SLOW_READER_S, self._abort, "reads too slowly")

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._write_paused = False
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone. What came before is still taken: it may hold a pool's verdicts, or a miner's shares."""
        self.resume_writing()
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()
        self._abort_reason = self._abort_reason or (str(error) if error else "closed by the other side")
        self._finish()

    def _finish(self) -> None:
        """Hand on what is left, a pool's at once and a miner's a turn's lines at a time; then the handler is told.

        A miner's budget is not waited for: what is left is one read at most, and holds its place meanwhile.
        """
        self._waiting = None
        unread, self._unread = self._unread, b""
        if unread and self._is_heard():
            if self._budget is not None:
                unread, self._unread = _first_lines(unread, self._lines_a_turn)
            try:
                self._receiver.received(unread)
            except Exception as error:
                self._failed(error)
        if self._unread:
            self._waiting = self._loop.call_soon(self._finish)
            return
        handler, self._handler, self._receiver = self._handler, None, _NOBODY  # they refer to us
        if handler is not None:
            handler.closed(self._abort_reason)

    def _is_heard(self) -> bool:
        """Whether anybody wants to have what the peer sent."""
        return True

    def _abort(self, why: str) -> None:
        self._abort_reason = why
        if self._transport is not None:
            self._transport.abort()


def _first_lines(data: bytes, most: int) -> tuple[bytes, bytes]:
    """Cut ``data`` after its first ``most`` lines."""
    if data.count(b"\n") <= most:
        return data, b""
    end = 0
    for _ in range(most):
        end = data.index(b"\n", end) + 1
    return data[:end], data[end:]


def peer_of(transport: asyncio.BaseTransport) -> str:
    """``address:port`` of the other end."""
    peername = transport.get_extra_info("peername")
    if not isinstance(peername, tuple) or len(peername) < 2:
        return str(peername or "?")
    return address_text(str(peername[0]).removeprefix("::ffff:"), peername[1])
