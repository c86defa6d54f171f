"""Events of miners' connections."""

from proxy.observe.events.stream import DEBUG, WARNING, Event, event
from proxy.types import PoolKey, SessionId, WorkerName


@event("miner_connected", limited=True)
class MinerConnected(Event):
    """A miner opened a connection.

    ``listener``: the port's name. ``through``: the load balancer that named the peer; empty without one.
    """

    session: SessionId
    peer: str
    listener: str = ""
    through: str = ""


@event("miner_refused", WARNING, limited=True)
class MinerRefused(Event):
    """Connections were closed at once because of a limit: the first of an address, or further ones of a minute.

    ``peer``: the last of them. ``connections``: how many.
    """

    peer: str
    limit: str
    connections: int = 1
    listener: str = ""


@event("miner_slowed", limited=True)
class MinerSlowed(Event):
    """A miner is read more slowly because it sends much that earns nothing: refused shares, bad or needless messages.

    Once for each connection.
    """

    session: SessionId
    worker: WorkerName
    peer: str


@event("address_refused", WARNING, limited=True)
class AddressRefused(Event):
    """Connections from an address are refused for a while, as those it had sent too much that earns nothing.

    ``closed``: how many connections of it were closed for that.
    """

    address: str
    seconds: float
    closed: int


@event("miner_disconnected", limited=True)
class MinerDisconnected(Event):
    """A miner's connection ended."""

    session: SessionId
    worker: WorkerName
    peer: str
    reason: str
    duration_s: float


@event("miner_other_protocol", limited=True)
class MinerOtherProtocol(Event):
    """A connection was closed at once because it speaks no Stratum V1, or not with TLS where it should.

    ``protocol``: ``tls``, ``http``, ``stratum-v2``, ``proxy``, ``binary``, ``text`` or ``plain``.
    Once an hour for each address.
    """

    session: SessionId
    peer: str
    protocol: str
    reason: str


@event("miner_method", DEBUG)
class MinerMethod(Event):
    """A miner called a method other than submit."""

    session: SessionId
    worker: WorkerName
    method: str


@event("miner_bad_json", limited=True)
class MinerBadMessage(Event):
    """A miner sent a line that is not a valid Stratum message."""

    session: SessionId
    worker: WorkerName
    problem: str


@event("miner_subscribed", limited=True)
class MinerSubscribed(Event):
    """A miner subscribed and got its extranonce for the life of its connection."""

    session: SessionId
    agent: str
    profile: str
    extranonce1: str
    extranonce2_size: int


@event("miner_configured", DEBUG)
class MinerConfigured(Event):
    """A miner negotiated extensions (BIP 310)."""

    session: SessionId
    extensions: tuple[str, ...]
    version_mask: int


@event("miner_authorized", limited=True)
class MinerAuthorized(Event):
    """A miner authorized a worker. ``first``: the one that names the session."""

    session: SessionId
    worker: WorkerName
    user: str
    peer: str
    agent: str
    profile: str
    first: bool
    listener: str = ""


@event("miner_wrong_password", limited=True)
class MinerWrongPassword(Event):
    """A miner authorised without the password that the operator set for miners."""

    session: SessionId
    user: str
    peer: str
    listener: str = ""


@event("miner_directive_ignored", limited=True)
class DirectiveIgnored(Event):
    """A miner asked in its password for something that its listener allows, in a way that cannot be used."""

    session: SessionId
    worker: WorkerName
    problem: str
    listener: str


@event("authorize_rewrite", DEBUG)
class AuthorizeRewrite(Event):
    """A miner's user name was replaced by the one for the pool."""

    session: SessionId
    pool: PoolKey
    user: str
    upstream_user: str


@event("miner_ready_for_jobs", limited=True)
class MinerReady(Event):
    """A miner got its first job."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey


@event("miner_waiting", limited=True)
class MinerWaiting(Event):
    """A miner stays connected although no pool has work for it; ``reason`` says what to do."""

    session: SessionId
    worker: WorkerName
    reason: str


@event("pool_excluded", WARNING, limited=True)
class PoolExcluded(Event):
    """A pool cannot be used by this miner until it reconnects or something changes."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    reason: str
