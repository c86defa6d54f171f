"""Reads what a pool answers to the handshake and sets later, but for its jobs (``pool_job``)."""

from collections.abc import Sequence
from typing import NamedTuple

from proxy.errors import RemoteProtocolError
from proxy.stratum.codec import Response
from proxy.stratum.difficulty import LEAST_DIFFICULTY, MAX_DIFFICULTY
from proxy.stratum.extranonce import MAX_POOL_SIZE
from proxy.stratum.version_rolling import USUAL_MASK, mask_text, parse_mask

MAX_SESSION_ID = 128
"""Characters of a pool's session id that we would send back: ckpool's has 8, most are random hex of up to 32."""


class PoolExtranonce(NamedTuple):
    """A pool's extranonce1, and how many bytes of extranonce2 it leaves."""

    extranonce1: bytes
    size: int


def parse_configure(answer: Response) -> int:
    """The version bits that the answer to ``mining.configure`` grants; 0 for none.

    Raises:
        RemoteProtocolError: rolling is granted with an unreadable mask.
    """
    result = answer.result if isinstance(answer.result, dict) else {}
    if answer.error is not None or result.get("version-rolling") is not True:
        return 0
    return parse_mask(result.get("version-rolling.mask", mask_text(USUAL_MASK)))


def parse_subscribe(answer: Response) -> tuple[str, PoolExtranonce]:
    """The session id (empty where the pool names none) and the extranonce of an answer to ``mining.subscribe``.

    Raises:
        RemoteProtocolError: refused, or unreadable; the text is fit for the log.
    """
    result = answer.result
    if answer.error is not None or not isinstance(result, list) or len(result) < 3:
        text = answer.error.text if answer.error else "unreadable answer"
        raise RemoteProtocolError(f"subscribe refused: {text}")
    try:
        return _session_id(result[0]), parse_extranonce(result[-2], result[-1])
    except RemoteProtocolError as problem:
        raise RemoteProtocolError(f"subscribe: {problem}") from problem


def parse_extranonce(extranonce1: object, size: object) -> PoolExtranonce:
    """Check an extranonce.

    Raises:
        RemoteProtocolError: extranonce1 is no hex of up to 32 bytes, or the size leaves too little or too much.
    """
    if not isinstance(extranonce1, str) or len(extranonce1) > 64:
        raise RemoteProtocolError("extranonce1 must be hex of at most 32 bytes")
    if type(size) is not int or not 1 <= size <= MAX_POOL_SIZE:
        raise RemoteProtocolError(f"extranonce2 size {size!r:.20} is not between 1 and {MAX_POOL_SIZE}")
    try:
        return PoolExtranonce(bytes.fromhex(extranonce1), size)
    except ValueError as error:
        raise RemoteProtocolError("extranonce1 is not hex") from error


def parse_difficulty(params: Sequence[object]) -> float:
    """Check ``mining.set_difficulty``; some pools write the number as text.

    Raises:
        RemoteProtocolError: no number, or one below that of every hash or above all that there is.
    """
    value = params[0] if params else None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RemoteProtocolError("set_difficulty without a number")
    if not LEAST_DIFFICULTY <= value < MAX_DIFFICULTY:
        raise RemoteProtocolError("set_difficulty to what no miner can work at")
    return float(value)


def _session_id(subscriptions: object) -> str:
    """The id that the pool gave to the subscription of jobs, which names the session (cgminer 4.11.1, util.c).

    Both shapes occur: ``[["mining.notify", id], ...]`` and the bare ``["mining.notify", id]``.
    """
    entries = subscriptions if isinstance(subscriptions, list) else []
    for entry in (entries, *entries):
        if isinstance(entry, list) and len(entry) > 1 and entry[0] == "mining.notify":
            ident = entry[1]
            return ident if isinstance(ident, str) and len(ident) <= MAX_SESSION_ID else ""
    return ""
