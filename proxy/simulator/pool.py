"""A test pool: Stratum v1 over TCP, every share checked in full, and misbehaviour on command."""

import asyncio
import itertools
import random
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator

from proxy.simulator.chain import SimChain
from proxy.simulator.dialect import PLAIN, Dialect, ErrorShape, JobIds
from proxy.simulator.pool_session import PoolSession, Resumable
from proxy.simulator.shares import PoolShare, Refusal, ShareBook
from proxy.simulator.vardiff import Vardiff
from proxy.simulator.waiting import Watchers

KEPT_SESSIONS = 1_000
STANDARD_MASK = 0x1FFFE000

GARBAGE = (
    b"this is not JSON",
    b'{"id":null,"method":"mining.notify","params":',
    b'{"id":null,"method":"mining.notify","params":["1"]}',
    b'{"id":null,"method":"mining.notify","params":[1,2,3,4,5,6,7,8,9]}',
    b'{"id":null,"method":"mining.set_difficulty","params":["many"]}',
    b'{"id":null,"method":"mining.set_difficulty","params":[-1]}',
    b'{"id":null,"method":"mining.set_extranonce","params":["zz",99]}',
    b'{"id":null,"method":"mining.set_version_mask","params":[{}]}',
    b'{"id":987654,"result":true,"error":null}',
    b"[" * 200,
    b"\xff\xfe\x00\x01",
    b"null",
    b'{"method":17}',
)
"""Lines that no pool should send; none of them may end a client's process."""


