"""Events of best shares, blocks, chains and payouts."""

from proxy.observe.events.stream import DEBUG, ERROR, WARNING, Event, event
from proxy.types import BlockFate, Chain, PoolKey, WorkerName


@event("best_share", limited=True)
class BestShare(Event):
    """A worker found its best share so far on a chain."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    true_difficulty: float
    previous: float


@event("block_found", WARNING)
class BlockFound(Event):
    """The pool answered a block candidate, or will not answer."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    accepted: bool


@event("block_kept", WARNING)
class BlockKept(Event):
    """A block candidate's upstream session broke before the pool answered: it is sent once if the pool resumes it."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes


@event("block_resent", WARNING)
class BlockResent(Event):
    """The session of a kept block candidate was resumed: it is sent now, for the only time."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes


@event("block_delivered", WARNING)
class BlockDelivered(Event):
    """The pool answered a kept block candidate. ``fate`` `arrived`: it had the block already; its answer was lost."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    fate: BlockFate
    accepted: bool
    message: str
    """The pool's error message, if it refused."""


@event("block_not_delivered", ERROR)
class BlockNotDelivered(Event):
    """A block candidate could not be delivered to its pool; header and coinbase are in the journal."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    fate: BlockFate
    reason: str


@event("new_block_seen", DEBUG)
class NewBlockSeen(Event):
    """A pool announced a new block. ``behind_s``: seconds after the first pool that did."""

    pool: PoolKey
    chain: Chain
    height: int
    prevhash: bytes
    nbits: int
    """Of the job on top of it."""
    behind_s: float


@event("pool_behind", WARNING)
class PoolBehind(Event):
    """A pool is behind the other pools of its chain, or on another tip; ``cleared`` when it no longer is."""

    pool: PoolKey
    chain: Chain
    detail: str
    cleared: bool


@event("network_difficulty_doubted", WARNING)
class NetworkDifficultyDoubted(Event):
    """A pool's jobs name a network difficulty that its chain cannot have; ``cleared`` once they make sense again.

    Its shares go up as before, and what reaches the difficulty known of the chain counts as a block.
    """

    pool: PoolKey
    chain: Chain
    claimed: float
    known: float
    """The least that the chain is known to have."""
    cleared: bool


@event("stale_tip_left", WARNING)
class StaleTipLeft(Event):
    """Miners are moved off connections on which a pool still builds on an old block."""

    pool: PoolKey
    chain: Chain
    height: int
    """Of the block that the pool still builds on."""
    late_s: float


@event("chain_split", WARNING)
class ChainSplit(Event):
    """Pools of one chain follow different branches that both grow. Miners are not moved."""

    chain: Chain
    height: int
    """Of the first block that was seen to differ."""
    sides: tuple[str, ...]
    """The pools of each branch, as ``A+C``; empty when the chain is one again."""
    cleared: bool


@event("payout_checked")
class PayoutChecked(Event):
    """The outputs of a pool's coinbase changed and were checked."""

    pool: PoolKey
    percent: float
    ok: bool
    outputs: tuple[tuple[str, int], ...]
    """Address or script type, and satoshis."""


@event("names_stored_together", WARNING)
class NamesStoredTogether(Event):
    """More new worker names came than history takes in an hour; the shares of further ones are stored together.

    Told once an hour, with one of them. The pages show each worker by its name.
    """

    worker: WorkerName
    stored_as: WorkerName
