"""The settings of a pool: addresses, wallet, difficulty, how miners are connected; and when pools count as down."""

import re
from dataclasses import dataclass
from enum import StrEnum

from proxy.types import AdminStatus, Chain, PoolKey, WorkerName

DIFFICULTY_PLACEHOLDER = "{difficulty}"
"""In a pool's password: stands for the difficulty that suits the miner (MiningCore keeps one given as ``d=``)."""
POOL_KEY = re.compile(r"[A-Z][A-Z0-9]{0,7}")
_MOVING = ("endpoints", "wallet", "password", "user_format")
"""Fields of a pool whose change needs new upstream connections."""
_WORKER_PART = re.compile(r"[.\-_/+:]*\{worker\}")
_PASSWORD_PART = re.compile(r"(?:^|[;,])[^;,]*")
USUAL_SHARED = 40
"""Shared connections to a pool at most."""


class Tls(StrEnum):
    """How a connection to a pool is encrypted."""

    OFF = "off"
    VERIFY = "verify"
    INSECURE = "insecure"
    """TLS without a check of the certificate."""


class Connections(StrEnum):
    """How miners are connected to a pool."""

    OWN = "own"
    """Each miner has a connection of its own."""
    SHARED = "shared"
    """Many miners have one together."""
    AUTOMATIC = "automatic"
    """Own ones up to a number of miners, then shared."""


class GroupBy(StrEnum):
    """Which miners may share a connection: those that have the same user name at the pool."""

    NOTHING = "nothing"
    """All: the user name is without the worker."""
    ACCOUNT = "account"
    """Those with the same first part of their user name, up to the dot."""
    WORKER = "worker"
    """Those with the same worker name."""


class PayoutAction(StrEnum):
    """What a failed payout check does."""

    ALARM = "alarm"
    EXCLUDE = "take-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Address of a pool."""

    host: str
    port: int
    tls: Tls = Tls.OFF

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One pool: its addresses, its wallet and the limits of its miners' difficulty."""

    key: PoolKey
    name: str = ""
    chain: Chain = Chain.OTHER
    wallet: str
    """The address or account name that stands before the worker in the pool's user name."""
    password: str = ""
    """Empty: the miner's own password is passed on. ``DIFFICULTY_PLACEHOLDER`` is filled in, see ``password_for``."""
    endpoints: tuple[Endpoint, ...]
    """In order of preference."""
    user_format: str = "{wallet}.{worker}"
    min_difficulty: float | None = None
    """Floor of miners' difficulty; shares between the pool's own difficulty and this floor are not found."""
    max_difficulty: float | None = None
    """Cap for the floor and for temporary difficulties; never applied below the pool's own difficulty."""
    status: AdminStatus = AdminStatus.ENABLED
    solo: bool = False
    """Whether the coinbase must pay the wallet (payout check)."""
    payout_min_percent: float = 95.0
    payout_action: PayoutAction = PayoutAction.ALARM
    extranonce2_size: int | None = None
    """Bytes, as last seen on this pool; None while not known."""
    connections: Connections = Connections.OWN
    own_up_to: int = 50
    """Automatic: miners share connections while more than so many are connected to the proxy."""
    most_miners: int = 250
    """On one shared connection."""
    most_connections: int = USUAL_SHARED
    """Shared connections to this pool."""
    group_by: GroupBy = GroupBy.NOTHING
    shares_per_minute: float = 15.0
    """The aim of each miner's difficulty on shared connections."""

    @property
    def label(self) -> str:
        """Name to show."""
        return self.name or self.key

    def moved_from(self, old: "PoolConfig") -> bool:
        """Whether connections made with ``old`` must be replaced."""
        return any(getattr(self, name) != getattr(old, name) for name in _MOVING)

    @property
    def may_share(self) -> bool:
        """Whether miners may come to share connections."""
        return self.connections is not Connections.OWN

    def shared_user(self, group: str) -> str:
        """The user name of a shared connection for the miners of ``group``; "" for all: without ``{worker}`` and what
        stands between it and the rest."""
        if group:
            return self.user_for(WorkerName(group))
        return _WORKER_PART.sub("", self.user_format).replace("{wallet}", self.wallet)

    def password_for(self, difficulty: float | None) -> str:
        """The password to log in with for a miner that suits ``difficulty`` (None: unknown).

        ``DIFFICULTY_PLACEHOLDER`` becomes a plain number, whole from 1 on. Where the difficulty is unknown, the part
        with the placeholder is left out with its separator (``;`` as MiningCore reads passwords, ``,`` as yiimp does):
        ``x;d={difficulty}`` becomes ``x``, and so does a password that is only the placeholder. Empty only if the
        password is empty.
        """
        if DIFFICULTY_PLACEHOLDER not in self.password:
            return self.password
        if difficulty is not None:
            return self.password.replace(DIFFICULTY_PLACEHOLDER, _plain_number(difficulty))
        parts = _PASSWORD_PART.findall(self.password)
        kept = "".join(part for part in parts if DIFFICULTY_PLACEHOLDER not in part)
        return (kept if DIFFICULTY_PLACEHOLDER not in parts[0] else kept[1:]) or "x"

    def user_for(self, worker: WorkerName) -> str:
        """The user name to log in with for ``worker``."""
        return self.user_format.replace("{wallet}", self.wallet).replace("{worker}", worker)


def _plain_number(value: float) -> str:
    """Without exponent, sign or needless zeros."""
    return str(int(value)) if value >= 1 else f"{value:.10f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """When a pool counts as down, and when as up again."""

    rise: int = 2
    fall: int = 3
    dial_timeout_s: float = 5.0
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0
    request_stall_s: float = 10.0
    job_stall_min_s: float = 120.0
    returns_per_s: float = 5.0
    """Miners that go back to a pool each second after its recovery."""
    no_pool_minutes: float = 10.0
    """After so long without any pool, miners are disconnected, so that they use their own fallback; 0: never."""
