"""One connection to a pool, on which we play the miner; sans I/O.

States, their legal moves and what the handshake sends are in ``upstream_handshake``. An optional method that stays
unanswered for ``OPTIONAL_TIMEOUT_S`` is waited for no longer. ``extranonce.subscribe`` and ``suggest_difficulty``
follow the authorisation (ckpool ignores or drops earlier ones). Pools that send their job before they authorise
(MiningCore, ckpool) are READY when both are there.

The owner hears of everything through ``UpstreamOwner``; requests that wait are bounded and each ends exactly once:
answered, expired, or lost with the connection.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from proxy.errors import LocalProtocolError, RemoteProtocolError
from proxy.ports import Clock, Link, Timer
from proxy.stratum.codec import SUBMIT, ErrorInfo, Request, Response, encode_request, interpret, parse
from proxy.stratum.framing import LineFramer
from proxy.stratum.open_submits import MAX_PENDING, SUBMIT_TIMEOUT_S, OpenSubmits
from proxy.stratum.pool_context import PoolContext
from proxy.stratum.pool_job import NotifyTemplate, PoolJob, parse_notify
from proxy.stratum.pool_messages import (
    PoolExtranonce,
    parse_configure,
    parse_difficulty,
    parse_extranonce,
    parse_subscribe,
)
from proxy.stratum.submit_line import BARE_SUBMIT, LARGEST_ID, MAX_LINE_OUT, share_params
from proxy.stratum.suggestions import Suggestions
from proxy.stratum.upstream_handshake import (
    COMPLETE,
    MOVES,
    NEEDED,
    Credentials,
    HandshakeProgress,
    UpstreamState,
    authorize_params,
    configure_params,
)
from proxy.stratum.upstream_owner import PendingSubmit, ShareAnswer, UpstreamOwner
from proxy.stratum.usual_forms import MOST_LEARNT, AnswerForm, learn_answer
from proxy.stratum.version_rolling import USUAL_MASK, common_bits, parse_mask

MAX_LINE_IN = 65_536
_BETWEEN_LINES = LineFramer(MAX_LINE_IN)
LONGEST_ID = len(str(LARGEST_ID))
"""Digits, where a pool answers with a number as text."""
MIN_NOTIFY = 192
"""Bytes: no job is shorter, and the cache is not asked for shorter lines, such as answers to submits."""
OPTIONAL_TIMEOUT_S = 2.5
MAX_ERRORS = 20
"""Malformed messages in a row before the connection is given up."""
IDLE_LEAST_S = 360.0
IDLE_SPREAD_S = 90.0
"""A connection that sent nothing for 6 to 7.5 minutes says something: btcpool and its descendants (ViaBTC, AntPool)
close one from which no byte came for 600 s. Connections differ, so that a fleet does not speak at once."""
DEFAULT_DIFFICULTY = 1.0
"""Until a pool says another (Stratum's own default)."""


_NO_CALLS: Mapping[int, tuple[str, float]] = MappingProxyType({})
"""Of nearly all connections at nearly all times."""


class Upstream:
    """The pool's side of the proxy. Implements ``LinkHandler``."""

    __slots__ = (
        "_answer_form",
        "_calls",
        "_clock",
        "_close_reason",
        "_deadlines",
        "_errors",
        "_forms_learnt",
        "_framer",
        "_handshake",
        "_idle_s",
        "_idle_watch",
        "_lines",
        "_link",
        "_next_id",
        "_notify_cache",
        "_owner",
        "_patience",
        "_resume",
        "_sent_at",
        "_submits",
        "_suggestions",
        "_user_size",
        "_wanted_close",
        "_watch",
        "credentials",
        "difficulty",
        "extranonce1",
        "extranonce2_size",
        "job",
        "last_received",
        "reading",
        "session_id",
        "stalled",
        "state",
        "traced",
        "version_mask",
    )

    def __init__(
        self,
        *,
        clock: Clock,
        owner: UpstreamOwner,
        credentials: Credentials,
        context: PoolContext,
        spread: float = 0.0,
        resume: str = "",
    ) -> None:
        """``spread``: 0 to 1, another for each connection; when an idle one speaks.

        ``resume``: the id of an earlier session that the pool is asked to go on with.
        """
        self.state = UpstreamState.CONNECTING
        self.credentials = credentials
        self.session_id = ""
        """What the pool calls this session; empty where it names none."""
        self.extranonce1 = b""
        self.extranonce2_size = 0
        self.difficulty = DEFAULT_DIFFICULTY
        self.version_mask: int | None = None
        """Version bits that the pool lets this connection roll: 0 for none, None while it has not said."""
        self.job: PoolJob | None = None
        self.last_received = 0.0
        self.traced = False
        self.stalled = False
        """Whether the connection was given up because the pool fell silent."""
        self._clock = clock
        self._deadlines = clock.deadlines
        self._owner = owner
        self._patience = context.patience
        self._notify_cache = context.notify_cache
        self._lines = context.lines
        self.reading = context.reading
        self._resume = resume
        self._link: Link | None = None
        self._framer = _BETWEEN_LINES
        self._answer_form: AnswerForm | None = None
        """How the pool writes that it accepts a share."""
        self._forms_learnt = 0
        self._handshake = HandshakeProgress()
        self._next_id = 1
        self._calls = _NO_CALLS
        self._submits = OpenSubmits()
        self._user_size = len(orjson.dumps(credentials.user)) - 2
        """Bytes of the user in JSON, without quotation marks."""
        self._watch: Timer | None = None
        self._idle_s = IDLE_LEAST_S + IDLE_SPREAD_S * spread
        self._idle_watch: Timer | None = None
        self._sent_at = 0.0
        self._errors = 0
        self._wanted_close = False
        self._close_reason = ""
        self._suggestions: Suggestions | None = None
        """None until something is suggested."""

    # --- LinkHandler ----------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """Start the handshake: configure and subscribe in one write, as most firmware does."""
        self._link = link
        self.last_received = self._deadlines.now()
        self._move(UpstreamState.SUBSCRIBING)
        configure = self._configure(self.credentials.minimum_difficulty)
        session = [self._resume] if self._resume else []
        self._send(configure + self._call("mining.subscribe", [self.credentials.agent, *session]), 2)

    def received(self, payload: bytes) -> None:
        """Take what the pool sent."""
        self.last_received = self._deadlines.now()
        if len(payload) >= MIN_NOTIFY and self._is_known_job(payload):
            return
        if whole := self._framer.whole(payload):
            self._lines.received += 1
            if self.state is not UpstreamState.CLOSED:
                self._take(whole)
            return
        lines, self._framer = self._framer.split(payload)
        self._lines.received += len(lines)
        for line in lines:
            if self.state is UpstreamState.CLOSED:
                return
            self._take(line)

    def closed(self, reason: str) -> None:
        """The stream is gone: every open submit ends as lost, then the owner is notified."""
        if self.state is UpstreamState.CLOSED:
            return
        self._move(UpstreamState.CLOSED)
        for timer in (self._watch, self._idle_watch):
            if timer is not None:
                timer.cancel()
        self._watch = self._idle_watch = None
        self._submits.lose(self._deadlines.now())
        self._owner.upstream_closed(self._close_reason or reason, self._wanted_close)

    def detach(self) -> None:
        """The connection has ended, or will not be opened: forget who refers to us, so that both are freed at once."""
        if self.state is not UpstreamState.CLOSED:
            self._move(UpstreamState.CLOSED)
        self._link = None
        del self._owner
        self._submits.on_all_ended = None
        if self._suggestions is not None:
            self._suggestions.close()
            self._suggestions = None

    # --- Commands -------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether shares can be submitted."""
        return self.state is UpstreamState.READY

    @property
    def open_submits(self) -> int:
        """Shares without a verdict yet."""
        return len(self._submits)

    def when_all_answered(self, call: Callable[[], None]) -> None:
        """Call once the last open submit has ended."""
        self._submits.on_all_ended = call

    def submit(
        self, pending: PendingSubmit, job: PoolJob, extranonce2: bytes, ntime: int, nonce: int, version: int
    ) -> bool:
        """Send a share (see ``share_params``); ``pending.answered`` follows exactly once. False: the line would be too
        long for ckpool, and neither is anything sent nor does an answer follow.

        Raises:
            LocalProtocolError: not READY.
        """
        params, version_bits = share_params(
            self.credentials.user, job, self.reading, extranonce2, ntime, nonce, version
        )
        return self.submit_params(pending, params, version_bits)

    def params_of(self, job: PoolJob, extranonce2: bytes, ntime: int, nonce: int, version: int) -> list[str | int]:
        """The parameters of ``mining.submit`` for a share of ``job``."""
        return share_params(self.credentials.user, job, self.reading, extranonce2, ntime, nonce, version)[0]

    def submit_params(
        self, pending: PendingSubmit, params: Sequence[str | int], version_bits: int | None = None
    ) -> bool:
        """As ``submit``, with the parameters ready made; the answer brings ``version_bits`` back."""
        if not self.ready:
            raise LocalProtocolError(f"submit in state {self.state}")
        ident = self._next_id
        self._next_id = ident + 1
        line = encode_request(ident, "mining.submit", list(params))
        if len(line) > MAX_LINE_OUT:
            return False
        self._submits.make_room(self._deadlines.now())
        self._submits[ident] = (pending, self._deadlines.now(), version_bits)
        self._send(line, 1)
        self._arm(self._patience.limit_s)
        return True

    def submit_ready_made(self, pending: PendingSubmit, params: bytes, version_bits: int) -> bool:
        """``submit_params`` with ``params`` as JSON without brackets: the way of nearly every share.

        False: nothing was sent, for ``submit_params`` to say why or to find a way.
        """
        link, ident = self._link, self._next_id
        if link is None or self.state is not UpstreamState.READY or self.traced or len(self._submits) >= MAX_PENDING:
            return False
        line = SUBMIT % (ident, params)
        if len(line) > MAX_LINE_OUT:
            return False
        self._next_id = ident + 1
        self._sent_at = self._clock.now()
        self._submits[ident] = (pending, self._deadlines.now(), version_bits)
        link.send(line)
        self._lines.sent += 1
        if self._watch is None:
            self._arm(self._patience.limit_s)
        return True

    def suggest(self, difficulty: float) -> None:
        """Suggest a difficulty (above 0) to the pool, with the handshake or once it is done."""
        if self._suggestions is None:
            self._suggestions = Suggestions(self._clock, self._send_suggestion)
        self._suggestions.want(difficulty)

    def _send_suggestion(self) -> None:
        if self._suggestions is not None and self.ready:
            self._send(self._suggestion(self._suggestions), 1)

    def close(self, reason: str, *, wanted: bool = True) -> None:
        """End the connection; ``upstream_closed`` follows."""
        self._wanted_close = wanted
        self._close_reason = reason
        if self._link is not None:
            self._link.close()

    # --- Messages -------------------------------------------------------------------------------------------------

    def _take(self, line: bytes | RemoteProtocolError) -> None:
        try:
            if isinstance(line, RemoteProtocolError):
                raise line
            if self.traced:
                self._owner.upstream_traffic("rx", line)
            form = self._answer_form
            if form is not None and (ident := form.ident(line)) in self._submits:
                self._accepted(ident)
                self._errors = 0
                return
            template = self._notify_cache.find(line) if len(line) >= MIN_NOTIFY else None
            if template is not None:
                self._job(template)
            else:
                message = parse(line)
                if not self._plainly_accepted(message, line):
                    self._decoded(message, line)
            self._errors = 0
        except RemoteProtocolError as problem:
            self._errors += 1
            self._owner.upstream_problem(problem)
            if self._errors >= MAX_ERRORS:
                self.close(f"{MAX_ERRORS} malformed messages in a row", wanted=False)

    def _is_known_job(self, payload: bytes) -> bool:
        """Take a read that is just a job which the pool sent on another connection, byte for byte: with a thousand
        connections all reads but one of a new job are. False: it is for the framer."""
        template = self._notify_cache.find_whole(payload)
        if template is None or self.state is not UpstreamState.READY or self.traced:
            return False
        if not self._framer.is_between_lines or self._too_long_by(template) > 0:
            return False
        self._lines.received += 1
        self._errors = 0
        self._take_job(template)
        return True

    def _plainly_accepted(self, message: dict[str, Any], line: bytes) -> bool:
        """Deal with the plain answer "true" to an open share, and learn its form; False: it is something else."""
        ident = message.get("id")
        if message.get("result") is not True or message.get("error") is not None or type(ident) is not int:
            return False
        if message.get("method") is not None or ident not in self._submits:
            return False
        if self._forms_learnt < MOST_LEARNT:
            self._forms_learnt += 1
            self._answer_form = learn_answer(line, message)
        self._accepted(ident)
        return True

    def _accepted(self, ident: int) -> None:
        submits = self._submits
        pending, sent_at, version_bits = submits.pop(ident)
        latency = self.last_received - sent_at
        self._patience.heard(latency)
        self._patience.shares_answered += 1
        pending.accepted(latency, version_bits)
        if submits.on_all_ended is not None:
            submits.ended()

    def _decoded(self, parsed: dict[str, Any], line: bytes) -> None:
        message = interpret(parsed, line)
        if isinstance(message, Response):
            self._response(message)
        elif message.method == "mining.notify":
            template = parse_notify(message.params)
            self._notify_cache.put(line, template)
            self._job(template)
        else:
            self._notification(message)

    def _response(self, answer: Response) -> None:
        ident = answer.id
        if type(ident) is str and len(ident) <= LONGEST_ID and ident.isdecimal():
            ident = int(ident)
        if type(ident) is not int:
            raise RemoteProtocolError("an answer without a request of ours")
        sent = self._submits.pop(ident, None)
        accepted = answer.error is None and answer.result is not False and answer.result is not None
        if sent is not None:
            error = answer.error if accepted or answer.error else ErrorInfo(20, "refused without a reason")
            pending, asked_at, version_bits = sent
            latency = self._deadlines.now() - asked_at
            self._patience.heard(latency)
            self._patience.shares_answered += 1
            pending.answered(ShareAnswer(accepted, error, latency, version_bits=version_bits))
            self._submits.ended()
            return
        late = self._submits.take_expired(ident)
        if late is not None:
            self._owner.upstream_late(accepted)
            late.answered_late(ShareAnswer(accepted, answer.error, SUBMIT_TIMEOUT_S))
            return
        method, sent_at = self._calls.get(ident, ("", 0.0))
        if method:
            self._end_call(ident)
        if method in NEEDED:
            self._patience.heard(self._deadlines.now() - sent_at)
        match method:
            case "" if ident == self._handshake.configure_late:
                self._configure_answered(answer)
            case "mining.configure":
                self._configure_answered(answer)
            case "mining.subscribe":
                self._subscribe_answered(answer)
            case "mining.authorize":
                self._authorize_answered(answer)

    def _notification(self, message: Request) -> None:
        match message.method:
            case "mining.set_difficulty":
                self._set_difficulty(parse_difficulty(message.params))
            case "mining.set_extranonce":
                self._set_extranonce(message)
            case "mining.set_version_mask":
                self._set_version_mask(parse_mask(message.params[0] if message.params else None))
            case "mining.ping":
                self._reply(message, "pong")
            case "client.get_version":
                self._reply(message, self.credentials.agent)
            case _:
                self._owner.upstream_request(message)

    def _reply(self, message: Request, result: str) -> None:
        if message.id is not None:
            line = orjson.dumps({"id": message.id, "result": result, "error": None}, option=orjson.OPT_APPEND_NEWLINE)
            self._send(line, 1)

    # --- Handshake ------------------------------------------------------------------------------------------------

    def _configure(self, minimum: float | None) -> bytes:
        self._handshake.minimum_asked = minimum is not None
        return self._call("mining.configure", configure_params(minimum))

    def _configure_answered(self, answer: Response) -> None:
        """An answer, however late, says whether versions may be rolled; an unreadable mask says nothing."""
        if answer.error is not None and self._handshake.minimum_asked:
            self._send(self._configure(None), 1)  # perhaps it was that which the pool did not like
            return
        self._handshake.configured, self._handshake.configure_late = True, None
        self._handshake.minimum_asked = False
        try:
            self._set_version_mask(parse_configure(answer))
        except RemoteProtocolError as problem:
            self._owner.upstream_problem(problem)
        self._maybe_ready()

    def _subscribe_answered(self, answer: Response) -> None:
        try:
            self.session_id, extranonce = parse_subscribe(answer)
        except RemoteProtocolError as problem:
            self.close(str(problem), wanted=False)
            return
        self._take_extranonce(extranonce)
        self._move(UpstreamState.AUTHORIZING)
        self._send(self._call("mining.authorize", authorize_params(self.credentials)), 1)
        early, self._handshake.early_job = self._handshake.early_job, None
        if early is not None:
            self._job(early)

    def _authorize_answered(self, answer: Response) -> None:
        authorized = answer.error is None and answer.result is not False and answer.result is not None
        message = answer.error.text if answer.error else ""
        self._owner.upstream_authorized(authorized, message)
        if not authorized:
            self.close(f"authorize refused: {message or 'no reason given'}", wanted=False)
            return
        self._handshake.authorized = True
        self._maybe_ready()

    def _maybe_ready(self) -> None:
        handshake = self._handshake
        if self.state is not UpstreamState.AUTHORIZING or not (handshake.authorized and handshake.configured):
            return
        self._move(UpstreamState.READY)
        self._patience.reached()
        self._idle_watch = self._clock.call_at(self._clock.now() + self._idle_s, self._look_idle)
        lines, count = self._call("mining.extranonce.subscribe", []), 1
        if self._suggestions is not None:
            lines, count = lines + self._suggestion(self._suggestions), 2
        self._send(lines, count)
        if self.job is not None:
            self._owner.upstream_job(self.job)

    # --- Work -----------------------------------------------------------------------------------------------------

    def _job(self, template: NotifyTemplate) -> None:
        if self.state is UpstreamState.SUBSCRIBING:
            self._handshake.early_job = template
            return
        over = self._too_long_by(template)
        if over > 0:
            raise RemoteProtocolError(f"notify with a job id that makes a submit {over} bytes too long")
        self._take_job(template)

    def _take_job(self, template: NotifyTemplate) -> None:
        self.job = PoolJob(
            template=template,
            clean=template.clean,
            extranonce1=self.extranonce1,
            extranonce2_size=self.extranonce2_size,
            difficulty=self.difficulty,
            version_mask=self.version_mask,
            received_at=self._clock.now(),
        )
        if self.state is UpstreamState.READY:
            self._owner.upstream_job(self.job)

    def _too_long_by(self, template: NotifyTemplate) -> int:
        """How many bytes too long a submit for a job would be; up to 0: it fits. A job whose shares could never be sent
        is no work: JSON may write a character of its id in 6 bytes."""
        return BARE_SUBMIT + self._user_size + template.job_id_size + 2 * self.extranonce2_size - MAX_LINE_OUT

    def _set_difficulty(self, difficulty: float) -> None:
        first, self._handshake.difficulty_seen = not self._handshake.difficulty_seen, True
        self.difficulty = difficulty
        self._owner.upstream_difficulty(difficulty)
        if first and self.job is not None and self.job.difficulty != difficulty:
            self._reissue()

    def _set_version_mask(self, version_mask: int) -> None:
        version_mask = common_bits(USUAL_MASK, version_mask)  # AntPool grants bits that nobody asked for
        before, self.version_mask = self.version_mask, version_mask
        self._owner.upstream_version_mask(version_mask)
        if self.job is None or version_mask == before:
            return
        if before is None and version_mask == USUAL_MASK:  # what was assumed: nobody has to start anew for it
            self.job = replace(self.job, version_mask=version_mask)
        else:
            self._reissue()

    def _reissue(self) -> None:
        """The context of the newest job changed: hand it over again under the new one."""
        assert self.job is not None
        self.job = replace(self.job, difficulty=self.difficulty, version_mask=self.version_mask, clean=True)
        if self.ready:
            self._owner.upstream_job(self.job)

    def _set_extranonce(self, message: Request) -> None:
        params = message.params
        if len(params) < 2:
            raise RemoteProtocolError("set_extranonce with fewer than 2 parameters")
        extranonce1 = self.extranonce1.hex() if params[0] is None else params[0]
        size = self.extranonce2_size if params[1] is None else params[1]
        self._take_extranonce(parse_extranonce(extranonce1, size))

    def _take_extranonce(self, extranonce: PoolExtranonce) -> None:
        self.extranonce1, self.extranonce2_size = extranonce
        self._owner.upstream_subscribed(*extranonce)

    # --- Requests and their time ----------------------------------------------------------------------------------

    def _call(self, method: str, params: list[Any]) -> bytes:
        ident = self._next_id
        self._next_id = ident + 1
        self._calls = {**self._calls, ident: (method, self._deadlines.now())}
        self._arm(OPTIONAL_TIMEOUT_S)
        return encode_request(ident, method, params)

    def _suggestion(self, suggestions: Suggestions) -> bytes:
        return self._call("mining.suggest_difficulty", [suggestions.take()])

    def _send(self, payload: bytes, lines: int) -> None:
        assert self._link is not None, "nothing is sent before the connection stands"
        if self.traced:
            self._owner.upstream_traffic("tx", payload)
        self._sent_at = self._clock.now()
        self._link.send(payload)
        self._lines.sent += lines

    def _arm(self, delay_s: float) -> None:
        if self._watch is None:
            self._watch = self._deadlines.call_at(self._deadlines.now() + delay_s, self._look)

    def _look(self) -> None:
        """Look after requests that wait: the only timer, alive only while something is open."""
        self._watch = None
        if self.state is UpstreamState.CLOSED:
            return
        now = self._deadlines.now()
        self._drop_optional(now)
        self._submits.expire(now)
        since = self._oldest_wait()
        limit = self._patience.limit_s if self.ready else self._patience.handshake_s
        if since is not None and now - max(since, self.last_received) >= limit - 1e-6:
            self.stalled = True
            if not self.ready:
                self._patience.in_vain()
            self.close(f"no answer for {limit:.0f} s", wanted=False)
            return
        if since is not None:
            self._arm(max(max(since, self.last_received) + limit - now, 0.05))
        elif self._calls:
            self._arm(OPTIONAL_TIMEOUT_S)

    def _look_idle(self) -> None:
        """Say something on a connection that sent nothing for long; one deadline, put off by whatever was sent.

        ``mining.extranonce.subscribe`` again, which every connection sent once already: btcpool, MiningCore and yiimp
        answer true, DATUM an error, ckpool and public-pool nothing, and it changes nothing anywhere. A repeated
        ``suggest_difficulty`` could: btcpool starts its search for a difficulty anew.
        """
        now = self._clock.now()
        due = self._sent_at + self._idle_s
        if now >= due - 1e-6:
            self._send(self._call("mining.extranonce.subscribe", []), 1)
            due = now + self._idle_s
        self._idle_watch = self._clock.call_at(due, self._look_idle)

    def _drop_optional(self, now: float) -> None:
        for ident, (method, sent_at) in list(self._calls.items()):
            if method in NEEDED or now - sent_at < OPTIONAL_TIMEOUT_S - 1e-6:
                continue
            self._end_call(ident)
            if method == "mining.configure":
                self._handshake.configured, self._handshake.configure_late = True, ident
                self._maybe_ready()

    def _end_call(self, ident: int) -> None:
        """Nobody waits for an answer to this call any more."""
        self._calls = {each: call for each, call in self._calls.items() if each != ident} or _NO_CALLS
        if self._handshake == COMPLETE:
            self._handshake = COMPLETE

    def _oldest_wait(self) -> float | None:
        """When the oldest request that must be answered was sent."""
        waits = [sent_at for method, sent_at in self._calls.values() if method in NEEDED]
        if (oldest_at := self._submits.oldest_at) is not None:
            waits.append(oldest_at)
        return min(waits, default=None)

    def _move(self, state: UpstreamState) -> None:
        if state not in MOVES[self.state]:
            raise LocalProtocolError(f"upstream {self.state} -> {state}")
        self.state = state
