"""One connection of a test miner: handshake, messages and answers the way its firmware handles them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import orjson

from proxy.errors import RemoteProtocolError
from proxy.simulator import strictness
from proxy.simulator.pending import PendingCall, PendingCalls
from proxy.simulator.profiles import Await, Call, Ids
from proxy.simulator.strictness import BrokenRule, Rule, Subscription
from proxy.simulator.work import HEX, FoundShare, MinerJob, read_notify
from proxy.stratum.codec import JsonId, Request, Response, decode
from proxy.stratum.framing import LineFramer

if TYPE_CHECKING:
    from proxy.simulator.miner import SimMiner

ACTIVE_JOBS = 16
"""ESP-Miner's table of active jobs."""


class MinerWire(asyncio.Protocol):
    """From connect to disconnect. Everything that outlives a connection is the ``SimMiner``'s."""

    transport: asyncio.Transport

    def __init__(self, miner: "SimMiner") -> None:
        self.miner = miner
        self.profile = miner.profile
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.subscription: Subscription | None = None
        self.version_mask: int | None = None
        self.authorized = False
        self.job: MinerJob | None = None
        self.difficulty = 1.0
        self.next_difficulty = 1.0
        self.queued: list[float] = []
        """Difficulties that wait for a job of their own, where the firmware queues them."""
        self.hides_bits = False
        self.pending = PendingCalls()
        self._framer = LineFramer(self.profile.max_line)
        self._next_id = 1
        self._steps: Iterator[Call] = iter(self.profile.handshake)
        self._awaited: tuple[Call, PendingCall] | None = None
        self._active: deque[str] = deque(maxlen=ACTIVE_JOBS)
        self._timers: list[asyncio.TimerHandle] = []
        self._heard_at = 0.0
        self._methods: dict[str, Callable[[Request], None]] = {
            "mining.notify": self._notify,
            "mining.set_difficulty": self._set_difficulty,
            "mining.set_version_mask": self._set_version_mask,
            "mining.set_extranonce": self._set_extranonce,
            "mining.ping": lambda call: self.send({"id": call.id, "method": "pong", "params": []}),
            "client.get_version": lambda call: self._reply(call.id, self.profile.agent),
            "client.reconnect": lambda call: self.close(),
            "client.show_message": lambda call: self._reply(call.id, True),
        }
        self._answers: dict[str, Callable[[PendingCall, Response], None]] = {
            "mining.configure": self._configured,
            "mining.subscribe": self._subscribed,
            "mining.authorize": self._authorized,
            "mining.submit": self._submitted,
        }

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.miner.opened(self)
        self._heard_at = time.monotonic()
        self._watch_silence()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.miner.lost(self, self.pending.abandon())
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        self.transport.close()

    def data_received(self, payload: bytes) -> None:
        self._heard_at = time.monotonic()
        for line in self._framer.feed(payload):
            if self.transport.is_closing():
                return
            try:
                self._line(line)
            except BrokenRule as broken:
                self._complain(broken)
        self.miner.something_happened()

    def _complain(self, broken: BrokenRule) -> None:
        self.miner.violate(broken.rule, broken.detail)
        if broken.fatal:
            self.close()

    def _watch_silence(self) -> None:
        limit = self.profile.silence_s * self.miner.time_scale
        quiet = time.monotonic() - self._heard_at
        if quiet >= limit:
            self._complain(BrokenRule(Rule.SILENCE, f"nothing for {quiet / self.miner.time_scale:.0f} s", fatal=True))
            return
        self._later(limit - quiet, self._watch_silence)

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > asyncio.get_running_loop().time()]
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, act))

    def _line(self, line: bytes | RemoteProtocolError) -> None:
        if isinstance(line, RemoteProtocolError):
            raise BrokenRule(Rule.LINE_TOO_LONG, str(line), fatal=True)
        try:
            message = decode(line)
        except RemoteProtocolError as error:
            raise BrokenRule(Rule.MALFORMED, f"{error}: {line[:80]!r}", fatal=self.profile.bare_bool) from error
        self._demand_reply(message, line)
        if isinstance(message, Request):
            self._called(message)
        else:
            self._replied(message)

    def _demand_reply(self, message: Request | Response, line: bytes) -> None:
        if self._awaited is None or self._awaited[0].then is not Await.NEXT_LINE:
            return
        call, entry = self._awaited
        if not isinstance(message, Response) or not entry.answers_to(message.id):
            detail = f"before the reply to {call.method}: {line[:80]!r}"
            raise BrokenRule(Rule.UNEXPECTED_LINE, detail, fatal=True)

    def send(self, message: dict[str, object]) -> None:
        if not self.transport.is_closing():
            self.transport.write(orjson.dumps(message) + b"\n")

    def _reply(self, ident: JsonId, result: object) -> None:
        if ident is not None:
            self.send({"id": ident, "result": result, "error": None})

    # -- calls of the miner

    def call(self, call: Call, share: FoundShare | None = None) -> PendingCall:
        """Send ``call``; the entry gets its answer."""
        ident = call.ident
        if isinstance(ident, Ids):
            ident = self._next_id
            self._next_id += 1
        elif isinstance(ident, int):
            self._next_id = max(self._next_id, ident + 1)
        params = self.miner.filled(call.params)
        entry = self.pending.add(ident, call.method, params, share)
        self.send({"id": ident, "method": call.method, "params": params})
        return entry

    def _go_on(self) -> None:
        """Send handshake calls up to the next one that waits."""
        self._awaited = None
        for step in self._steps:
            entry = self.call(step)
            if step.then is not Await.NOTHING:
                self._awaited = (step, entry)
                return
        if self.profile.keepalive is not None:
            self._later_keepalive()

    def _later_keepalive(self) -> None:
        self._later(self.profile.keepalive_s * self.miner.time_scale, self._keep_alive)

    def _keep_alive(self) -> None:
        if self.profile.keepalive is not None and not self.transport.is_closing():
            self.call(self.profile.keepalive)
            self._later_keepalive()

    def _replied(self, response: Response) -> None:
        entry = self.pending.take(response.id)
        handler = self._answers.get(entry.method)
        if handler is not None:
            try:
                handler(entry, response)
            except BrokenRule as broken:
                self._complain(broken)
        entry.resolve(response)
        if self._awaited is not None and self._awaited[1] is entry and not self.transport.is_closing():
            self._go_on()

    def _configured(self, entry: PendingCall, response: Response) -> None:
        if response.error is None:
            self.version_mask = strictness.check_configure(self.profile, entry.params, response.result)

    def _subscribed(self, entry: PendingCall, response: Response) -> None:
        if response.error is not None:
            raise BrokenRule(Rule.SUBSCRIBE, response.error.text, fatal=True)
        self.subscription = strictness.check_subscribe(self.profile, response.result)
        self.miner.subscribed(self.subscription)

    def _authorized(self, entry: PendingCall, response: Response) -> None:
        if response.error is not None:
            self.miner.refusals += 1
            self.close()
            return
        if response.result is not True:
            raise BrokenRule(Rule.AUTHORIZE, f"result is {response.result!r}", fatal=True)
        self.authorized = True
        for call in self.profile.after_authorize:
            self.call(call)
        self.miner.authorized(self)

    def _submitted(self, entry: PendingCall, response: Response) -> None:
        if self.profile.bare_bool and response.error is None and response.result is not True:
            raise BrokenRule(Rule.MALFORMED, f"submit's result is {response.result!r}")
        self.miner.answered(entry, response)

    # -- calls of the pool

    def _called(self, call: Request) -> None:
        if call.method == "mining.set_extranonce" and self.profile.leaves_on_set_extranonce:
            raise BrokenRule(Rule.SET_EXTRANONCE, "leaves on mining.set_extranonce", fatal=True)
        if call.method not in self.profile.known:
            if call.method == "mining.ping" and self.profile.name != "bfgminer":
                return  # firmware that does not know it lets it pass; bfgminer counts a rejected share
            rule = Rule.SET_EXTRANONCE if call.method == "mining.set_extranonce" else Rule.UNKNOWN_METHOD
            raise BrokenRule(rule, call.method)
        self._methods[call.method](call)

    def _set_difficulty(self, call: Request) -> None:
        difficulty, complaint = strictness.read_difficulty(self.profile, call.params)
        self.next_difficulty = difficulty
        if self.profile.queues_difficulties:
            self._queue(difficulty)
            return
        if self.profile.difficulty_at_once or self.job is None:
            self.difficulty = difficulty
            self.miner.difficulty_changed(difficulty)
        if complaint:
            raise complaint

    def _queue(self, difficulty: float) -> None:
        """cgminer's ``next_diff`` and ``diff_after``: what is second in the queue now is a job late."""
        if self.queued:
            self.miner.violate(Rule.TWO_DIFFICULTIES, f"{self.queued[0]}, then {difficulty} before a job")
        self.queued = [*self.queued[:1], difficulty]

    def _difficulty_of_job(self) -> float:
        if not self.profile.queues_difficulties:
            return self.next_difficulty
        return self.queued.pop(0) if self.queued else self.difficulty

    def _set_version_mask(self, call: Request) -> None:
        version_mask = strictness.read_mask(call.params[0] if call.params else None)
        self.hides_bits = self.profile.rolls_on and not version_mask and bool(self.version_mask)
        if not self.hides_bits:
            self.version_mask = version_mask
        if self.profile.rolls_version:
            self.miner.mask_changed(self.version_mask or 0, self.hides_bits)

    def _set_extranonce(self, call: Request) -> None:
        extranonce1, size = [*call.params, None, None][:2]
        usable = isinstance(extranonce1, str) and HEX.match(extranonce1) and type(size) is int
        if self.subscription is None or not usable:
            raise BrokenRule(Rule.EXTRANONCE, f"set_extranonce {call.params!r}")
        octets = bytes.fromhex(extranonce1)
        strictness.check_extranonce(self.profile, octets, size)
        self.subscription = Subscription(octets, size, self.subscription.session)

    def _notify(self, call: Request) -> None:
        if self.subscription is None:
            raise BrokenRule(Rule.NOTIFY, "a job before the subscribe reply")
        try:
            job = read_notify(call.params)
        except ValueError as error:
            raise BrokenRule(Rule.NOTIFY, str(error)) from error
        space = len(self.subscription.extranonce1) + self.subscription.extranonce2_size
        strictness.check_job(self.profile, job, space)
        repeated = job.job_id in self._active
        if repeated:
            self.miner.violate(Rule.REPEATED_JOB, job.job_id)
            if self.profile.ignores_active_jobs and not job.clean:
                return
        if job.clean:
            self._active.clear()
        self._active.append(job.job_id)
        self.job = job
        self.difficulty = self._difficulty_of_job()
        self.miner.got_job(self, job)
        if self.profile.asks_transactions:
            self.call(Call(method="mining.get_transactions", params=(job.job_id,), ident=f"txlist{job.job_id}"))
