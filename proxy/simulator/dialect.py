"""How different pool software speaks: each habit a named field, each software a constant."""

from dataclasses import dataclass
from enum import StrEnum


class ErrorShape(StrEnum):
    """How a refusal looks on the wire."""

    ARRAY = "array"
    OBJECT = "object"
    STRING = "string"
    REJECT_REASON = "reject-reason"


class FirstJob(StrEnum):
    """When a new client gets its difficulty and first job."""

    AFTER_SUBSCRIBE = "after_subscribe"
    AFTER_BOTH = "after_both"


class Extension(StrEnum):
    """What the pool makes of a method that is not everybody's."""

    SUPPORTED = "supported"
    REFUSED = "refused"
    SILENT = "silent"


class Suggestion(StrEnum):
    """What the pool makes of ``mining.suggest_difficulty``; ``ACKNOWLEDGED`` answers true and does nothing."""

    ANY = "any"
    INTEGER = "integer"
    ONCE = "once"
    REFUSED = "refused"
    IGNORED = "ignored"
    ACKNOWLEDGED = "acknowledged"


class Rebuild(StrEnum):
    """How the pool makes the version that was hashed from its job's and the bits of the submit."""

    REPLACE = "replace"
    """BIP 310: ``version & ~mask | bits & mask``."""
    OR = "or"
    XOR = "xor"


class LowBlock(StrEnum):
    """What becomes of a hash that is a block, but above the target of the share's difficulty."""

    LOST = "lost"
    """Refused unseen: public-pool compares with the network's difficulty only what met the session's."""
    DELIVERED = "delivered"
    """Given to the node, then refused as a share: ckpool's ``submission_diff`` tests for a block before all else."""
    ACCEPTED = "accepted"
    """MiningCore asks for the share's difficulty only where the hash is no block."""


class JobIds(StrEnum):
    """``SEQUENCE`` counts 1, 2, 3 in hex, so that two such pools collide; ``RANDOM`` is 16 hex digits."""

    SEQUENCE = "sequence"
    RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A pool software's habits. The defaults are an easy-going pool."""

    name: str = "plain"
    error_shape: ErrorShape = ErrorShape.ARRAY
    first_job: FirstJob = FirstJob.AFTER_BOTH
    configure: Extension = Extension.SUPPORTED
    extranonce_subscribe: Extension = Extension.SUPPORTED
    unknown_method: Extension = Extension.REFUSED
    suggestion: Suggestion = Suggestion.ANY
    job_ids: JobIds = JobIds.SEQUENCE
    max_line: int = 16_384
    """Bytes; a longer line drops the client."""
    drops_before_subscribe: bool = False
    """Any method but subscribe, configure and authorize before subscribe drops the client."""
    ignores_repeated: bool = False
    """A second subscribe or authorize gets no reply."""
    exact_authorize_params: bool = False
    exact_extranonce2: bool = True
    """False pads a short extranonce2 with zeros and cuts a long one, as ckpool does."""
    duplicate_sees_version: bool = True
    """False is MiningCore: two hits that differ in version bits only are duplicates."""
    integer_ids: bool = False
    job_after_retarget: bool = False
    """A difficulty change comes with a clean job (public-pool); otherwise it waits for the next one."""
    jsonrpc: bool = False
    ntime_ahead_s: int = 7_000
    """How far a share's ntime may be after its job's, seconds."""
    rebuild: Rebuild = Rebuild.REPLACE
    low_block: LowBlock = LowBlock.LOST
    checks_at_present: bool = False
    """A share needs the session's difficulty of now, however low its job's was."""
    resumes: bool = False
    """Subscribe with the session id of a connection that has ended gives its extranonce1 and jobs again."""
    one_pair: bool = False
    """The subscribe result names ``mining.notify`` only."""
    idle_timeout_s: float | None = None
    """Seconds without a byte of the client's after which it is dropped."""
    handshake_s: float | None = None
    """Seconds within which subscribe and authorize must be through."""
    fixes_difficulty: bool = False
    """``d=`` in the password and configure's ``minimum-difficulty`` above the pool's own turn vardiff off."""


PLAIN = Dialect()

CKPOOL = Dialect(
    name="ckpool",
    error_shape=ErrorShape.REJECT_REASON,
    first_job=FirstJob.AFTER_SUBSCRIBE,
    extranonce_subscribe=Extension.SILENT,
    unknown_method=Extension.SILENT,
    suggestion=Suggestion.INTEGER,
    max_line=1_024,
    drops_before_subscribe=True,
    ignores_repeated=True,
    exact_extranonce2=False,
    rebuild=Rebuild.OR,
    low_block=LowBlock.DELIVERED,
    resumes=True,
    one_pair=True,
)
"""src/stratifier.c: ``disconnected_sessionid_exists``, ``submission_diff``. Idle clients are never dropped."""

PUBLIC_POOL = Dialect(
    name="public-pool",
    extranonce_subscribe=Extension.SILENT,
    unknown_method=Extension.SILENT,
    suggestion=Suggestion.ONCE,
    exact_authorize_params=True,
    job_after_retarget=True,
    rebuild=Rebuild.XOR,
    checks_at_present=True,
)
"""src/models/StratumV1Client.ts. Its socket times out after five minutes without traffic of either side, so never."""

MININGCORE = Dialect(
    name="miningcore",
    error_shape=ErrorShape.OBJECT,
    first_job=FirstJob.AFTER_SUBSCRIBE,
    unknown_method=Extension.SILENT,
    suggestion=Suggestion.ACKNOWLEDGED,
    max_line=32_768,
    duplicate_sees_version=False,
    jsonrpc=True,
    ntime_ahead_s=600,
    low_block=LowBlock.ACCEPTED,
    fixes_difficulty=True,
)
"""BitcoinPool.cs, BitcoinJob.cs. A suggestion is acknowledged before ``Convert.ChangeType`` of its parameters throws,
which goes to the pool's log only."""

DATUM = Dialect(
    name="datum",
    extranonce_subscribe=Extension.REFUSED,
    suggestion=Suggestion.REFUSED,
    job_ids=JobIds.RANDOM,
    integer_ids=True,
    rebuild=Rebuild.OR,
    handshake_s=15.0,
)

BTCPOOL = Dialect(
    name="btcpool",
    rebuild=Rebuild.XOR,
    idle_timeout_s=600.0,
    handshake_s=15.0,
)
"""btccom/btcpool, of which ViaBTC's, AntPool's and BTC.com's descend."""

YIIMP = Dialect(name="yiimp", configure=Extension.REFUSED, suggestion=Suggestion.REFUSED)

NO_ROLLING = Dialect(name="no-rolling", configure=Extension.SILENT, error_shape=ErrorShape.STRING)
"""A pool that never heard of BIP 310: no reply to ``mining.configure``."""
