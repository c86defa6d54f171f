"""A coinbase transaction as a pool's job gives it: BIP 34 height, outputs, with or without the SegWit marker.

Everything here comes from outside: what is no coinbase raises ``RemoteProtocolError``, never anything else.
"""

from dataclasses import dataclass
from functools import lru_cache

from proxy.errors import RemoteProtocolError

MAX_BYTES = 100_000
MAX_OUTPUTS = 10_000
MAX_HEIGHT = 500_000_000
"""Heights end where lock times turn into dates."""

_OP_1, _OP_16 = 0x51, 0x60


@dataclass(frozen=True, slots=True)
class TxOut:
    """One output: satoshis and the script that locks them."""

    value: int
    script: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Coinbase:
    """What a coinbase says."""

    height: int | None
    """Of the block it would be in (BIP 34); None where the script does not start with a height."""
    outputs: tuple[TxOut, ...]
    script: bytes
    """The input's script: height, extranonce, the pool's tag."""

    @property
    def total(self) -> int:
        """Satoshis paid in all: subsidy and fees."""
        return sum(output.value for output in self.outputs)


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._raw):
            raise RemoteProtocolError("the coinbase ends too early")
        piece = self._raw[self._at : end]
        self._at = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def count(self) -> int:
        first = self.number(1)
        return first if first < 0xFD else self.number({0xFD: 2, 0xFE: 4, 0xFF: 8}[first])

    def peek(self, count: int) -> bytes:
        return self._raw[self._at : self._at + count]


def parse_coinbase(raw: bytes) -> Coinbase:
    """Read a coinbase; witness data and lock time behind the outputs are not looked at.

    Raises:
        RemoteProtocolError: these bytes are no coinbase.
    """
    if len(raw) > MAX_BYTES:
        raise RemoteProtocolError(f"a coinbase of {len(raw)} bytes is too large")
    reader = _Reader(raw)
    reader.take(4)
    if reader.peek(2) == b"\0\1":  # the SegWit marker stands where the number of inputs would be 0
        reader.take(2)
    if reader.count() != 1:
        raise RemoteProtocolError("a coinbase has exactly one input")
    if reader.take(36) != bytes(32) + b"\xff" * 4:
        raise RemoteProtocolError("a coinbase spends nothing, this transaction does")
    script = reader.take(reader.count())
    reader.take(4)
    outputs = tuple(_output(reader) for _ in range(_output_count(reader)))
    return Coinbase(height=script_height(script), outputs=outputs, script=script)


def _output_count(reader: _Reader) -> int:
    count = reader.count()
    if not 0 < count <= MAX_OUTPUTS:
        raise RemoteProtocolError(f"{count} outputs in a coinbase")
    return count


def _output(reader: _Reader) -> TxOut:
    value = reader.number(8)
    return TxOut(value, reader.take(reader.count()))


def script_height(script: bytes) -> int | None:
    """The height that a coinbase's script starts with (BIP 34), None if it starts with something else."""
    if not script:
        return None
    size = script[0]
    if _OP_1 <= size <= _OP_16:
        return size - _OP_1 + 1
    if size == 0:
        return 0
    if size > 5 or len(script) < 1 + size or script[size] & 0x80:
        return None
    height = int.from_bytes(script[1 : 1 + size], "little")
    return height if height < MAX_HEIGHT else None


@lru_cache(maxsize=64)
def height_of(coinbase1: bytes) -> int | None:
    """The height from the part of a coinbase before the extranonce; None where it is not to be found there.

    A thousand connections bring the same job, so the last answers are kept.
    """
    at = 6 if coinbase1[4:6] == b"\0\1" else 4
    if coinbase1[at : at + 37] != b"\1" + bytes(32) + b"\xff" * 4:
        return None
    length = coinbase1[at + 37 : at + 38]
    return script_height(coinbase1[at + 38 :]) if length and length[0] < 0xFD else None


def assemble(coinbase1: bytes, extranonce1: bytes, extranonce2_size: int, coinbase2: bytes) -> bytes:
    """A whole coinbase of a job, with zeros for the part that miners count through."""
    return coinbase1 + extranonce1 + bytes(max(0, min(extranonce2_size, 256))) + coinbase2
