"""One client of the test pool: the pool's side of Stratum v1 over one connection."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from proxy.errors import RemoteProtocolError
from proxy.simulator import hashing
from proxy.simulator.dialect import ErrorShape, Extension, FirstJob, Suggestion
from proxy.simulator.share_check import IssuedJob, Proof, Refused, Submission, check_share, read_submission
from proxy.simulator.shares import SPOKEN, FoundBlock, PoolShare, Refusal
from proxy.simulator.vardiff import watch_of
from proxy.stratum.codec import JsonId, Request, decode
from proxy.stratum.framing import LineFramer

if TYPE_CHECKING:
    from proxy.simulator.pool import SimPool

KEPT_JOBS = 64
BEFORE_SUBSCRIBE = {"mining.subscribe", "mining.configure", "mining.authorize"}


class Resumable(NamedTuple):
    """What is left of a session whose connection has ended, for one that comes back with its id."""

    extranonce1: bytes
    jobs: dict[str, IssuedJob]


def difficulty_in_password(password: object) -> float | None:
    """The difficulty in a password such as ``x;d=500`` (MiningCore's ``GetStaticDiffFromPassparts``)."""
    for part in password.split(";") if isinstance(password, str) else ():
        name, _, value = part.strip().partition("=")
        if name == "d":
            with suppress(ValueError):
                return float(value)
    return None


class PoolSession(asyncio.Protocol):
    """What the pool knows of one client, and its answers."""

    transport: asyncio.Transport

    def __init__(self, pool: "SimPool", number: int) -> None:
        self.pool = pool
        self.number = number
        self.dialect = pool.dialect
        self.agent = ""
        self.extranonce1 = b""
        self.subscribed = False
        self.users: list[str] = []
        self.difficulty = pool.difficulty
        self.version_mask = 0
        self.session_id = f"{number:08x}"
        self.watch = watch_of(pool.vardiff, pool.uptime()) if pool.vardiff else None
        self._suggested = False
        self._set_at = 0.0
        self._jobs: dict[str, IssuedJob] = {}
        self._framer = LineFramer(pool.dialect.max_line)
        self._late: deque[bytes] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._heard_at = pool.uptime()
        self._handlers: dict[str, Callable[[Request], None]] = {
            "mining.configure": self._configure,
            "mining.subscribe": self._subscribe,
            "mining.authorize": self._authorize,
            "mining.submit": self._submit,
            "mining.suggest_difficulty": self._suggest_difficulty,
            "mining.extranonce.subscribe": self._extranonce_subscribe,
            "mining.ping": lambda call: self._answer(call.id, "pong"),
        }

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._heard_at = self.pool.uptime()
        if self.dialect.handshake_s is not None:
            self._later(self.dialect.handshake_s, self._check_handshake)
        if self.dialect.idle_timeout_s is not None:
            self._later(self.dialect.idle_timeout_s, self._check_idle)
        self.pool.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()
        if self.subscribed:
            self.pool.remember(self.session_id, Resumable(self.extranonce1, self._jobs))
        self.pool.closed(self)

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._timers = [timer for timer in self._timers if timer.when() > loop.time()]
        self._timers.append(loop.call_later(delay_s, act))

    def _check_handshake(self) -> None:
        if not (self.subscribed and self.users):
            self.drop(f"not at work after {self.dialect.handshake_s:g} s")

    def _check_idle(self) -> None:
        limit = self.dialect.idle_timeout_s or 0.0
        left = self._heard_at + limit - self.pool.uptime()
        if left > 0:
            self._later(left, self._check_idle)
        else:
            self.drop(f"nothing heard for {limit:g} s")

    def data_received(self, payload: bytes) -> None:
        self._heard_at = self.pool.uptime()
        if self.pool.silent:
            self.pool.unheard += payload.count(b"mining.submit")
            return
        for line in self._framer.feed(payload):
            if self.transport.is_closing():
                return
            self._take(line)

    def _take(self, line: bytes | RemoteProtocolError) -> None:
        try:
            if isinstance(line, RemoteProtocolError):
                raise line
            message = decode(line)
        except RemoteProtocolError as error:
            self.drop(str(error))
            return
        if isinstance(message, Request):
            self.pool.received[message.method] += 1
            self._call(message)

    def _call(self, call: Request) -> None:
        if self.dialect.integer_ids and type(call.id) is not int:
            self.drop(f"id must be an integer, got {call.id!r}")
        elif self.dialect.drops_before_subscribe and not self.subscribed and call.method not in BEFORE_SUBSCRIBE:
            self.drop(f"{call.method} before subscribe")
        elif call.method in self._handlers:
            self._handlers[call.method](call)
        elif call.method != "pong" and self.dialect.unknown_method is not Extension.SILENT:
            self._refuse(call.id, 20, f"Unsupported method {call.method}")

    def drop(self, why: str) -> None:
        """Close on the client for a reason that tests can read in ``pool.drops``."""
        self.pool.drops.append(why)
        self.transport.close()

    def send(self, message: dict[str, object]) -> None:
        """Write ``message``, unless the pool plays dead; late when it plays slow."""
        if self.dialect.jsonrpc and "method" in message:
            message = {"jsonrpc": "2.0", **message}
        self.send_line(orjson.dumps(message))

    def send_line(self, line: bytes) -> None:
        if self.pool.silent or self.transport.is_closing():
            return
        if self.pool.delay_s or self._late:
            self._late.append(line + b"\n")
            asyncio.get_running_loop().call_later(self.pool.delay_s, self._send_late)
        else:
            self.transport.write(line + b"\n")

    def _send_late(self) -> None:
        line = self._late.popleft()
        if not self.transport.is_closing():
            self.transport.write(line)

    def notify(self, method: str, params: list[object]) -> None:
        self.send({"id": None, "method": method, "params": params})

    def _answer(self, ident: JsonId, result: object) -> None:
        self.send({"id": ident, "result": result, "error": None})

    def _refuse(self, ident: JsonId, code: int, text: str) -> None:
        shape = self.pool.next_error_shape()
        match shape:
            case ErrorShape.ARRAY:
                self.send({"id": ident, "result": None, "error": [code, text, None]})
            case ErrorShape.OBJECT:
                self.send({"id": ident, "result": False, "error": {"code": code, "message": text, "data": None}})
            case ErrorShape.STRING:
                self.send({"id": ident, "result": None, "error": text})
            case ErrorShape.REJECT_REASON:
                self.send({"id": ident, "result": False, "error": None, "reject-reason": text})

    # -- handshake

    def _configure(self, call: Request) -> None:
        if self.dialect.configure is Extension.SILENT:
            return
        if self.dialect.configure is Extension.REFUSED:
            self._refuse(call.id, 20, "Not supported")
            return
        wanted = call.params[0] if call.params and isinstance(call.params[0], list) else []
        options = call.params[1] if len(call.params) > 1 and isinstance(call.params[1], dict) else {}
        granted: dict[str, object] = {}
        if "version-rolling" in wanted:
            asked = int(str(options.get("version-rolling.mask", "ffffffff")), 16)
            self.version_mask = self.pool.version_mask & asked
            granted = {"version-rolling": True, "version-rolling.mask": f"{self.version_mask:08x}"}
        if "minimum-difficulty" in wanted:
            granted["minimum-difficulty"] = self._fix_difficulty(options.get("minimum-difficulty.value"))
        if "subscribe-extranonce" in wanted:
            granted["subscribe-extranonce"] = True
        self._answer(call.id, granted)

    def _subscribe(self, call: Request) -> None:
        if self.subscribed and self.dialect.ignores_repeated:
            return
        if not self.subscribed:
            self._begin_or_resume(call.params[1] if len(call.params) > 1 else None)
        self.agent = str(call.params[0]) if call.params else ""
        methods = ["mining.notify"] if self.dialect.one_pair else ["mining.set_difficulty", "mining.notify"]
        pairs = [[method, self.session_id] for method in methods]
        self._answer(call.id, [pairs, self.extranonce1.hex(), self.pool.extranonce2_size])
        first, self.subscribed = not self.subscribed, True
        if first and (self.dialect.first_job is FirstJob.AFTER_SUBSCRIBE or self.users):
            self._start_work()

    def _begin_or_resume(self, session_id: object) -> None:
        """ckpool: the id of a session whose connection has ended, once, gives its extranonce1 and jobs again."""
        old = self.pool.resumable(session_id) if self.dialect.resumes and isinstance(session_id, str) else None
        if old is None:
            self.extranonce1 = self.pool.next_extranonce1()
        else:
            self.extranonce1, self._jobs = old

    def _fix_difficulty(self, suggested: object) -> bool:
        """MiningCore: a difficulty asked for above the pool's own difficulty holds from now on, and vardiff is off."""
        if (
            not self.dialect.fixes_difficulty
            or not isinstance(suggested, int | float)
            or suggested <= self.pool.difficulty
        ):
            return False
        self.watch, self.difficulty = None, float(suggested)
        return True

    def _authorize(self, call: Request) -> None:
        if self.users and self.dialect.ignores_repeated:
            return
        asyncio.get_running_loop().call_later(self.pool.authorize_delay_s, self._answer_authorize, call)

    def _answer_authorize(self, call: Request) -> None:
        user = call.params[0] if call.params and isinstance(call.params[0], str) else ""
        exact = len(call.params) == 2 or not self.dialect.exact_authorize_params
        if not user or not exact or self.pool.refuses(user):
            self._refuse(call.id, 24, "Unauthorized")
            return
        first = not self.users
        self.users.append(user)
        self._answer(call.id, True)
        if (
            first
            and self._fix_difficulty(difficulty_in_password(call.params[1] if len(call.params) > 1 else ""))
            and self.in_work
        ):
            self.send_difficulty(self.difficulty)
        if first and self.subscribed and self.dialect.first_job is FirstJob.AFTER_BOTH:
            self._start_work()

    def _start_work(self) -> None:
        if self.pool.pushes_mask:
            self.notify("mining.set_version_mask", [f"{self.version_mask:08x}"])
        self.send_difficulty(self.difficulty)
        self.issue_job(clean=True)

    @property
    def in_work(self) -> bool:
        """Whether this client gets jobs."""
        return self.subscribed and (bool(self.users) or self.dialect.first_job is FirstJob.AFTER_SUBSCRIBE)

    def _extranonce_subscribe(self, call: Request) -> None:
        if self.dialect.extranonce_subscribe is Extension.SUPPORTED:
            self._answer(call.id, True)
        elif self.dialect.extranonce_subscribe is Extension.REFUSED:
            self._refuse(call.id, 20, "Not supported")

    def _suggest_difficulty(self, call: Request) -> None:
        habit = self.dialect.suggestion
        if habit is Suggestion.ACKNOWLEDGED:
            self._answer(call.id, True)
            return
        if habit is Suggestion.IGNORED:
            return
        suggested = call.params[0] if call.params else None
        usable = type(suggested) is int or (type(suggested) is float and habit is not Suggestion.INTEGER)
        if habit is Suggestion.REFUSED or not usable or (habit is Suggestion.ONCE and self._suggested):
            self._refuse(call.id, 20, "Not accepted")
            return
        self._suggested = True
        self._answer(call.id, True)
        if self.pool.vardiff is not None and isinstance(suggested, int | float) and suggested > 0:
            self.retarget(self.pool.vardiff.clamp(float(suggested)))

    # -- work

    def send_difficulty(self, difficulty: float) -> None:
        """Holds from the next job on."""
        self._set_at = self.pool.uptime()
        self.difficulty = difficulty
        self.notify("mining.set_difficulty", [int(difficulty) if difficulty == int(difficulty) else difficulty])

    def retarget(self, difficulty: float) -> None:
        """Change the difficulty the way this pool software does."""
        if difficulty == self.difficulty or not self.in_work:
            self.difficulty = difficulty
            return
        self.send_difficulty(difficulty)
        if self.dialect.job_after_retarget:
            self.pool.refresh(clean=True, only=self)

    def issue_job(self, clean: bool) -> None:
        """Send the pool's current job."""
        job_id, template = self.pool.job_id, self.pool.template
        before = self._jobs.get(job_id)  # a resumed session gets the job that it left
        self._jobs[job_id] = IssuedJob(
            job_id=job_id,
            template=template,
            extranonce1=self.extranonce1,
            extranonce2_size=self.pool.extranonce2_size,
            difficulty=self.difficulty,
            version_mask=self.version_mask,
            seen=before.seen if before else set(),
        )
        if len(self._jobs) > KEPT_JOBS:
            del self._jobs[next(iter(self._jobs))]
        self.notify("mining.notify", template.notify_params(job_id, clean))

    def _submit(self, call: Request) -> None:
        refusal: Refusal | None = None
        proof: Proof | None = None
        number: int | None = None
        share: Submission | None = None
        job: IssuedJob | None = None
        try:
            share = read_submission(call.params)
            job = self._jobs.get(share.job_id)
            proof = self._checked(share, job)
            number = proof.number
        except Refused as refused:
            refusal, number, proof = refused.reason, refused.number, refused.block
        is_block = proof is not None and number is not None and number <= self.pool.chain.network_target
        self._book(share, job, number, refusal, proof if is_block else None)
        if not self.pool.swallows_submits:
            if refusal is None:
                self._answer(call.id, True)
            else:
                self._refuse(call.id, *SPOKEN[refusal])
        self._after_share(job if refusal is None else None)
        if is_block and proof is not None:
            self.pool.new_block(proof.digest)

    def _checked(self, share: Submission, job: IssuedJob | None) -> Proof:
        if not self.subscribed:
            raise Refused(Refusal.NOT_SUBSCRIBED)
        if share.worker not in self.users:
            raise Refused(Refusal.UNAUTHORIZED)
        if job is None:
            raise Refused(Refusal.UNKNOWN_JOB)
        if job.template.previous_hash != self.pool.chain.previous_hash:
            raise Refused(Refusal.STALE)
        target = hashing.target_of(job.difficulty, self.pool.hashes_per_difficulty)
        proof = check_share(job, share, self.dialect, self.version_mask, target, self.pool.chain.network_target)
        present = hashing.target_of(self.difficulty, self.pool.hashes_per_difficulty)
        if self.dialect.checks_at_present and proof.number > present:
            self.pool.raised_ages_s.append(self.pool.uptime() - self._set_at)
            raise Refused(Refusal.RAISED, proof.number)
        return proof

    def _book(
        self,
        share: Submission | None,
        job: IssuedJob | None,
        number: int | None,
        refusal: Refusal | None,
        block: Proof | None,
    ) -> None:
        worker = share.worker if share else ""
        now = self.pool.clock()
        entry = PoolShare(
            at=now,
            session=self.number,
            worker=worker,
            job_id=share.job_id if share else "",
            difficulty=job.difficulty if job else self.difficulty,
            true_difficulty=None if number is None else hashing.difficulty_of(number, self.pool.hashes_per_difficulty),
            refusal=refusal,
            hash="" if number is None else f"{number:064x}",
            block=block is not None,
        )
        self.pool.book.record(entry)
        if block is not None and job is not None:
            height = job.template.height
            self.pool.book.blocks.append(
                FoundBlock(
                    at=now, worker=worker, height=height, hash=entry.hash, header=block.header, coinbase=block.coinbase
                )
            )
        self.pool.something_happened()

    def _after_share(self, accepted: IssuedJob | None) -> None:
        if self.watch is None:
            return
        if accepted is not None:
            self.watch.note(accepted.difficulty, self.pool.uptime())
        if self.watch.checks_on_shares:
            self.check_rate()

    def check_rate(self) -> None:
        """Retarget if the share rate asks for it."""
        if self.watch is None or self.pool.silent:
            return
        proposal = self.watch.proposal(self.difficulty, self.pool.uptime())
        if proposal is not None:
            self.retarget(proposal)
