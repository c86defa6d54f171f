"""Snapshots of nodes as bytes: written by one process, read by others that may run an earlier or later version.

A frame is ``MAGIC`` and a zlib stream of MessagePack parts, each after its length: the node without its workers, then
the workers some hundred at a time, so that no step holds the interpreter for long. Fields that the reader does not know
are passed over, those that the writer did not know take their defaults; a change that this does not cover takes
another ``MAGIC``. Whoever can write to the Redis can write a frame: nothing in it is believed before it was checked.
A sentence goes as its English text; how all of them were made stands in a last part without workers.
"""

import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from operator import is_not
from struct import Struct
from typing import Any, cast

import msgspec

from proxy.errors import DPMPError
from proxy.nodes.node_snapshot import NodeSnapshot
from proxy.observe.live.moves import Moves, ShareSum
from proxy.observe.live.views import WorkerView
from proxy.sentence import Sentence, checked
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


@dataclass(frozen=True, slots=True)
class _Made:
    """What a sentence was made of; a sentence among its values goes as its text."""

    template: str
    values: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workers:
    """Some of a node's workers, with what is known of each beside its row; or none, and the frame's sentences."""

    workers: tuple[WorkerView, ...]
    moves: Mapping[WorkerName, Moves]
    marks: Mapping[WorkerName, ShareSum]
    sentences: Mapping[str, _Made] = field(default_factory=dict)
    """By their texts."""


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
    sentences = _sentences(rows)
    if sentences:
        node, workers = _with(sentences, node), _with(sentences, workers)
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
    sentences: dict[str, _Made] = {}

    def plain(value: object) -> str:
        assert isinstance(value, Sentence), type(value)
        text = str(value)
        if text not in sentences:
            # None of the values is a sentence any more, so that the table is not added to while it is written.
            values = {name: plain(one) if isinstance(one, Sentence) else one for name, one in value.values.items()}
            sentences[text] = _Made(value.template, values)
        return text

    encode = msgspec.msgpack.Encoder(enc_hook=plain).encode
    yield encode(replace(node, live=replace(live, workers=(), moves={}, marks={}, extra={})))
    for begin in range(0, len(live.workers), WORKERS_A_PART):
        workers = live.workers[begin : begin + WORKERS_A_PART]
        names = [worker.name for worker in workers]
        yield encode(
            _Workers(
                workers=workers,
                moves={name: live.moves[name] for name in names if name in live.moves},
                marks={name: live.marks[name] for name in names if name in live.marks},
            )
        )
    if sentences:
        yield encode(_Workers(workers=(), moves={}, marks={}, sentences=sentences))


def _sentences(parts: Iterable[_Workers]) -> dict[str, str]:
    """Text -> the sentence that it is, for those that are what they say."""
    made = {text: one for part in parts for text, one in part.sentences.items()}
    found: dict[str, str] = {}
    # A value that is a sentence stands in the table before the one that it is part of.
    for text, one in made.items():
        values = {
            name: found.get(value, value) if isinstance(value, str) else value for name, value in one.values.items()
        }
        found[text] = checked(text, one.template, values)
    return found


def _with(sentences: Mapping[str, str], value: Any) -> Any:
    """``value``, with each text in it that is a sentence as that; what has none stays the same object."""
    kind = type(value)
    if kind is str:
        return sentences.get(value, value)
    if kind is dict:
        changed = {key: made for key, one in value.items() if (made := _with(sentences, one)) is not one}
        return {**value, **changed} if changed else value
    if kind is tuple:
        made = tuple([_with(sentences, one) for one in value])
        return made if any(map(is_not, made, value)) else value
    changed = {
        name: made
        for name in _fields(cast(Hashable, kind))
        if (made := _with(sentences, one := getattr(value, name))) is not one
    }
    return replace(value, **changed) if changed else value


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
