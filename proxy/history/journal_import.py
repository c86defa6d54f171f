"""The block journal's way into the database: any number of times, from any state, with the same result.

Called in the writer's thread.
"""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction

from proxy.chains.coinbase import parse_coinbase
from proxy.errors import RemoteProtocolError
from proxy.history.store import clean_name
from proxy.models.history import POOL_CHARS, WORKER_CHARS, Block, BlockVerdict
from proxy.types import BlockFate, Chain

_VERDICTS = {
    BlockFate.ACCEPTED: BlockVerdict.ACCEPTED,
    BlockFate.ARRIVED: BlockVerdict.ACCEPTED,
    BlockFate.REJECTED: BlockVerdict.REJECTED,
}
"""Fates that say what the pool thinks of the block."""
PIECE = 1 << 20
"""Bytes read at a time."""


class JournalImporter:
    """Brings the journal at ``path`` into ``Block`` rows, from where the call before left off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def __call__(self) -> None:
        """Import what is new.

        Raises:
            django.db.Error, OSError: nothing is lost; the next call starts at the same place.
        """
        while piece := self._read():
            with transaction.atomic():
                for line in piece.split(b"\n"):
                    _import_line(line)
            self._offset += len(piece)

    def _read(self) -> bytes:
        """Whole lines from the offset on; empty at the end."""
        if not self._path.exists() or self._path.stat().st_size <= self._offset:
            return b""
        with self._path.open("rb") as journal:
            journal.seek(self._offset)
            piece = journal.read(PIECE)
            if b"\n" not in piece:
                piece += journal.readline()
        return piece[: piece.rfind(b"\n") + 1]


def _import_line(line: bytes) -> None:
    try:
        entry = orjson.loads(line) if line.strip() else None
        if isinstance(entry, dict):
            _import_entry(entry)
    except (ValueError, KeyError, TypeError, OverflowError):
        return  # torn by a full disk, or not ours: the lines around it are whole


def _import_entry(entry: dict[str, Any]) -> None:
    if entry["kind"] == "candidate":
        values = _block(entry)
        Block.objects.get_or_create(header_hash=str(entry["hash"])[:64], defaults=values)
    elif entry["kind"] == "verdict" and entry["verdict"] in BlockVerdict.values:
        Block.objects.filter(header_hash=entry["hash"]).update(
            verdict=entry["verdict"], message=clean_name(str(entry["message"]), 200)
        )
    elif entry["kind"] == "fate":
        _import_fate(str(entry["hash"]), BlockFate(entry["fate"]), clean_name(str(entry["message"]), 200))


def _import_fate(header_hash: str, fate: BlockFate, message: str) -> None:
    answered = {"verdict": _VERDICTS[fate], "message": message} if fate in _VERDICTS else {}
    Block.objects.filter(header_hash=header_hash).update(fate=fate.value, **answered)


def _block(entry: dict[str, Any]) -> dict[str, Any]:
    header = bytes.fromhex(entry["header"])
    if sha256(sha256(header).digest()).digest()[::-1].hex() != entry["hash"]:
        raise ValueError("the header does not hash to what the line says")
    return {
        "worker": clean_name(str(entry["worker"]), WORKER_CHARS),
        "pool": clean_name(str(entry["pool"]), POOL_CHARS),
        "chain": Chain(entry["chain"]).value,
        "height": _height(bytes.fromhex(entry["coinbase"])),
        "at": datetime.fromtimestamp(float(entry["at"]), UTC),
        "header": header.hex(),
        "coinbase": entry["coinbase"],
        "merkle_branches": [str(branch) for branch in entry["branches"]],
        "nbits": int(entry["nbits"]),
        "true_difficulty": float(entry["true_difficulty"]),
        "network_difficulty": float(entry["network_difficulty"]),
    }


def _height(coinbase: bytes) -> int | None:
    try:
        return parse_coinbase(coinbase).height
    except RemoteProtocolError:
        return None
