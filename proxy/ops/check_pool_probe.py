"""Does a handshake with one address of a pool, with the code that miners' connections use."""

import asyncio
from dataclasses import dataclass, field
from functools import lru_cache

from django.utils.translation import gettext as _

from proxy.config.snapshot import Endpoint
from proxy.errors import RemoteProtocolError
from proxy.net.clock import LoopClock
from proxy.net.dialer import NetDialer
from proxy.ports import Link
from proxy.stratum.codec import Request
from proxy.stratum.patience import Patience
from proxy.stratum.pool_context import PoolContext
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.upstream import Upstream
from proxy.stratum.upstream_handshake import Credentials

DIAL_PART = 2 / 3
"""Part of the time-out for connecting (with TLS)."""
SETTLE_S = 0.5
"""How long to wait for a difficulty after the job: some pools send it late."""
FINISH_S = 1.0
MAX_BYTES = 1 << 20
"""Maximum before the first job."""
MAX_REMARKS = 5
MAX_REMARK_CHARS = 200
_TLS_ALERT = b"\x15\x03"


@dataclass(slots=True, kw_only=True)
class Handshake:
    """Result of a handshake with one address, filled in as it proceeds."""

    endpoint: Endpoint
    peer: str = ""
    """Address and port that answered; empty without an answer."""
    connect_ms: float = 0.0
    """Name, TCP and TLS together."""
    answered: bool = False
    """Whether it sent anything."""
    subscribed: bool = False
    extranonce1: bytes = b""
    extranonce2_size: int = 0
    authorized: bool | None = None
    """None: no answer."""
    refusal: str = ""
    difficulty: float | None = None
    """None: the pool sent none."""
    version_mask: int | None = None
    """None: the pool did not answer."""
    job: PoolJob | None = None
    first_job_s: float | None = None
    """Seconds from the open connection to the job."""
    end: str = ""
    """Why the connection failed or ended; empty after a time-out or a success."""
    speaks_tls: bool = False
    """It answered a plain connection with TLS."""
    remarks: list[str] = field(default_factory=list)
    """Messages of the pool, and protocol violations."""


async def probe(endpoint: Endpoint, credentials: Credentials, *, timeout_s: float) -> Handshake:
    """Do the handshake and wait for the first job, at most ``timeout_s`` seconds; then close the connection."""
    link = _HandshakeLink(endpoint, credentials, timeout_s)
    cancel = dialer(timeout_s * DIAL_PART).dial(endpoint, link)
    try:
        await _within(link.done, timeout_s)
    finally:
        cancel()
        await link.finish()
    return link.result


@lru_cache(maxsize=4)
def dialer(timeout_s: float) -> NetDialer:
    """Cached: its TLS context takes about 0.1 s to load, which blocks the loop."""
    return NetDialer(timeout_s=lambda: timeout_s)


async def _within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False


class _HandshakeLink:
    """``LinkHandler`` of the connection and ``UpstreamOwner`` of its protocol."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, timeout_s: float) -> None:
        self.result = Handshake(endpoint=endpoint)
        self.done = asyncio.Event()
        """Set when the result is complete."""
        self._loop = asyncio.get_running_loop()
        self._upstream = Upstream(
            clock=LoopClock(self._loop),
            owner=self,
            credentials=credentials,
            context=PoolContext(patience=Patience(timeout_s)),
        )
        self._dialed_at = self._opened_at = self._loop.time()
        self._is_open = False
        self._closed = asyncio.Event()
        self._received = 0
        self._difficulty_timer: asyncio.TimerHandle | None = None

    async def finish(self) -> None:
        """Complete the result and close the connection; waits for its end at most ``FINISH_S``."""
        if self._difficulty_timer is not None:
            self._difficulty_timer.cancel()
        self.result.version_mask, self.result.job = self._upstream.version_mask, self._upstream.job
        if self._is_open and not self._closed.is_set():
            self._upstream.close("the check is done")
            await _within(self._closed, FINISH_S)

    # --- LinkHandler ----------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """The pool answered the dial."""
        self._is_open = True
        self._opened_at = self._loop.time()
        self.result.peer = link.peer
        self.result.connect_ms = (self._opened_at - self._dialed_at) * 1e3
        self._upstream.opened(link)

    def received(self, payload: bytes) -> None:
        """Count the bytes and pass them to the protocol."""
        if not self._received and payload.startswith(_TLS_ALERT):
            self.result.speaks_tls = True
        self.result.answered = True
        self._received += len(payload)
        if self._received <= MAX_BYTES:
            self._upstream.received(payload)
        elif not self.done.is_set():
            self._finish(_("sent %d MiB without getting to the point") % (MAX_BYTES >> 20))
            self._upstream.close("sends too much", wanted=False)

    def closed(self, reason: str) -> None:
        """The connection ended, or could not be opened."""
        self._closed.set()
        if self._is_open:
            self._upstream.closed(reason)
        else:
            self._finish(reason)

    # --- UpstreamOwner --------------------------------------------------------------------------------------------

    def upstream_subscribed(self, extranonce1: bytes, size: int) -> None:
        """Take the extranonce; the newest counts."""
        self.result.subscribed = True
        self.result.extranonce1, self.result.extranonce2_size = extranonce1, size

    def upstream_authorized(self, ok: bool, message: str) -> None:
        """Take the answer to the login."""
        self.result.authorized = ok
        self.result.refusal = "" if ok else readable(message)

    def upstream_job(self, job: PoolJob) -> None:
        """The first job ends the check, once its difficulty is known."""
        if self.result.first_job_s is not None:
            return
        self.result.first_job_s = max(0.0, job.received_at - self._opened_at)
        if self.result.difficulty is not None:
            self.done.set()
        else:
            self._difficulty_timer = self._loop.call_later(SETTLE_S, self.done.set)

    def upstream_difficulty(self, difficulty: float) -> None:
        """Before the job or right after it."""
        self.result.difficulty = difficulty
        if self.result.first_job_s is not None:
            self.done.set()

    def upstream_version_mask(self, version_mask: int) -> None:
        """Read from the connection in the end."""

    def upstream_late(self, accepted: bool) -> None:
        """Nothing is submitted."""

    def upstream_request(self, request: Request) -> None:
        """Report what the pool asks of its client; nothing is done about it."""
        if request.method in ("client.show_message", "client.reconnect"):
            self._remark(f"{request.method}: {' '.join(str(param)[:100] for param in request.params[:3])}")

    def upstream_problem(self, problem: RemoteProtocolError) -> None:
        """The pool broke the protocol."""
        self._remark(str(problem))

    def upstream_traffic(self, direction: str, line: bytes) -> None:
        """Not traced."""

    def upstream_closed(self, reason: str, wanted: bool) -> None:
        """The connection is over."""
        self._finish("" if wanted else reason)

    # --- The result ---------------------------------------------------------------------------------------------------

    def _remark(self, text: str) -> None:
        text = readable(text)
        if len(self.result.remarks) < MAX_REMARKS and text not in self.result.remarks:
            self.result.remarks.append(text)

    def _finish(self, reason: str) -> None:
        if not self.done.is_set():
            self.result.end = readable(reason)
            self.done.set()


def readable(text: str) -> str:
    """A peer's text as one short line without control characters."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_REMARK_CHARS]).strip()
