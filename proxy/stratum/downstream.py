"""One miner's connection, on which we play the pool; sans I/O.

It reads requests, keeps what the protocol needs (agent, extensions, authorised users), answers what can be answered
here and hands the rest to its owner. Each request gets exactly one reply, with the id it came with; nothing else is
written between a request and its reply (NerdMiner, cpuminer and cgminer take the next line for it). The replies to one
read leave in one write.
"""

import re
from sys import intern
from typing import Any, TypeGuard

from proxy.errors import RemoteProtocolError
from proxy.ports import Clock, Link, Timer
from proxy.stratum.codec import (
    TRUE,
    JsonId,
    NotJson,
    Request,
    UnreadableCall,
    encode_error,
    encode_false,
    encode_response,
    interpret,
    parse,
)
from proxy.stratum.difficulty import DIFF1_TARGET, LEAST_DIFFICULTY, MAX_DIFFICULTY, difficulty_of_target
from proxy.stratum.downstream_owner import DownstreamOwner, Submit
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.framing import LineFramer
from proxy.stratum.opening import Opening, opening_of
from proxy.stratum.usual_forms import MOST_LEARNT, SubmitForm, learn_submit
from proxy.stratum.version_rolling import mask_text, parse_mask
from proxy.types import LineCount, Waste, shared

MAX_LINE_IN = 8_192
"""Bytes. Real requests stay below 1,024."""
_BETWEEN_LINES = LineFramer(MAX_LINE_IN)
OPENING_S = 2.0
"""How long a connection may take from its first byte to what tells Stratum from other protocols."""
MAX_USERS = 64
"""Workers authorised on one connection (rented hash brings a few)."""
MAX_USER = 256
"""Characters of a user name. A taproot address, a dot and a worker are below 100; pools that take options in the name
(``address+difficulty.worker``, ``address*percent``) and mail addresses stay below 200."""
CALL_COST = 1.0
"""Points (see ``DownstreamOwner.miner_cost``) of each call but a submit, and of each answer: they earn nothing."""
BLANK_COST = 0.25
WRONG_PASSWORD_COST = 10.0
KEEP_ALIVE_ID = 2_000_000_000
"""The id of a call of ours that only keeps the connection alive. Far from the ids that miners count up for their
shares: firmware that does not know the call may take the line for an answer and look for a share with that id."""
_HEX_WORD = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,8}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_NEVER_ANSWERED = frozenset({"pong", "mining.pong"})
"""ESP-Miner answers a ping by a call of its own with the ping's id; it would count our answer to that as a share's."""
_ANSWER_WITHOUT_ID = frozenset({"mining.subscribe", "mining.authorize", "mining.configure", "mining.submit"})
"""bfgminer sends calls with a null id and reads the next line as the answer to something else."""


UNAUTHORIZED = "Unauthorized worker"
"""The text of code 24."""


