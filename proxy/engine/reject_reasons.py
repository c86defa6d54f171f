"""Pools' words for a refused share, in one vocabulary, and the Stratum code that says the same to a miner."""

from proxy.stratum.codec import ErrorInfo
from proxy.types import Reason

_WORDS: tuple[tuple[str, Reason], ...] = (
    ("stale", Reason.STALE),
    ("job not found", Reason.STALE),
    ("job-not-found", Reason.STALE),
    ("invalid jobid", Reason.STALE),
    ("invalid job id", Reason.STALE),
    ("unknown-work", Reason.STALE),
    ("duplicate", Reason.DUPLICATE),
    ("low diff", Reason.LOW_DIFFICULTY),
    ("above target", Reason.LOW_DIFFICULTY),
    ("high-hash", Reason.LOW_DIFFICULTY),
    ("h-not-zero", Reason.LOW_DIFFICULTY),
    ("version", Reason.VERSION),
    ("ntime", Reason.NTIME),
    ("time", Reason.NTIME),
    ("nonce2", Reason.EXTRANONCE),
    ("nonce length", Reason.BAD_PARAMS),
    ("unauthorized", Reason.UNAUTHORIZED),
    ("worker mismatch", Reason.UNAUTHORIZED),
    ("not subscribed", Reason.NOT_SUBSCRIBED),
)
_BY_CODE = {
    21: Reason.STALE,
    22: Reason.DUPLICATE,
    23: Reason.LOW_DIFFICULTY,
    24: Reason.UNAUTHORIZED,
    25: Reason.NOT_SUBSCRIBED,
}
_CODES = {
    Reason.STALE: 21,
    Reason.UNKNOWN_JOB: 21,
    Reason.DUPLICATE: 22,
    Reason.LOW_DIFFICULTY: 23,
    Reason.FRACTION: 23,
    Reason.UNAUTHORIZED: 24,
    Reason.NOT_SUBSCRIBED: 25,
}


def reason_of(error: ErrorInfo) -> Reason:
    """What a pool means: by its words first (yiimp's 24 is an extranonce, ckpool sends no code), then its code."""
    text = error.text.lower()
    for words, reason in _WORDS:
        if words in text:
            return reason
    return _BY_CODE.get(error.code, Reason.OTHER)


def code_of(reason: Reason) -> int:
    """The Stratum code of a reason; 20 where it has none of its own."""
    return _CODES.get(reason, 20)
