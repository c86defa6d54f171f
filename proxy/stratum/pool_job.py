"""Validates ``mining.notify`` before any miner sees it, and holds a pool's job.

A pool sends the same ``mining.notify`` on a thousand connections, so it is read once: ``NotifyCache`` finds a line that
was read before, and everything that depends on the line alone is made once, with its ``NotifyTemplate``.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias

import orjson

from proxy.errors import RemoteProtocolError
from proxy.stratum.difficulty import target_of_nbits
from proxy.stratum.version_rolling import USUAL_MASK

MAX_BRANCHES = 32
"""ESP-Miner takes 32, Avalon 30; a block of 2^24 transactions needs 24."""
MAX_COINBASE_PART = 12_000
"""Bytes: a PPLNS pool's large coinbase is about 6,500; a notify must fit the 16 KiB line of NerdQAxe."""
MAX_JOB_ID = 128
JobContent: TypeAlias = tuple[bytes, bytes]
CACHED_LINES = 16
"""Lines that a notify_cache remembers."""
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_WORD = re.compile(r"[0-9a-fA-F]{8}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyTemplate:
    """``mining.notify`` as the pool wrote it: the same on all connections that it comes on."""

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
    prevhash: bytes = field(init=False)
    """As the header holds it: the pool's hex has each 4-byte word turned round."""
    network_target: int = field(init=False)
    content: bytes = field(init=False)
    """Equal for two templates whose search space is the same, whatever they are called; 32 bytes."""
    job_id_size: int = field(init=False)
    """Bytes of the id in JSON, without quotation marks."""
    opening: str = field(init=False)
    """JSON parameters from the previous hash up to where the pool's extranonce1 belongs, in a miner's notify."""
    ending: str = field(init=False)
    """JSON parameters from the coinbase's second part up to the time."""
    tip: tuple[bytes, int] = field(init=False)
    """``prevhash`` and ``nbits``: one object for all connections that the line comes on."""
    verdicts: dict[tuple[object, ...], str] = field(init=False, compare=False, repr=False)
    """For ``eligibility``: why a kind of miner cannot use the job, looked at once for all miners of the kind."""

    def __post_init__(self) -> None:
        """Work out what depends on nothing else."""
        prevhash = swap_words(bytes.fromhex(self.prevhash_hex))
        branches = orjson.dumps([branch.hex() for branch in self.branches]).decode()
        made = {
            "prevhash": prevhash,
            "network_target": target_of_nbits(self.nbits),
            "content": sha256(
                b"".join(
                    (
                        prevhash,
                        self.version.to_bytes(4, "big"),
                        len(self.coinb1).to_bytes(4, "big"),
                        self.coinb1,
                        len(self.coinb2).to_bytes(4, "big"),
                        self.coinb2,
                        *self.branches,
                    )
                )
            ).digest(),
            "job_id_size": len(orjson.dumps(self.job_id)) - 2,
            "tip": (prevhash, self.nbits),
            "verdicts": {},
            "opening": f'"{self.prevhash_hex}","{self.coinb1.hex()}',
            "ending": f'","{self.coinb2.hex()}",{branches},"{self.version:08x}","{self.nbits:08x}","',
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)


@dataclass(slots=True, kw_only=True)
class PoolJob:
    """A template with the context in which one connection got it; made for good."""

    template: NotifyTemplate
    clean: bool
    extranonce1: bytes
    extranonce2_size: int
    difficulty: float
    version_mask: int | None
    """Version bits that the pool lets this connection roll: 0 for none, None while it has not said."""
    received_at: float
    """Monotonic seconds."""

    @property
    def allowed_version_mask(self) -> int:
        """``version_mask``; BIP 320's bits while the pool has not said: a slow answer must not stop firmware that only
        works with rolling (cgminer and Avalon never connect without it)."""
        return USUAL_MASK if self.version_mask is None else self.version_mask

    @property
    def coinbase_size(self) -> int:
        """Bytes of the whole coinbase transaction as mined."""
        return len(self.template.coinb1) + len(self.extranonce1) + self.extranonce2_size + len(self.template.coinb2)

    @property
    def content(self) -> JobContent:
        """Equal for two jobs whose search space is the same, whatever they are called."""
        return self.template.content, self.extranonce1


class NotifyCache:
    """The lines of ``mining.notify`` that a pool sent lately, each read once; for all connections to one pool."""

    __slots__ = ("_announced", "_newest", "_read", "_whole")

    def __init__(self) -> None:
        self._read: dict[bytes, NotifyTemplate] = {}
        self._whole: dict[bytes, NotifyTemplate] = {}
        """The same by the line with its newline: what a read from a socket mostly brings."""
        self._newest: NotifyTemplate | None = None
        """The one that was announced last."""
        self._announced: deque[NotifyTemplate] = deque(maxlen=CACHED_LINES)
        """The newest first."""

    def find(self, line: bytes) -> NotifyTemplate | None:
        """Return what ``line`` was read as, if it was."""
        return self._read.get(line)

    def find_whole(self, payload: bytes) -> NotifyTemplate | None:
        """As ``find``, for a line with its newline."""
        return self._whole.get(payload)

    def put(self, line: bytes, template: NotifyTemplate) -> None:
        """Remember what ``line`` says, in place of the oldest."""
        while len(self._read) >= CACHED_LINES:
            oldest = next(iter(self._read))
            del self._read[oldest], self._whole[oldest + b"\n"]
        self._read[line] = self._whole[line + b"\n"] = template

    def announce(self, template: NotifyTemplate) -> bool:
        """Note that the pool's job is announced; False where it was before, on whatever connection."""
        if template is self._newest:
            return False
        if any(each is template for each in self._announced):
            return False
        self._newest = template
        self._announced.appendleft(template)
        return True


def swap_words(block: bytes) -> bytes:
    """Turn each 4-byte word round."""
    return b"".join(block[i : i + 4][::-1] for i in range(0, len(block), 4))


def parse_notify(params: Sequence[object]) -> NotifyTemplate:
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
    return NotifyTemplate(
        job_id=job_id,
        prevhash_hex=_text(prevhash, _HASH, "prevhash").lower(),
        coinb1=_part(coinb1, "coinb1"),
        coinb2=_part(coinb2, "coinb2"),
        branches=tuple(bytes.fromhex(_text(branch, _HASH, "merkle branch")) for branch in branches),
        version=int(_text(version, _WORD, "version"), 16),
        nbits=int(_text(nbits, _WORD, "nbits"), 16),
        ntime=int(_text(ntime, _WORD, "ntime"), 16),
        clean=len(params) > 8 and params[8] is True,
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
