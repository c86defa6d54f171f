"""How a connection to a pool begins: its states and their legal moves, what is sent, what has come so far.

``configure`` and ``subscribe`` go in one write, then ``authorize`` once subscribe is answered.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from proxy.stratum.pool_job import NotifyTemplate
from proxy.stratum.submit_line import MAX_LINE_OUT
from proxy.stratum.version_rolling import USUAL_MASK, mask_text


class UpstreamState(StrEnum):
    """Where a connection to a pool stands."""

    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    AUTHORIZING = "authorizing"
    READY = "ready"
    CLOSED = "closed"


MOVES: dict[UpstreamState, tuple[UpstreamState, ...]] = {
    UpstreamState.CONNECTING: (UpstreamState.SUBSCRIBING, UpstreamState.CLOSED),
    UpstreamState.SUBSCRIBING: (UpstreamState.AUTHORIZING, UpstreamState.CLOSED),
    UpstreamState.AUTHORIZING: (UpstreamState.READY, UpstreamState.CLOSED),
    UpstreamState.READY: (UpstreamState.CLOSED,),
    UpstreamState.CLOSED: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How we log in to a pool."""

    agent: str
    user: str
    password: str
    minimum_difficulty: float | None = None
    """Asked for by BIP 310's minimum-difficulty; None: not asked for."""


NEEDED = ("mining.subscribe", "mining.authorize")
"""Calls without whose answer a connection is no use."""


@dataclass(slots=True)
class HandshakeProgress:
    """What the handshake has brought so far."""

    minimum_asked: bool = False
    configured: bool = False
    """Configure was answered, or nobody waits for the answer any more."""
    configure_late: int | None = None
    """The id of configure once nobody waits for its answer: it is taken whenever it comes."""
    authorized: bool = False
    early_job: NotifyTemplate | None = None
    """A job that came before the answer to subscribe."""
    difficulty_seen: bool = False


COMPLETE = HandshakeProgress(configured=True, authorized=True, difficulty_seen=True)
"""Nothing changes in it any more, so one is enough for all connections."""


def configure_params(minimum: float | None) -> list[Any]:
    """Of ``mining.configure``. ``minimum-difficulty`` keeps MiningCore from lowering an idle connection's difficulty;
    others ignore it."""
    extensions = ["version-rolling"]
    parameters: dict[str, Any] = {"version-rolling.mask": mask_text(USUAL_MASK), "version-rolling.min-bit-count": 2}
    if minimum is not None:
        extensions.append("minimum-difficulty")
        parameters["minimum-difficulty.value"] = int(minimum) if minimum >= 1 else minimum
    return [extensions, parameters]


def authorize_params(credentials: Credentials) -> list[str]:
    """Of ``mining.authorize``; a password that makes the line too long is left out."""
    user, password = credentials.user, credentials.password
    is_long = len(user.encode()) + len(password.encode()) > MAX_LINE_OUT - 123
    return [user, "x" if is_long else password]
