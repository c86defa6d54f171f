"""Events of pools and of the connections to them."""

from proxy.observe.events.stream import DEBUG, ERROR, WARNING, Event, event
from proxy.types import Chain, ConnectionId, PoolKey, PoolStatus, SessionId


@event("pool_connecting", DEBUG)
class PoolConnecting(Event):
    """Connecting to a pool; ``probe``: the connection serves no miner."""

    pool: PoolKey
    connection: ConnectionId
    endpoint: str
    probe: bool
    session: SessionId | None = None


@event("pool_connected", limited=True)
class PoolConnected(Event):
    """A connection to a pool is open."""

    pool: PoolKey
    connection: ConnectionId
    endpoint: str
    probe: bool
    latency_ms: float
    session: SessionId | None = None


@event("pool_disconnected", limited=True)
class PoolDisconnected(Event):
    """A connection to a pool ended; exactly one for each `pool_connected`."""

    pool: PoolKey
    connection: ConnectionId
    reason: str
    wanted: bool
    """Whether we closed it."""
    session: SessionId | None = None


@event("pool_reconnect_wait", DEBUG)
class PoolReconnectWait(Event):
    """The next attempt to connect waits ``delay_s`` seconds."""

    pool: PoolKey
    delay_s: float
    session: SessionId | None = None


@event("pool_reconnect_failed", limited=True)
class PoolReconnectFailed(Event):
    """An attempt to connect, or the handshake after it, failed."""

    pool: PoolKey
    endpoint: str
    reason: str
    session: SessionId | None = None


@event("pool_down", WARNING)
class PoolDown(Event):
    """A pool is down; its miners are moved to other pools."""

    pool: PoolKey
    reason: str


@event("pool_reconnected")
class PoolUp(Event):
    """A pool is up. ``down_s`` is 0 the first time."""

    pool: PoolKey
    down_s: float


@event("pool_state", DEBUG)
class PoolStateChanged(Event):
    """A pool's operational state changed."""

    pool: PoolKey
    old: PoolStatus
    new: PoolStatus


@event("subscribe_result", DEBUG)
class SubscribeResult(Event):
    """A pool answered subscribe, or changed the extranonce later."""

    pool: PoolKey
    connection: ConnectionId
    extranonce1: str
    extranonce2_size: int
    session: SessionId | None = None


@event("auth_result", limited=True)
class AuthResult(Event):
    """A pool answered authorize."""

    pool: PoolKey
    connection: ConnectionId
    user: str
    ok: bool
    message: str
    session: SessionId | None = None


@event("pool_notify", DEBUG)
class PoolNotify(Event):
    """A pool sent a job; emitted once, on however many connections it comes. ``connection``: the first of them."""

    pool: PoolKey
    connection: ConnectionId
    chain: Chain
    job: str
    prevhash: bytes
    """As a header holds it, 32 bytes."""
    version: int
    nbits: int
    ntime: int
    clean: bool
    coinbase1: bytes
    extranonce1: bytes
    extranonce2_size: int
    coinbase2: bytes
    session: SessionId | None = None


@event("connection_tip", DEBUG)
class ConnectionTipChanged(Event):
    """A connection to a pool brought its first job, or the first one on another block (or for another target)."""

    pool: PoolKey
    connection: ConnectionId
    chain: Chain
    height: int
    """Of the block that is looked for; 0 where the coinbase does not tell (BIP 34)."""
    prevhash: bytes
    """As a header holds it, 32 bytes."""
    nbits: int
    session: SessionId | None = None


@event("pool_diff", DEBUG)
class PoolDifficulty(Event):
    """A pool set the difficulty of a connection; it holds from the next job on."""

    pool: PoolKey
    connection: ConnectionId
    difficulty: float
    session: SessionId | None = None


@event("pool_version_mask", DEBUG)
class PoolVersionMask(Event):
    """A pool allowed version bits on a connection (0: none)."""

    pool: PoolKey
    connection: ConnectionId
    mask: int
    session: SessionId | None = None


@event("pool_message", limited=True)
class PoolMessage(Event):
    """A pool sent ``client.show_message``."""

    pool: PoolKey
    text: str


@event("pool_redirect", limited=True)
class PoolRedirect(Event):
    """A pool sent ``client.reconnect``; it is followed only to the same host or a configured address."""

    pool: PoolKey
    target: str
    honoured: bool


@event("pool_bad_message", limited=True)
class PoolProtocolError(Event):
    """A pool broke the protocol."""

    pool: PoolKey
    connection: ConnectionId
    problem: str
    session: SessionId | None = None


@event("no_pool_for_long", ERROR)
class NoPoolForLong(Event):
    """No pool has worked for ``minutes``: miners are disconnected and refused, so that they use their own fallback."""

    minutes: float
    miners: int


@event("pool_works_again")
class PoolWorksAgain(Event):
    """After that, a pool works again; miners are accepted again."""

    after_s: float