class SimPool:
    """A pool on loopback for one chain. Difficulties count ``chain.hashes_per_difficulty`` hashes each."""

    def __init__(
        self,
        *,
        chain: SimChain,
        name: str = "pool",
        dialect: Dialect = PLAIN,
        difficulty: float = 1.0,
        vardiff: Vardiff | None = None,
        extranonce1_size: int = 4,
        extranonce2_size: int = 8,
        version_mask: int = STANDARD_MASK,
        pushes_mask: bool = False,
        block_interval_s: tuple[float, float] | None = None,
        refresh_interval_s: float | None = None,
        authorize_delay_s: float = 0.0,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
    ) -> None:
        """``block_interval_s`` draws the time to the next block between two values; None: blocks come on command only.

        ``refresh_interval_s`` sends a new template of the same block (clean false). ``clock`` gives Unix time.
        """
        if not 2 <= extranonce2_size <= 16:
            raise ValueError("extranonce2_size must be 2 to 16")
        self.chain = chain
        self.name = name
        self.dialect = dialect
        self.difficulty = difficulty
        self.vardiff = vardiff
        self.extranonce1_size = extranonce1_size
        self.extranonce2_size = extranonce2_size
        self.version_mask = version_mask
        self.pushes_mask = pushes_mask
        self.block_interval_s = block_interval_s
        self.refresh_interval_s = refresh_interval_s
        self.authorize_delay_s = authorize_delay_s
        self.clock = clock
        self.book = ShareBook()
        self.sessions: list[PoolSession] = []
        self.connections = 0
        self.received: Counter[str] = Counter()
        self.drops: list[str] = []
        self.raised_ages_s: list[float] = []
        """How long after their session's difficulty changed shares came that were refused as ``RAISED``."""
        self.host, self.port = "127.0.0.1", 0
        self.silent = False
        self.unheard = 0
        """Submits that came while it was silent."""
        self.swallows_submits = False
        self.delay_s = 0.0
        self._random = random.Random(f"{name}/{seed}")
        self._extranonces = itertools.count(self._random.getrandbits(16) + 1)
        self._job_numbers = itertools.count(1)
        self._session_numbers = itertools.count(1)
        self._closes_at_once = False
        self._resumable: OrderedDict[str, Resumable] = OrderedDict()
        self._refused_users: set[str] | None = set()
        self._shapes: Iterator[ErrorShape] = itertools.repeat(dialect.error_shape)
        self._server: asyncio.Server | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._watchers = Watchers()
        self._make_job()

    # -- life

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port.

        Raises:
            OSError: the address is taken.
        """
        self.host, self.port = host, port
        await self.accept_connections()
        if self.block_interval_s:
            self._arm("block", self._next_block_in, self.new_block)
        if self.refresh_interval_s:
            self._arm("refresh", lambda: self.refresh_interval_s or 0, self.refresh)
        if self.vardiff:
            check_s = self.vardiff.check_s
            self._arm("vardiff", lambda: check_s, self._check_rates)
        return self.port

    async def stop(self) -> None:
        """Close everything; nothing of the pool is left on the loop."""
        for timer in self._timers.values():
            timer.cancel()
        self.drop_connections()
        await self.refuse_connections()

    async def until(self, fact: Callable[["SimPool"], bool], timeout_s: float = 5.0) -> None:
        """Wait until ``fact(pool)`` holds; looked at on each connection and share.

        Raises:
            TimeoutError: it did not come.
        """
        await self._watchers.until(lambda: fact(self), timeout_s)

    def uptime(self) -> float:
        """Monotonic seconds, for rates."""
        return time.monotonic()

    @property
    def hashes_per_difficulty(self) -> int:
        return self.chain.hashes_per_difficulty

    @property
    def shares(self) -> deque[PoolShare]:
        """Every submit with its verdict, oldest first (the last 200,000)."""
        return self.book.shares

    @property
    def accepted(self) -> int:
        return self.book.accepted

    @property
    def rejected(self) -> Counter[Refusal]:
        return self.book.rejected

    # -- work

    def new_block(self, block_hash: bytes | None = None) -> None:
        """A block was found, ours (``block_hash``, internal order) or somebody else's: clean jobs for all."""
        self.chain.new_block(block_hash)
        self.refresh(clean=True)

    def refresh(self, clean: bool = False, only: PoolSession | None = None) -> None:
        """A new job of the current block for all clients, or for ``only`` one."""
        self._make_job()
        for session in [only] if only else list(self.sessions):
            if session.in_work:
                session.issue_job(clean)

    def _make_job(self) -> None:
        number = next(self._job_numbers)
        sequence = self.dialect.job_ids is JobIds.SEQUENCE
        self.job_id = f"{number:x}" if sequence else self._random.randbytes(8).hex()
        self.template = self.chain.template(int(self.clock()), self.extranonce1_size + self.extranonce2_size)

    def _next_block_in(self) -> float:
        return self._random.uniform(*(self.block_interval_s or (0, 0)))

    def _check_rates(self) -> None:
        for session in list(self.sessions):
            session.check_rate()

    def _arm(self, name: str, delay_s: Callable[[], float], act: Callable[[], None]) -> None:
        def fire() -> None:
            self._arm(name, delay_s, act)
            act()

        self._timers[name] = asyncio.get_running_loop().call_later(delay_s(), fire)

    # -- what sessions ask and tell

    def opened(self, session: PoolSession) -> None:
        self.connections += 1
        if self._closes_at_once:
            session.transport.close()
        self.sessions.append(session)
        self.something_happened()

    def closed(self, session: PoolSession) -> None:
        self.sessions.remove(session)
        self.something_happened()

    def something_happened(self) -> None:
        self._watchers.look()

    def remember(self, session_id: str, session: Resumable) -> None:
        """A connection has ended; what it had may be wanted back."""
        self._resumable[session_id] = session
        if len(self._resumable) > KEPT_SESSIONS:
            self._resumable.popitem(last=False)

    def resumable(self, session_id: str) -> Resumable | None:
        """What is left of an ended session, given away once; the id of one that lives gives None."""
        return self._resumable.pop(session_id, None)

    def next_extranonce1(self) -> bytes:
        """Never the same twice, as far as its size allows."""
        size = self.extranonce1_size
        return int(next(self._extranonces) % 256**size).to_bytes(size, "big")

    def next_error_shape(self) -> ErrorShape:
        return next(self._shapes)

    def refuses(self, user: str) -> bool:
        return self._refused_users is None or user in self._refused_users

    # -- misbehaviour on command

    def go_silent(self) -> None:
        """Connections stay open, nothing is read or said any more. What is sent meanwhile is lost."""
        self.silent = True

    def speak(self) -> None:
        """End of the silence, with a fresh clean job."""
        self.silent = False
        self.refresh(clean=True)

    def slow(self, seconds: float) -> None:
        """Everything the pool says comes ``seconds`` late; 0 ends it."""
        self.delay_s = seconds

    def drop_connections(self) -> None:
        """Cut every client off at once (RST where bytes are unsent)."""
        for session in list(self.sessions):
            session.transport.abort()

    async def refuse_connections(self) -> None:
        """Close the listening socket; established clients stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)

    async def accept_connections(self) -> None:
        """Listen (again) on the pool's port."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self.host, self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    def _session(self) -> PoolSession:
        return PoolSession(self, next(self._session_numbers))

    def accept_and_close(self, on: bool = True) -> None:
        """Accept connections and close them without a word."""
        self._closes_at_once = on

    def set_extranonce(self, size: int | None = None) -> None:
        """Give every client a new extranonce1, and all another extranonce2 ``size``, then a clean job with it."""
        self.extranonce2_size = size or self.extranonce2_size
        for session in self.sessions:
            if session.subscribed:
                session.extranonce1 = self.next_extranonce1()
                session.notify("mining.set_extranonce", [session.extranonce1.hex(), self.extranonce2_size])
        self.refresh(clean=True)

    def set_version_mask(self, version_mask: int) -> None:
        """Another mask for all, from the next job on; shares of earlier jobs may keep to theirs."""
        self.version_mask = version_mask
        for session in self.sessions:
            if session.in_work:
                session.version_mask = version_mask
                session.notify("mining.set_version_mask", [f"{version_mask:08x}"])

    def reconnect(self, host: str = "", port: int = 0) -> None:
        """Ask all clients to reconnect elsewhere."""
        for session in self.sessions:
            session.notify("client.reconnect", [host, port, 0] if host else [])

    def show_message(self, text: str) -> None:
        for session in self.sessions:
            session.notify("client.show_message", [text])

    def ask(self, method: str, ident: object = 1) -> None:
        """Send all clients a call such as ``client.get_version`` or ``mining.ping``."""
        for session in self.sessions:
            session.send({"id": ident, "method": method, "params": []})

    def garbage(self) -> None:
        """Send all clients each line of ``GARBAGE``."""
        for session in self.sessions:
            for line in GARBAGE:
                session.send_line(line)

    def raise_difficulty(self, difficulty: float) -> None:
        """Another difficulty for all clients now and to come; holds from each one's next job."""
        self.difficulty = difficulty
        for session in self.sessions:
            session.retarget(difficulty)

    def no_answer_to_submits(self, on: bool = True) -> None:
        """Check and count submits but never answer them."""
        self.swallows_submits = on

    def refuse_authorize(self, *users: str, on: bool = True) -> None:
        """Refuse these users, or all when none is named; ``on=False`` accepts all again."""
        self._refused_users = set(users) if users or not on else None

    def odd_error_shapes(self, on: bool = True) -> None:
        """Every refusal in another shape than the one before."""
        self._shapes = itertools.cycle(ErrorShape) if on else itertools.repeat(self.dialect.error_shape)
