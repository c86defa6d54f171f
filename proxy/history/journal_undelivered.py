"""What the block journal says of candidates whose pool never answered: read at start, before anything is found."""

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from proxy.types import BlockFate, Chain, PoolKey, Verdict, WorkerName

TAIL = 8 << 20
"""Bytes of the journal that are read, from its end."""
KEPT = 1000
_OPEN = (BlockFate.WAITING, BlockFate.SENT)
MAX_SUBMIT = 800
"""Characters of all parameters of a submit: with the rest of the line below what ckpool takes."""


class JournalBlock(NamedTuple):
    """A candidate without an answer, as an earlier run wrote it."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    endpoint: str
    pool_session: str
    extranonce1: bytes
    submit: tuple[str | int, ...]
    at: float
    """Unix seconds."""
    sent_again: bool


def read_undelivered(path: Path) -> list[JournalBlock]:
    """Return the candidates in the journal at ``path`` of which nobody knows what became, oldest first.

    Raises:
        OSError: the file is there and cannot be read.
    """
    blocks: OrderedDict[bytes, JournalBlock] = OrderedDict()
    for line in _tail(path).split(b"\n"):
        try:
            entry = orjson.loads(line) if line.strip() else None
            if isinstance(entry, dict):
                _take(entry, blocks)
        except (ValueError, KeyError, TypeError, OverflowError):
            continue  # torn, not ours, or of a version that did not keep what is needed
        if len(blocks) > KEPT:
            blocks.popitem(last=False)
    return list(blocks.values())


def _tail(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as journal:
        journal.seek(max(0, path.stat().st_size - TAIL))
        return journal.read()


def _take(entry: dict[str, Any], blocks: OrderedDict[bytes, JournalBlock]) -> None:
    header_hash = bytes.fromhex(entry["hash"])
    match entry["kind"]:
        case "candidate":
            blocks[header_hash] = _block(entry, header_hash)
        case "verdict" if Verdict(entry["verdict"]) is not Verdict.UNANSWERED:
            blocks.pop(header_hash, None)
        case "fate":
            fate = BlockFate(entry["fate"])
            if fate not in _OPEN:
                blocks.pop(header_hash, None)
            elif fate is BlockFate.SENT and header_hash in blocks:
                blocks[header_hash] = blocks[header_hash]._replace(sent_again=True)


def _block(entry: dict[str, Any], header_hash: bytes) -> JournalBlock:
    submit = tuple(each if type(each) is int else str(each) for each in entry["submit"])
    if not submit or sum(len(str(each)) for each in submit) > MAX_SUBMIT:
        raise ValueError("nothing that could be sent")
    return JournalBlock(
        worker=WorkerName(str(entry["worker"])),
        pool=PoolKey(str(entry["pool"])),
        chain=Chain(entry["chain"]),
        header_hash=header_hash,
        endpoint=str(entry["endpoint"]),
        pool_session=str(entry["pool_session"]),
        extranonce1=bytes.fromhex(entry["extranonce1"]),
        submit=submit,
        at=float(entry["at"]),
        sent_again=False,
    )
