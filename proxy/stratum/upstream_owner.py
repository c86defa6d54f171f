"""What a connection to a pool tells whoever uses it, and whoever waits for its answer to a share."""

from typing import NamedTuple, Protocol

from proxy.errors import RemoteProtocolError
from proxy.stratum.codec import ErrorInfo, Request
from proxy.stratum.pool_job import PoolJob


class ShareAnswer(NamedTuple):
    """A pool's verdict on a share, or why there is none (``lost``)."""

    accepted: bool
    error: ErrorInfo | None
    latency_s: float
    lost: bool = False
    """The pool did not answer: the connection ended or the time ran out."""
    version_bits: int | None = None
    """The version bits that it was sent; None for none."""


class PendingSubmit(Protocol):
    """A share that was sent to its pool."""

    def answered(self, answer: ShareAnswer) -> None:
        """Take the pool's answer, or that there is none. Called exactly once."""

    def accepted(self, latency_s: float, version_bits: int | None) -> None:
        """As ``answered`` with a ``ShareAnswer`` that the pool accepted it: the usual case, without making one."""

    def answered_late(self, answer: ShareAnswer) -> None:
        """Take the answer to a share that ended as lost because time ran out: its connection still stood."""

    def given_up(self) -> None:
        """No late answer can come any more: the connection ended, or too many shares wait for one."""


class UpstreamOwner(Protocol):
    """Who uses a connection. All calls come from within ``Upstream``'s own callbacks."""

    def upstream_subscribed(self, extranonce1: bytes, size: int) -> None:
        """Subscribe was answered, or the pool set another extranonce."""

    def upstream_authorized(self, ok: bool, message: str) -> None:
        """Authorize was answered; a refusal is followed by a close."""

    def upstream_job(self, job: PoolJob) -> None:
        """A job came. Only in state READY; one that came earlier is handed over on becoming READY."""

    def upstream_difficulty(self, difficulty: float) -> None:
        """The pool set the difficulty of the jobs to come."""

    def upstream_version_mask(self, version_mask: int) -> None:
        """The pool allowed other version bits."""

    def upstream_late(self, accepted: bool) -> None:
        """A verdict came after its share had ended as lost."""

    def upstream_request(self, request: Request) -> None:
        """A ``client.*`` message or any other that is meant for the client."""

    def upstream_problem(self, problem: RemoteProtocolError) -> None:
        """The pool broke the protocol; the connection goes on."""

    def upstream_traffic(self, direction: str, line: bytes) -> None:
        """A raw line (only if ``Upstream.traced``)."""

    def upstream_closed(self, reason: str, wanted: bool) -> None:
        """The connection is over. Called once, last, after every open submit got its answer."""
