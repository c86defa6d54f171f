"""Best shares, blocks, chains and payouts."""

from proxy.observe.events.stream import DEBUG, ERROR, WARNING, Event, event
from proxy.types import BlockFate, Chain, PoolKey, WorkerName


@event("best_share")
class BestShare(Event):
    """A worker beat its own best share of all time on a chain."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    true_difficulty: float
    previous: float


@event("block_found", WARNING)
class BlockFound(Event):
    """A block candidate's verdict is known."""

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
    """The pool answered a kept block candidate. ``fate`` `arrived`: it had it already, only its answer was lost."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    fate: BlockFate
    accepted: bool
    message: str
    """The pool's words where it refused."""


@event("block_not_delivered", ERROR)
class BlockNotDelivered(Event):
    """A block candidate could not be brought to its pool; header and coinbase are in the journal."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    fate: BlockFate
    reason: str


@event("new_block_seen", DEBUG)
class NewBlockSeen(Event):
    """A chain's tip moved, as a pool told it. ``behind_s`` 0 for the first pool that did."""

    pool: PoolKey
    chain: Chain
    height: int
    prevhash: bytes
    nbits: int
    """Of the job on top of it."""
    behind_s: float


@event("pool_behind", WARNING)
class PoolBehind(Event):
    """A pool is late with, or on another tip than, the other pools of its chain."""

    pool: PoolKey
    chain: Chain
    detail: str
    cleared: bool


@event("stale_tip_left", WARNING)
class StaleTipLeft(Event):
    """Miners begin to leave a pool's connections that have not heard of a block others have had for a while."""

    pool: PoolKey
    chain: Chain
    height: int
    """Of the block that the pool still builds on."""
    late_s: float


@event("chain_split", WARNING)
class ChainSplit(Event):
    """Pools of one chain follow different branches, and each grows. Nobody is moved for it."""

    chain: Chain
    height: int
    """Of the first block that was seen to differ."""
    sides: tuple[str, ...]
    """The pools of each branch, as ``A+C``; empty when the chain is one again."""
    cleared: bool


@event("payout_checked")
class PayoutChecked(Event):
    """A new set of coinbase outputs was decoded."""

    pool: PoolKey
    percent: float
    ok: bool
    outputs: tuple[tuple[str, int], ...]
    """Address or script type, and satoshis."""
