"""Ids and enums used everywhere."""

from collections.abc import Hashable
from enum import StrEnum
from functools import lru_cache
from typing import NewType, TypeVar, cast

Alike = TypeVar("Alike", bound=Hashable)

PoolKey = NewType("PoolKey", str)
"""What the operator calls a pool: ``A``, ``B``, ...; the label in metrics, logs and pages."""

SessionId = NewType("SessionId", int)
"""One miner's connection, from accept to close. Never used twice in a process."""

ConnectionId = NewType("ConnectionId", int)
"""One connection to a pool. Never used twice in a process."""

WorkerName = NewType("WorkerName", str)
"""The miner's own name: what stands after the last dot of its user name."""

ListenerId = NewType("ListenerId", int)
"""A port that miners connect to."""
MAIN_LISTENER, TLS_LISTENER = ListenerId(0), ListenerId(-1)
"""The two that the proxy settings have; others have the numbers of their rows."""

JobId = NewType("JobId", str)
"""A job id of ours, unique within a session."""


class LineCount:
    """Lines that came and went on all connections of one side, miners or one pool, since the process started.

    The connections share it and add to it, so it never falls when one ends. Read when metrics are scraped.
    """

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0


HASHES_PER_DIFFICULTY = 2**32
"""Expected hashes for one share of difficulty 1. Injected wherever it matters, so that tests can mine for real."""


class Chain(StrEnum):
    """The chain a pool mines, as far as the proxy needs to tell them apart."""

    BTC = "BTC"
    BCH = "BCH"
    DGB = "DGB"
    OTHER = "OTHER"


class PoolStatus(StrEnum):
    """Operational state of a pool (what is), in HAProxy's words."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


class AdminStatus(StrEnum):
    """What the operator wants of a pool, apart from what it is."""

    ENABLED = "enabled"
    DRAIN = "drain"
    DISABLED = "disabled"


class Verdict(StrEnum):
    """How a share ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNANSWERED = "unanswered"
    WORK = "work"
    """It reached the difficulty that the miner was given and not the pool's, so it went no further: a miner on a shared
    connection was told the truth, that it is accepted."""


class DecidedBy(StrEnum):
    """Who decided a share's verdict."""

    POOL = "pool"
    PROXY = "proxy"


class Reason(StrEnum):
    """Why a share was not accepted. ``NONE`` for an accepted one."""

    NONE = "none"
    STALE = "stale"
    UNKNOWN_JOB = "unknown_job"
    DUPLICATE = "duplicate"
    LOW_DIFFICULTY = "low_difficulty"
    FRACTION = "fraction"
    """Between the rounded-down difficulty that integer-only firmware got and the pool's own."""
    BAD_PARAMS = "bad_params"
    VERSION = "version"
    NTIME = "ntime"
    EXTRANONCE = "extranonce"
    UNAUTHORIZED = "unauthorized"
    NOT_SUBSCRIBED = "not_subscribed"
    POOL_LOST = "pool_lost"
    """The upstream session that issued its job ended before it could be sent or answered."""
    TIMEOUT = "timeout"
    OTHER = "other"


class Waste(StrEnum):
    """What a miner sends that earns nothing."""

    SHARES = "shares"
    """Refused by the proxy itself."""
    CALLS = "calls"
    """Handshakes, suggestions, unknown methods, answers to nothing."""
    LINES = "lines"
    """No messages, or wrong ones."""
    BLANKS = "blanks"
    PASSWORDS = "passwords"
    """Wrong ones."""


class BlockFate(StrEnum):
    """What became of a block candidate whose upstream session broke before its pool had answered."""

    WAITING = "waiting"
    """Kept, to be sent once the session is resumed."""
    SENT = "sent"
    """Sent on the resumed session, not answered yet."""
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    """The pool had it already: only its answer was lost."""
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"
    """Sent on the resumed session, which broke as well."""
    NO_SESSION = "no_session"
    """The pool names no session that could be resumed."""
    NEW_SESSION = "new_session"
    """The pool gave another extranonce1."""
    LOGIN_REFUSED = "login_refused"
    EXPIRED = "expired"
    """It could not be sent while the pool knew its job."""
    POOL_REMOVED = "pool_removed"
    """The operator removed the pool or switched it off."""
    TOO_MANY = "too_many"
    """More candidates waited than are kept."""


class SwitchReason(StrEnum):
    """Why a session was moved to a pool."""

    START = "start"
    SLICE = "slice"
    ASSIGN = "assign"
    FAILOVER = "failover"
    RETURN = "return"
    WEIGHT = "weight"
    OPERATOR = "operator"
    EXCLUDED = "excluded"


def shared(value: Alike) -> Alike:
    """Return one object for all equal ones: a thousand sessions hold the same few."""
    return cast(Alike, _one_of(value))


@lru_cache(maxsize=256)
def _one_of(value: Hashable) -> Hashable:
    return value
