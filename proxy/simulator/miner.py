"""A test miner: real SHA-256d work at a limited rate, as one firmware does it, with a record of how it was treated."""

import asyncio
import itertools
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.simulator import hashing
from proxy.simulator.miner_wire import MinerWire
from proxy.simulator.pending import PendingCall
from proxy.simulator.profiles import Call, Ident, Ids, Profile
from proxy.simulator.strictness import Rule, Subscription, Violation
from proxy.simulator.waiting import Watchers
from proxy.simulator.work import Candidate, FoundShare, MinerJob, Search
from proxy.stratum.codec import Response

KEPT_ANSWERS = 20_000
KEPT_VIOLATIONS = 1_000
KEPT_CANDIDATES = 10_000
BATCH = 2_000
"""Hashes in one go where nothing else is said, about 6 ms."""
SLICE_S = 0.25
DIAL_S = 10.0
RETRY_S = 120.0
"""How long cgminer tries a submit again that had no answer."""


class Spawn(Protocol):
    """What gives birth to tasks, such as ``proxy.net.tasks.spawn``, which this room may not import."""

    def __call__(self, coroutine: Coroutine[Any, Any, None], /, *, name: str) -> "asyncio.Task[None]": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one submit."""

    job_id: str
    difficulty: float
    accepted: bool
    code: int
    text: str
    latency_s: float


@dataclass(slots=True)
class MinerTally:
    """``lost`` submits had no answer when their connection ended; ``rejected`` counts by (code, text)."""

    submitted: int = 0
    accepted: int = 0
    rejected: Counter[tuple[int, str]] = field(default_factory=Counter)
    lost: int = 0
    hashes: int = 0
    work: float = 0.0


class SimMiner:
    """One miner. ``hashrate`` in hashes per second, ``time_scale`` shrinks firmware time-outs for tests."""

    def __init__(
        self,
        profile: Profile,
        host: str,
        port: int,
        *,
        user: str,
        password: str = "x",
        hashrate: float = 10_000.0,
        hashes_per_difficulty: int = hashing.STANDARD_HASHES_PER_DIFFICULTY,
        suggest: float | None = None,
        time_scale: float = 1.0,
        seed: int = 0,
        batch: int = BATCH,
        longest_slice_s: float = SLICE_S,
    ) -> None:
        """``suggest`` None asks for a share every three seconds; it is whole and at least 1, as in firmware. ``batch``:
        hashes in one go, which hold the loop; a slow miner hashes at least once in ``longest_slice_s``."""
        self.profile = profile
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.hashrate = hashrate
        self.hashes_per_difficulty = hashes_per_difficulty
        self.suggest = suggest or float(max(1, round(3 * hashrate / hashes_per_difficulty)))
        self.time_scale = time_scale
        self.tally = MinerTally()
        self.answers: deque[Answer] = deque(maxlen=KEPT_ANSWERS)
        self.violations: deque[Violation] = deque(maxlen=KEPT_VIOLATIONS)
        self.candidates: deque[Candidate] = deque(maxlen=KEPT_CANDIDATES)
        self.jobs_received = 0
        self.connections = 0
        self.failed_dials = 0
        self.refusals = 0
        self.wire: MinerWire | None = None
        self.mining = True
        self._batch = batch
        self._longest_slice_s = longest_slice_s
        self._random = random.Random(f"{user}/{seed}")
        self._session = ""
        self._search: Search | None = None
        self._credit = 0.0
        self._hashed_at = 0.0
        self._slice: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._unanswered: list[PendingCall] = []
        self._last_extranonce1: bytes | None = None
        self._watchers = Watchers()

    # -- life

    def start(self, spawn: Spawn) -> None:
        """Let ``run`` live in a task of ``spawn``'s until ``stop``."""
        self._task = spawn(self.run(), name=f"miner {self.user}")

    @property
    def is_on(self) -> bool:
        """Whether it was started."""
        return self._task is not None

    async def stop(self) -> None:
        """Disconnect; nothing of the miner is left on the loop."""
        task, self._task, wire = self._task, None, self.wire
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if wire is not None:
                await wire.closed

    async def run(self) -> None:
        """Connect, mine, reconnect as the firmware does; ends by cancellation only, and then disconnects."""
        try:
            while True:
                await self._mine_once()
                await asyncio.sleep(self.profile.reconnect_s * self.time_scale * self._random.uniform(0.9, 1.1))
        finally:
            if self.wire is not None:
                self.wire.transport.abort()

    async def _mine_once(self) -> None:
        try:
            async with asyncio.timeout(DIAL_S):
                loop = asyncio.get_running_loop()
                _, wire = await loop.create_connection(lambda: MinerWire(self), self.host, self.port)
        except (OSError, TimeoutError):
            self.failed_dials += 1
        else:
            await asyncio.shield(wire.closed)

    async def until(self, fact: Callable[["SimMiner"], bool], timeout_s: float = 5.0) -> None:
        """Wait until ``fact(miner)`` holds; looked at after each line received and each disconnect.

        Raises:
            TimeoutError: it did not come.
        """
        await self._watchers.until(lambda: fact(self), timeout_s)

    @property
    def in_work(self) -> bool:
        """Authorised, with a job."""
        return self.wire is not None and self.wire.authorized and self.wire.job is not None

    @property
    def unanswered(self) -> int:
        """Submits of this connection that wait for their answer."""
        return len(self.wire.pending.waiting("mining.submit")) if self.wire else 0

    # -- things a test may do by hand

    def call(self, method: str, params: Sequence[object], ident: Ident | Ids = Ids.NEXT) -> "asyncio.Future[Response]":
        """Send any call; the future is its answer.

        Raises:
            ConnectionError: not connected, or (from the future) the connection ended first.
        """
        if self.wire is None:
            raise ConnectionError("not connected")
        return self.wire.call(Call(method=method, params=tuple(params), ident=ident)).watch()

    def submit_raw(self, params: Sequence[object]) -> "asyncio.Future[Response]":
        """Submit these very parameters, good or bad."""
        return self.call("mining.submit", params, self.profile.submit_id)

    def find_share(self, difficulty: float | None = None) -> FoundShare:
        """Mine the current job until a share is found, without submitting it; blocks the loop for as long as it takes.

        ``difficulty`` replaces the job's own. Each call goes on where the last stopped.
        """
        if self._search is None:
            raise ConnectionError("no job")
        if difficulty is not None:
            self._search.demand(difficulty)
        found: list[FoundShare] = []
        while not found:
            found = self._search.advance(1)
        return found[0]

    # -- what the connection asks and tells

    def opened(self, wire: MinerWire) -> None:
        self.wire = wire
        self.connections += 1

    def lost(self, wire: MinerWire, submits: list[PendingCall]) -> None:
        self.wire = None
        self._search = None
        if self._slice is not None:
            self._slice.cancel()
            self._slice = None
        self.tally.lost += len(submits)
        self._unanswered = submits if self.profile.retries else []
        self.something_happened()

    def something_happened(self) -> None:
        self._watchers.look()

    def violate(self, rule: Rule, detail: str) -> None:
        self.violations.append(Violation(rule, detail))

    def filled(self, params: Sequence[object]) -> list[object]:
        """Parameters with this miner's values in place of ``{...}``."""
        values: dict[str, object] = {
            "{agent}": self.profile.agent,
            "{user}": self.user,
            "{password}": self.password,
            "{url}": f"{self.host}:{self.port}",
            "{session}": self._session or None,
            "{suggest}": int(self.suggest) if self.suggest == int(self.suggest) else self.suggest,
            "{target}": f"{hashing.target_of(self.suggest, self.hashes_per_difficulty):064x}",
        }
        filled = [values.get(param, param) if isinstance(param, str) else param for param in params]
        pairs = zip(params, filled, strict=True)
        return [value for param, value in pairs if not (param == "{session}" and value is None)]

    def subscribed(self, subscription: Subscription) -> None:
        self._session = subscription.session

    def authorized(self, wire: MinerWire) -> None:
        if wire.subscription is not None:
            self._try_again(wire, wire.subscription.extranonce1)
        if wire.job is not None:
            self.got_job(wire, wire.job, again=True)

    def _try_again(self, wire: MinerWire, extranonce1: bytes) -> None:
        """cgminer sends submits without an answer once more if its extranonce1 is the same as before."""
        same, self._last_extranonce1 = extranonce1 == self._last_extranonce1, extranonce1
        entries, self._unanswered = self._unanswered, []
        limit = time.monotonic() - RETRY_S * self.time_scale
        for entry in entries:
            if same and entry.share is not None and entry.sent_at > limit:
                self._submit(wire, entry.share)

    def got_job(self, wire: MinerWire, job: MinerJob, again: bool = False) -> None:
        """Take up a job: at once if clean or nothing is being done, else when the present span is through."""
        self.jobs_received += not again
        if wire.authorized and (job.clean or self._search is None):
            self._begin(wire, job)

    def difficulty_changed(self, difficulty: float) -> None:
        if self._search is not None:
            self._search.difficulty = difficulty

    def mask_changed(self, version_mask: int, hides_bits: bool) -> None:
        if self._search is not None and self._search.version_mask is not None:
            self._search.version_mask, self._search.hides_bits = version_mask, hides_bits

    def answered(self, entry: PendingCall, response: Response) -> None:
        share, error = entry.share, response.error
        answer = Answer(
            job_id=str(entry.params[1]) if len(entry.params) > 1 else "",
            difficulty=share.difficulty if share else 0.0,
            accepted=error is None and response.result is True,
            code=error.code if error else 0,
            text=error.text if error else "",
            latency_s=time.monotonic() - entry.sent_at,
        )
        self.answers.append(answer)
        if answer.accepted:
            self.tally.accepted += 1
            self.tally.work += answer.difficulty
        else:
            self.tally.rejected[answer.code, answer.text] += 1

    # -- work

    def _begin(self, wire: MinerWire, job: MinerJob) -> None:
        if wire.subscription is None:
            return
        rolls = self.profile.rolls_version
        self._search = Search(
            job,
            extranonce1=wire.subscription.extranonce1,
            extranonce2_size=wire.subscription.extranonce2_size,
            version_mask=(wire.version_mask or 0) if rolls else None,
            version_bits=self.profile.version_bits,
            hides_bits=wire.hides_bits,
            on_candidate=self.candidates.append,
            difficulty=wire.difficulty,
            hashes_per_difficulty=self.hashes_per_difficulty,
            span=max(256, int(self.hashrate)),
        )
        if self._slice is None:
            self._hashed_at = time.monotonic()
            self._arm()

    def _arm(self) -> None:
        delay = min(max(self._batch / self.hashrate, 0.01), self._longest_slice_s)
        self._slice = asyncio.get_running_loop().call_later(delay, self._hash)

    def _hash(self) -> None:
        """One slice: as many hashes as the rate allows since the last one; a loop that lags does not earn a burst."""
        wire, now = self.wire, time.monotonic()
        self._slice = None
        if wire is None or self._search is None:
            return
        self._arm()
        if not self.mining:
            self._hashed_at = now
            return
        self._credit = min(self._credit + (now - self._hashed_at) * self.hashrate, max(self.hashrate / 2, self._batch))
        self._hashed_at = now
        count = min(int(self._credit), 2 * self._batch)
        self._credit -= count
        self.tally.hashes += count
        for share in itertools.chain.from_iterable(self._spans(wire, count)):
            self._submit(wire, share)

    def _spans(self, wire: MinerWire, count: int) -> list[list[FoundShare]]:
        found: list[list[FoundShare]] = []
        while count > 0 and self._search is not None:
            if self._search.at_roll and wire.job is not None and wire.job is not self._search.job:
                self._begin(wire, wire.job)
            step = min(count, self._search.left)
            found.append(self._search.advance(step))
            count -= step
        return found

    def _submit(self, wire: MinerWire, share: FoundShare) -> None:
        self.tally.submitted += 1
        params = share.params(self.user, self.profile.pads_nonce)
        wire.call(Call(method="mining.submit", params=params, ident=self.profile.submit_id), share)
