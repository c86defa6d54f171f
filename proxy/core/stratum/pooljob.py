"""A pool's job, parsed and checked before any firmware sees it (we are the firewall its owner wants)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.core.errors import RemoteProtocolError

MAX_BRANCHES = 32
"""ESP-Miner takes 32, Avalon 30; a block of 2^24 transactions needs 24."""
MAX_COINBASE_PART = 12_000
"""Bytes: a PPLNS pool's large coinbase is about 6,500; a notify must fit the 16 KiB line of NerdQAxe."""
MAX_JOB_ID = 128
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_WORD = re.compile(r"[0-9a-fA-F]{8}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolJob:
    """``mining.notify`` of a pool with the context it was sent under."""

    job_id: str | int
    """As the pool wrote it; submits must echo it."""
    prevhash_hex: str
    coinb1: bytes
    coinb2: bytes
    branches: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int
    clean: bool
    extranonce1: bytes
    extranonce2_size: int
    difficulty: float
    mask: int
    """Version bits that the pool lets this connection roll; 0 for none."""
    received_at: float
    """Monotonic seconds."""
    serial: int
    """Counts the jobs of one upstream connection; grows."""

    @property
    def prevhash(self) -> bytes:
        """As the header holds it: the pool's hex has each 4-byte word turned round."""
        return swap_words(bytes.fromhex(self.prevhash_hex))

    @property
    def coinbase_size(self) -> int:
        """Bytes of the whole coinbase transaction as mined."""
        return len(self.coinb1) + len(self.extranonce1) + self.extranonce2_size + len(self.coinb2)

    @property
    def content(self) -> tuple[object, ...]:
        """Equal for two jobs whose search space is the same, whatever they are called."""
        return (self.prevhash_hex, self.coinb1, self.coinb2, self.branches, self.version, self.extranonce1)


def swap_words(block: bytes) -> bytes:
    """Turn each 4-byte word round."""
    return b"".join(block[i : i + 4][::-1] for i in range(0, len(block), 4))


def parse_notify(params: Sequence[object], *, extranonce1: bytes, extranonce2_size: int, difficulty: float, mask: int,
                 received_at: float, serial: int) -> PoolJob:
    """Check ``mining.notify``.

    Raises:
        RemoteProtocolError: a field is missing, of a wrong type, or longer than any real job's.
    """
    if len(params) < 8:
        raise RemoteProtocolError("notify with fewer than 8 parameters")
    job_id, prevhash, coinb1, coinb2, branches, version, nbits, ntime = params[:8]
    if isinstance(job_id, bool) or not isinstance(job_id, str | int) or len(str(job_id)) > MAX_JOB_ID or job_id == "":
        raise RemoteProtocolError("notify with a bad job id")
    if branches is None:
        branches = []
    if not isinstance(branches, list) or len(branches) > MAX_BRANCHES:
        raise RemoteProtocolError("notify with bad merkle branches")
    return PoolJob(
        job_id=job_id,
        prevhash_hex=_text(prevhash, _HASH, "prevhash").lower(),
        coinb1=_part(coinb1, "coinb1"),
        coinb2=_part(coinb2, "coinb2"),
        branches=tuple(bytes.fromhex(_text(branch, _HASH, "merkle branch")) for branch in branches),
        version=int(_text(version, _WORD, "version"), 16),
        nbits=int(_text(nbits, _WORD, "nbits"), 16),
        ntime=int(_text(ntime, _WORD, "ntime"), 16),
        clean=len(params) > 8 and params[8] is True,
        extranonce1=extranonce1,
        extranonce2_size=extranonce2_size,
        difficulty=difficulty,
        mask=mask,
        received_at=received_at,
        serial=serial,
    )


def _text(value: object, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RemoteProtocolError(f"notify with a bad {what}")
    return value


def _part(value: object, what: str) -> bytes:
    text = _text(value, _HEX, what)
    if len(text) > 2 * MAX_COINBASE_PART:
        raise RemoteProtocolError(f"notify with a {what} of {len(text) // 2} bytes")
    return bytes.fromhex(text)
