"""Snapshots of nodes as bytes: written by one process, read by others that may run an earlier or later version.

A frame is ``MAGIC`` and a zlib stream of MessagePack parts, each after its length: the node without its workers, then
the workers some hundred at a time, so that no step holds the interpreter for long. Fields that the reader does not know
are passed over, those that the writer did not know take their defaults; a change that this does not cover takes
another ``MAGIC``. Whoever can write to the Redis can write a frame: nothing in it is believed before it was checked.
"""

import zlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from struct import Struct
from typing import cast

import msgspec

from proxy.errors import DPMPError
from proxy.nodes.node_snapshot import NodeSnapshot
from proxy.observe.live.moves import Moves, ShareSum
from proxy.observe.live.views import WorkerView
from proxy.sentence import Sentence
from proxy.types import WorkerName

MAGIC = b"DPMPn1"
MAX_PACKED = 16 * 2**20
"""Bytes of a frame; ten thousand workers take about 2 MB."""
MAX_BYTES = 96 * 2**20
"""The same after unpacking; ten thousand workers take about 11 MB."""
WORKERS_A_PART = 100
LEVEL = 1
"""Of zlib: the higher ones take three times as long for a fifth less."""
LATEST_TIME = 32_503_680_000.0
"""Unix seconds: the year 3000. No page can show what is later."""

_length = Struct(">I")
_TIMES = frozenset({"at", "since", "until"})


class FrameError(DPMPError):
    """The bytes are no snapshot of a node that this version can read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workers:
    """Some of a node's workers, with what is known of each beside its row."""

    workers: tuple[WorkerView, ...]
    moves: Mapping[WorkerName, Moves]
    marks: Mapping[WorkerName, ShareSum]


def _plain(value: object) -> str:
    """A sentence goes as its English text: its template would have to be believed to whoever can write a frame."""
    assert isinstance(value, Sentence), type(value)
    return str(value)


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode_node = msgspec.msgpack.Decoder(NodeSnapshot).decode
_decode_workers = msgspec.msgpack.Decoder(_Workers).decode


def encode(node: NodeSnapshot) -> bytes:
    """The frame of ``node``. Moves and marks of workers without a row are left out: nobody looks them up.

    Raises:
        FrameError: it is too large to be read by anybody.
    """
    packer = zlib.compressobj(LEVEL)
    packed = [MAGIC]
    for part in _parts(node):
        packed += packer.compress(_length.pack(len(part))), packer.compress(part)
    packed.append(packer.flush())
    frame = b"".join(packed)
    if len(frame) > MAX_PACKED:
        raise FrameError(f"{len(frame)} bytes are more than the {MAX_PACKED} that a node may publish")
    return frame


def decode(frame: bytes) -> NodeSnapshot:
    """The node that ``frame`` tells of.

    Raises:
        FrameError: it tells of none.
    """
    parts = _split(_unpacked(frame))
    try:
        node = _decode_node(next(parts, b""))
        rows = [_decode_workers(part) for part in parts]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FrameError(f"it is not written as this version expects: {error}") from error
    if not all_finite((node, rows)):
        raise FrameError("a number in it is none, or a time is beyond the year 3000")
    moves: dict[WorkerName, Moves] = {}
    marks: dict[WorkerName, ShareSum] = {}
    for part in rows:
        moves.update(part.moves)
        marks.update(part.marks)
    workers = tuple([worker for part in rows for worker in part.workers])
    return replace(node, live=replace(node.live, workers=workers, moves=moves, marks=marks))


def all_finite(value: object, name: str = "") -> bool:
    """Whether no number in ``value`` is NaN, and no time, which is known by the ``name`` of its field, is absurd."""
    kind = type(value)
    if kind is float:
        return value == value and (not _is_time(name) or 0.0 <= value <= LATEST_TIME)  # type: ignore[operator]
    if kind in (str, int, bool, bytes):
        return True
    if isinstance(value, dict):
        return all([all_finite(one) for one in value.values()])
    if isinstance(value, tuple | list):
        return all([all_finite(one) for one in value])
    return all([all_finite(getattr(value, field), field) for field in _fields(cast(Hashable, kind))])


def _is_time(name: str) -> bool:
    return name in _TIMES or name.endswith("_at")


@cache
def _fields(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if isinstance(kind, type) and is_dataclass(kind) else ()


def _parts(node: NodeSnapshot) -> Iterator[bytes]:
    live = node.live
    yield _encode(replace(node, live=replace(live, workers=(), moves={}, marks={}, extra={})))
    for begin in range(0, len(live.workers), WORKERS_A_PART):
        workers = live.workers[begin : begin + WORKERS_A_PART]
        names = [worker.name for worker in workers]
        yield _encode(
            _Workers(
                workers=workers,
                moves={name: live.moves[name] for name in names if name in live.moves},
                marks={name: live.marks[name] for name in names if name in live.marks},
            )
        )


def _unpacked(frame: bytes) -> bytes:
    if len(frame) > MAX_PACKED:
        raise FrameError(f"{len(frame)} bytes are more than the {MAX_PACKED} that a node may publish")
    if not frame.startswith(MAGIC):
        raise FrameError("it does not begin as the frames of this version do")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(frame[len(MAGIC) :], MAX_BYTES)
    except zlib.error as error:
        raise FrameError(f"it cannot be unpacked: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise FrameError(f"it is cut off, has more behind its end, or unpacks to more than {MAX_BYTES} bytes")
    return content


def _split(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        if at + _length.size > len(content):
            raise FrameError("a length is cut off")
        (length,) = _length.unpack_from(content, at)
        at += _length.size
        if at + length > len(content):
            raise FrameError("a part is cut off")
        yield content[at : at + length]
        at += length