class Downstream:
    """The miner's side of the proxy. Implements ``LinkHandler``."""

    __slots__ = (
        "_clock",
        "_closed",
        "_diff1",
        "_form",
        "_forms_learnt",
        "_framer",
        "_head",
        "_lines",
        "_link",
        "_opening_timer",
        "_owner",
        "_reading",
        "_replies",
        "_why",
        "agent",
        "declined",
        "extranonce",
        "last_sent",
        "requested_version_mask",
        "traced",
        "users",
    )

    def __init__(self, *, clock: Clock, owner: DownstreamOwner, lines: LineCount, diff1: int = DIFF1_TARGET) -> None:
        self.agent = ""
        self.extranonce: MinerExtranonce | None = None
        self.requested_version_mask: int | None = None
        """What the miner negotiated; None while it has not."""
        self.declined = False
        """Whether it was told that no pool lets it roll versions."""
        self.users: tuple[str, ...] = ()
        self.last_sent = 0.0
        self.traced = False
        self._clock = clock
        self._owner = owner
        self._diff1 = diff1
        self._lines = lines
        self._link: Link | None = None
        self._head: bytes | None = b""
        """What came so far; None once it is known to be Stratum V1."""
        self._opening_timer: Timer | None = None
        self._framer = _BETWEEN_LINES
        self._form: SubmitForm | None = None
        self._forms_learnt = 0
        self._replies: tuple[bytes, ...] = ()
        self._reading = False
        self._closed = False
        self._why = ""
        """Why we closed the connection."""

    # --- LinkHandler ----------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """A miner is there; it speaks first."""
        self._link = link
        self.last_sent = self._clock.now()

    def received(self, payload: bytes) -> None:
        """Take what the miner sent; all replies leave in one write."""
        if self._closed:
            return
        if self.traced:
            self._owner.miner_traffic("rx", payload)
        if self._head is not None:
            payload = self._opening(self._head + payload)
            if not payload:
                return
        line, form = self._framer.whole(payload), self._form
        if line:
            self._lines.received += 1
            if (
                form is not None
                and (submit := form.read(line)) is not None
                and self._owner.submits.plain_submit(submit)
            ):  # nearly every read: one reply, which need not wait for others
                return
        self._reading = True
        try:
            if line:
                self._take_with_care(line)
            else:
                self._take_all(payload)
        finally:  # whatever fails, what was answered goes out
            self._reading = False
            if self._replies:
                self._flush()
        self._owner.miner_handled()

    def _take_all(self, payload: bytes) -> None:
        lines, self._framer = self._framer.split(payload)
        self._lines.received += len(lines)
        if len(lines) != 1:
            self._charge_blanks(payload.count(b"\n") - len(lines))
        for line in lines:
            if not self._closed:
                self._take(line)

    def closed(self, reason: str) -> None:
        """The stream is gone."""
        self._closed = True
        self._link = None
        self._opening_decided()
        self._owner.miner_closed(self._why or reason)
        del self._owner  # it refers to us; verdicts that are late need no owner

    # --- Commands -------------------------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        """``address:port`` of the miner; empty once closed."""
        return self._link.peer if self._link else ""

    @property
    def is_cut_off(self) -> bool:
        """Whether what the miner sends is left unread."""
        return self._closed

    def push(self, *lines: bytes) -> None:
        """Send encoded notifications in this order in one write."""
        self._write(lines[0] if len(lines) == 1 else b"".join(lines), len(lines))

    def push_next(self, line: bytes, now: float) -> None:
        """As ``push`` of one line, the miner's next job, at ``now``: thousands of miners get theirs at once."""
        link = self._link
        if self._replies or self.traced or link is None:
            self._write(line, 1)
            return
        self.last_sent = now
        link.send(line)
        self._lines.sent += 1

    def accept(self, ident: JsonId) -> None:
        """Answer a submit: accepted."""
        line, link = TRUE % ident if type(ident) is int else encode_response(ident, True), self._link
        if self._reading or self._replies or self.traced or link is None:
            self._reply(line)
            return
        self.last_sent = self._clock.now()  # as ``_write`` does; this is the way of nearly every line to a miner
        link.send(line)
        self._lines.sent += 1

    def refuse(self, ident: JsonId, code: int, text: str) -> None:
        """Answer a submit: refused, and why."""
        self._reply(encode_error(ident, code, text))

    def charge(self, points: float, what: Waste) -> None:
        """The miner did what earns nothing (see ``DownstreamOwner.miner_cost``)."""
        self._owner.miner_cost(points, what)

    def slow(self, seconds: float) -> None:
        """Read nothing from the miner for ``seconds``, beside what it waits already."""
        if self._link is not None:
            self._link.slow(seconds)

    def cut_off(self, why: str) -> None:
        """Close, and leave unread what the miner has sent."""
        self._closed = True
        self.close(why)

    def close(self, why: str = "closed by the proxy") -> None:
        """End the connection after what is queued has been sent; ``miner_closed`` follows with ``why``."""
        self._why = self._why or why
        self._flush()
        if self._link is not None:
            self._link.close()

    # --- The first bytes -------------------------------------------------------------------------------------------

    def _opening(self, head: bytes, *, final: bool = False) -> bytes:
        """Return what is to be read as Stratum; b"" while that is not known, and where it is something else."""
        if self._closed:
            return b""
        opening = opening_of(head, final=final)
        if opening is Opening.STRATUM:
            self._opening_decided()
            return head
        if opening is not Opening.UNDECIDED:
            self._closed_for(opening, head)
            return b""
        self._head = head
        if self._opening_timer is None:
            deadlines = self._clock.deadlines
            self._opening_timer = deadlines.call_at(deadlines.now() + OPENING_S, self._opening_is_late)
        return b""

    def _opening_is_late(self) -> None:
        self._opening_timer = None
        start = self._opening(self._head or b"", final=True)
        if start:
            _, self._framer = self._framer.split(start)  # the beginning of a line

    def _opening_decided(self) -> None:
        self._head = None
        if self._opening_timer is not None:
            self._opening_timer.cancel()
            self._opening_timer = None

    def _closed_for(self, opening: Opening, head: bytes) -> None:
        """End a connection that speaks something else; what it sent or sends beside is not read."""
        answer = self._owner.miner_speaks_otherwise(opening, head)
        self._closed = True
        self._opening_decided()
        if answer and self._link is not None:
            self._link.send(answer)
        self.close("it speaks another protocol")

    # --- Requests -------------------------------------------------------------------------------------------------

    def _take(self, line: bytes | RemoteProtocolError) -> None:
        form = self._form
        if (
            form is None
            or isinstance(line, RemoteProtocolError)
            or (submit := form.read(line)) is None
            or not self._owner.submits.plain_submit(submit)
        ):
            self._take_with_care(line)

    def _take_with_care(self, line: bytes | RemoteProtocolError) -> None:
        try:
            if isinstance(line, RemoteProtocolError):
                raise line
            parsed = parse(line)
            if parsed.get("method") == "mining.submit" and self._is_learnt(line, parsed):
                return
            message = interpret(parsed, line)
            if isinstance(message, Request):
                self._request(message)
            else:
                self.charge(CALL_COST, Waste.CALLS)
        except UnreadableCall as problem:
            if problem.ident == KEEP_ALIVE_ID:
                return
            self._reply(encode_error(problem.ident, problem.code, str(problem)))
            self._charge(problem)
        except NotJson as problem:
            if self.extranonce is None:
                self._closed_for(Opening.TEXT, b"")
            else:
                self._charge(problem)
        except RemoteProtocolError as problem:
            self._charge(problem)

    def _is_learnt(self, line: bytes, parsed: dict[str, Any]) -> bool:
        """Learn how the miner writes its submits, of one that it wrote otherwise; whether that dealt with this one."""
        if self._forms_learnt >= MOST_LEARNT or (self._form is not None and self._form.read(line) is not None):
            return False
        self._forms_learnt += 1
        form = self._form = learn_submit(line, parsed, self._form)
        submit = form.read(line) if form is not None else None
        return submit is not None and self._owner.submits.plain_submit(submit)

    def _request(self, request: Request) -> None:
        if request.method == "mining.submit":
            self._submit(request)
            return
        self._owner.miner_called(request.method[:64])
        if request.method != "mining.authorize":  # a connection may have many users, and each has to log in
            self.charge(CALL_COST, Waste.CALLS)
        method = _METHODS.get(request.method)
        silent = request.method in _NEVER_ANSWERED or (request.id is None and request.method not in _ANSWER_WITHOUT_ID)
        try:
            reply = method(self, request) if method else _unsupported(request)
        except RemoteProtocolError as problem:
            reply = encode_error(request.id, problem.code, str(problem))
            self._charge(problem)
        if reply and not silent:
            self._reply(reply)

    def _subscribe(self, request: Request) -> bytes:
        agent = request.params[0] if request.params else ""
        self.agent = intern(_printable(agent, 128))  # one for all miners of a kind
        if self.extranonce is None:
            if not self._owner.miner_may_subscribe():
                self._leave_unanswered()
                return b""
            self.extranonce = self._owner.miner_subscribed(self.agent)
        pairs = [["mining.set_difficulty", "1"], ["mining.notify", "1"]]
        return encode_response(request.id, [pairs, self.extranonce.extranonce1.hex(), self.extranonce.size])

    def _leave_unanswered(self) -> None:
        """Close instead of an answer, so that the miner turns to its own fallback pool.

        Not silence: cgminer, bfgminer and cpuminer wait for an answer for 60 s and more before they do that, on a
        closed connection they do it at once. ESP-Miner 2.15 (main/tasks/stratum_v1_task.c) tries its primary pool each
        minute on a new connection and leaves its fallback as soon as a subscribe is answered, whatever follows.
        """
        self._closed = True
        self.close("no pool has worked for long: not taken")

    def _authorize(self, request: Request) -> bytes:
        user = request.params[0] if request.params else None
        password = request.params[1] if len(request.params) > 1 else ""
        if not isinstance(user, str) or not user.strip():
            raise RemoteProtocolError("authorize needs a user name", code=24)
        if len(user) > MAX_USER:
            raise RemoteProtocolError(f"user name longer than {MAX_USER} characters", code=24)
        if user in self.users:
            self.charge(CALL_COST, Waste.CALLS)
        elif len(self.users) >= MAX_USERS:
            raise RemoteProtocolError(f"more than {MAX_USERS} workers on one connection", code=24)
        password = password if isinstance(password, str) else ""
        if why := self._owner.miner_may_authorize(user, password):
            self.charge(WRONG_PASSWORD_COST, Waste.PASSWORDS)
            return encode_false(request.id, 24, why)
        if user not in self.users:
            self.users = (*self.users, user)
        self._owner.miner_authorized(user, password)
        return encode_response(request.id, True)

    def _configure(self, request: Request) -> bytes:
        """BIP 310. Only what was asked for is answered: Whatsminer leaves over any other key."""
        asked = request.params[0] if request.params else None
        options = request.params[1] if len(request.params) > 1 else {}
        if not isinstance(asked, list) or not isinstance(options, dict):
            raise RemoteProtocolError("configure needs a list of extensions and their parameters")
        result: dict[str, Any] = {}
        if "version-rolling" in asked:
            requested = shared(parse_mask(options.get("version-rolling.mask", "ffffffff")))
            self.requested_version_mask = requested
            version_mask = self._owner.miner_version_mask(requested)
            self.declined = not version_mask
            result["version-rolling"] = bool(version_mask)
            if version_mask:
                result["version-rolling.mask"] = mask_text(version_mask)
        if "minimum-difficulty" in asked:
            value = options.get("minimum-difficulty.value")
            result["minimum-difficulty"] = _is_difficulty(value) and self._owner.miner_minimum(float(value))
        if "subscribe-extranonce" in asked:
            result["subscribe-extranonce"] = True
        for name in asked[:16]:
            if isinstance(name, str):
                result.setdefault(name[:64], False)
        return encode_response(request.id, result)

    def _suggest_difficulty(self, request: Request) -> bytes:
        value = request.params[0] if request.params else None
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                value = None
        return self._suggested(request, value)

    def _suggest_target(self, request: Request) -> bytes:
        value = request.params[0] if request.params else None
        text = value if isinstance(value, str) and len(value) <= 64 and _HEX.fullmatch(value) else ""
        target = int(text or "0", 16)
        return self._suggested(request, difficulty_of_target(target, self._diff1) if target else None)

    def _suggested(self, request: Request, difficulty: object) -> bytes:
        """A suggestion is heard, not promised, so a senseless one is answered alike: Canaan counts null as a reject."""
        if _is_difficulty(difficulty):
            self._owner.miner_suggested(float(difficulty))
        else:
            self._charge(RemoteProtocolError(f"{request.method} without a difficulty that a pool could set", cost=1.0))
        return encode_response(request.id, True)

    def _ping(self, request: Request) -> bytes:
        return encode_response(request.id, "pong")

    def _noted(self, request: Request) -> bytes:
        return encode_response(request.id, True)

    def _no_transactions(self, request: Request) -> bytes:
        """A job carries the hashes of a merkle branch, no transactions; bfgminer reads an answer that is a list."""
        return encode_response(request.id, [])

    def _submit(self, request: Request) -> None:
        params = request.params
        job_id = params[1][:64] if len(params) > 1 and isinstance(params[1], str) else ""
        if self.extranonce is None:
            self._owner.submits.bad_submit(request.id, job_id, 25, "Not subscribed")
            self._closed = True
            self.close("it submitted before it subscribed")
            return
        try:
            submit = self._parse_submit(request)
        except RemoteProtocolError as problem:
            self._owner.submits.bad_submit(request.id, job_id, problem.code, str(problem))
            self._charge(problem)
            return
        if submit.user not in self.users:
            self._charge(RemoteProtocolError(UNAUTHORIZED, code=24, cost=1.0))
        self._owner.submits.submit(submit)

    def _parse_submit(self, request: Request) -> Submit:
        params = request.params
        if len(params) == 6 and not params[5]:
            params = params[:5]
        if not 5 <= len(params) <= 6 or set(map(type, params)) != {str}:
            raise RemoteProtocolError("submit needs 5 or 6 strings", cost=1.0)
        user, job_id, extranonce2, ntime, nonce = params[:5]
        if not self.users:
            raise RemoteProtocolError(UNAUTHORIZED, code=24, cost=1.0)
        assert self.extranonce is not None
        if len(extranonce2) != 2 * self.extranonce.size or not _HEX.fullmatch(extranonce2):
            raise RemoteProtocolError(f"extranonce2 must be {self.extranonce.size} bytes", cost=1.0)
        if not (_HEX_WORD.fullmatch(ntime) and _HEX_WORD.fullmatch(nonce)):
            raise RemoteProtocolError("ntime and nonce must be up to 8 hex digits", cost=1.0)
        version_bits = None
        if len(params) == 6:
            version_bits = parse_mask(params[5])
        return Submit(
            request.id, user, job_id, bytes.fromhex(extranonce2), int(ntime, 16), int(nonce, 16), version_bits
        )

    # --- Writing --------------------------------------------------------------------------------------------------

    def _reply(self, line: bytes) -> None:
        if self._reading:
            self._replies = (*self._replies, line)
        else:
            self._write(line, 1)

    def _flush(self) -> None:
        if self._replies:
            replies, self._replies = self._replies, ()
            self._write(b"".join(replies), len(replies))

    def _write(self, payload: bytes, lines: int) -> None:
        if self._link is None:
            return
        if self._replies:
            self._flush()
        if self.traced:
            self._owner.miner_traffic("tx", payload)
        self.last_sent = self._clock.now()
        self._link.send(payload)
        self._lines.sent += lines

    def _charge(self, problem: RemoteProtocolError) -> None:
        self._owner.miner_problem(problem)
        self.charge(problem.cost, Waste.LINES)

    def _charge_blanks(self, blanks: int) -> None:
        if blanks > 0:
            self.charge(BLANK_COST * blanks, Waste.BLANKS)


def _unsupported(request: Request) -> bytes:
    return encode_error(request.id, 20, f"Unsupported method {request.method[:64]}")


def _is_difficulty(value: object) -> TypeGuard[float]:
    return not isinstance(value, bool) and isinstance(value, int | float) and LEAST_DIFFICULTY <= value < MAX_DIFFICULTY


def _printable(value: object, most: int) -> str:
    text = value[:most] if isinstance(value, str) else ""
    return text if text.isprintable() else "".join(letter for letter in text if letter.isprintable())


_METHODS = {
    "mining.subscribe": Downstream._subscribe,
    "mining.authorize": Downstream._authorize,
    "mining.configure": Downstream._configure,
    "mining.extranonce.subscribe": Downstream._noted,
    "mining.suggest_difficulty": Downstream._suggest_difficulty,
    "mining.suggest_target": Downstream._suggest_target,
    "mining.ping": Downstream._ping,
    "mining.pong": Downstream._noted,
    "pong": Downstream._noted,
    "mining.capabilities": Downstream._noted,
    "mining.multi_version": Downstream._noted,
    "mining.get_transactions": Downstream._no_transactions,
}
