"""One handshake with one address of a pool, over the same code that miners' connections use, and what came of it."""

import asyncio
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from proxy.config.snapshot import Endpoint
from proxy.errors import RemoteProtocolError
from proxy.net.clock import LoopClock
from proxy.net.dialer import NetDialer
from proxy.ports import Link
from proxy.stratum.codec import Request
from proxy.stratum.patience import Patience
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.upstream import Credentials, Upstream
from proxy.stratum.upstream_owner import ShareAnswer

DIAL_PART = 2 / 3
"""Part of the time that connecting (with TLS) may take."""
SETTLE_S = 0.5
"""How long a job waits for its difficulty: some pools send it after the job."""
LEAVE_S = 1.0
MAX_BYTES = 1 << 20
"""More than that before the first job is no handshake."""
MAX_REMARKS = 5
MAX_REMARK_CHARS = 200
_TLS_ALERT = b"\x15\x03"


@dataclass(slots=True, kw_only=True)
class Findings:
    """What one address of a pool did; filled in as it happens."""

    endpoint: Endpoint
    peer: str = ""
    """Address and port that answered; empty where nobody did."""
    connect_ms: float = 0.0
    """Name, TCP and TLS together."""
    answered: bool = False
    """It sent anything at all."""
    subscribed: bool = False
    extranonce1: bytes = b""
    extranonce2_size: int = 0
    authorized: bool | None = None
    """None: no answer."""
    refusal: str = ""
    difficulty: float | None = None
    """None: the pool said none."""
    version_mask: int | None = None
    """None: the pool did not say."""
    job: PoolJob | None = None
    first_job_s: float | None = None
    """From the open connection to the job."""
    end: str = ""
    """Why the connection ended by itself, or never came to be; empty where the time ran out or all went well."""
    speaks_tls: bool = False
    """It answered a plain connection with TLS."""
    remarks: list[str] = field(default_factory=list)
    """What the pool wanted to be read, and how it broke the protocol."""


async def probe(endpoint: Endpoint, credentials: Credentials, *, timeout_s: float) -> Findings:
    """Shake hands and wait for the first job, for ``timeout_s`` seconds at most. The connection is closed after."""
    handshake = _Handshake(endpoint, credentials, timeout_s)
    cancel = dialer(timeout_s * DIAL_PART).dial(endpoint, handshake)
    try:
        await _within(handshake.done, timeout_s)
    finally:
        cancel()
        await handshake.leave()
    return handshake.findings


@lru_cache(maxsize=4)
def dialer(timeout_s: float) -> NetDialer:
    """Kept, for its TLS context takes about 0.1 s to load, during which the loop that also serves miners stands."""
    return NetDialer(timeout_s=lambda: timeout_s)


async def _within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False


class _Handshake:
    """``LinkHandler`` of the connection and ``UpstreamOwner`` of its protocol."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, timeout_s: float) -> None:
        self.findings = Findings(endpoint=endpoint)
        self.done = asyncio.Event()
        """Set once there is nothing more to learn."""
        self._loop = asyncio.get_running_loop()
        self._upstream = Upstream(
            clock=LoopClock(self._loop), owner=self, credentials=credentials, patience=Patience(timeout_s)
        )
        self._dialed_at = self._opened_at = self._loop.time()
        self._is_open = False
        self._closed = asyncio.Event()
        self._received = 0
        self._settle: asyncio.TimerHandle | None = None

    async def leave(self) -> None:
        """Close what is open and take down what is known; a pool that does not let go is not waited for long."""
        if self._settle is not None:
            self._settle.cancel()
        self.findings.version_mask, self.findings.job = self._upstream.version_mask, self._upstream.job
        if self._is_open and not self._closed.is_set():
            self._upstream.close("the check is done")
            await _within(self._closed, LEAVE_S)

    # --- LinkHandler ----------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """The pool answered the dial."""
        self._is_open = True
        self._opened_at = self._loop.time()
        self.findings.peer = link.peer
        self.findings.connect_ms = (self._opened_at - self._dialed_at) * 1e3
        self._upstream.opened(link)

    def received(self, payload: bytes) -> None:
        """Bytes from the pool."""
        if not self._received and payload.startswith(_TLS_ALERT):
            self.findings.speaks_tls = True
        self.findings.answered = True
        self._received += len(payload)
        if self._received <= MAX_BYTES:
            self._upstream.received(payload)
        elif not self.done.is_set():
            self._over(_("sent %d MiB without getting to the point") % (MAX_BYTES >> 20))
            self._upstream.close("sends too much", wanted=False)

    def closed(self, reason: str) -> None:
        """The stream ended, or never began."""
        self._closed.set()
        if self._is_open:
            self._upstream.closed(reason)
        else:
            self._over(reason)

    # --- UpstreamOwner --------------------------------------------------------------------------------------------

    def upstream_subscribed(self, extranonce1: bytes, size: int) -> None:
        """The newest counts: it is what shares are made with."""
        self.findings.subscribed = True
        self.findings.extranonce1, self.findings.extranonce2_size = extranonce1, size

    def upstream_authorized(self, ok: bool, message: str) -> None:
        """A refusal is followed by the end."""
        self.findings.authorized = ok
        self.findings.refusal = "" if ok else readable(message)

    def upstream_job(self, job: PoolJob) -> None:
        """The first one ends the check, once its difficulty is known."""
        if self.findings.first_job_s is not None:
            return
        self.findings.first_job_s = max(0.0, job.received_at - self._opened_at)
        if self.findings.difficulty is not None:
            self.done.set()
        else:
            self._settle = self._loop.call_later(SETTLE_S, self.done.set)

    def upstream_difficulty(self, difficulty: float) -> None:
        """Before the job or right after it."""
        self.findings.difficulty = difficulty
        if self.findings.first_job_s is not None:
            self.done.set()

    def upstream_version_mask(self, version_mask: int) -> None:
        """Read from the connection in the end."""

    def upstream_answer(self, token: Any, answer: ShareAnswer) -> None:
        """Nothing is submitted."""

    def upstream_late(self, accepted: bool) -> None:
        """Nothing is submitted."""

    def upstream_request(self, request: Request) -> None:
        """What the pool wants of its client is told, not done."""
        if request.method in ("client.show_message", "client.reconnect"):
            self._remark(f"{request.method}: {' '.join(str(param)[:100] for param in request.params[:3])}")

    def upstream_problem(self, problem: RemoteProtocolError) -> None:
        """The pool broke the protocol."""
        self._remark(str(problem))

    def upstream_traffic(self, direction: str, line: bytes) -> None:
        """Not traced."""

    def upstream_closed(self, reason: str, wanted: bool) -> None:
        """The connection is over."""
        self._over("" if wanted else reason)

    # --- Its own ---------------------------------------------------------------------------------------------------

    def _remark(self, text: str) -> None:
        text = readable(text)
        if len(self.findings.remarks) < MAX_REMARKS and text not in self.findings.remarks:
            self.findings.remarks.append(text)

    def _over(self, reason: str) -> None:
        if not self.done.is_set():
            self.findings.end = readable(reason)
            self.done.set()


def readable(text: str) -> str:
    """A peer's text for people: one line without control characters, not long."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_REMARK_CHARS]).strip()
