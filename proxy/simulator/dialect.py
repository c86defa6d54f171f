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
    """What the pool makes of ``mining.suggest_difficulty``."""

    ANY = "any"
    INTEGER = "integer"
    ONCE = "once"
    REFUSED = "refused"
    IGNORED = "ignored"


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
)

PUBLIC_POOL = Dialect(
    name="public-pool",
    extranonce_subscribe=Extension.SILENT,
    unknown_method=Extension.SILENT,
    suggestion=Suggestion.ONCE,
    exact_authorize_params=True,
    job_after_retarget=True,
)

MININGCORE = Dialect(
    name="miningcore",
    error_shape=ErrorShape.OBJECT,
    first_job=FirstJob.AFTER_SUBSCRIBE,
    unknown_method=Extension.SILENT,
    suggestion=Suggestion.IGNORED,
    max_line=32_768,
    duplicate_sees_version=False,
    jsonrpc=True,
    ntime_ahead_s=600,
)

DATUM = Dialect(
    name="datum",
    extranonce_subscribe=Extension.REFUSED,
    suggestion=Suggestion.REFUSED,
    job_ids=JobIds.RANDOM,
    integer_ids=True,
)

YIIMP = Dialect(name="yiimp", configure=Extension.REFUSED, suggestion=Suggestion.REFUSED)

NO_ROLLING = Dialect(name="no-rolling", configure=Extension.SILENT, error_shape=ErrorShape.STRING)
"""A pool that never heard of BIP 310: no reply to ``mining.configure``."""
