"""The block journal: a found block is in a file before it is sent anywhere, with no database in the way.

One JSON object a line. A candidate is written with one ``write`` on an ``O_APPEND`` descriptor inside the event that
announces it, so it survives a kill from that moment; its pool's verdict follows as a line of its own, and so does what
became of it (``fate``) where the connection broke before the verdict. Every line starts with a line feed too, so that
one torn by a full disk spoils no other.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import orjson

from proxy.observe.events import (
    BlockCandidate,
    BlockDelivered,
    BlockFound,
    BlockKept,
    BlockNotDelivered,
    BlockResent,
    DatabaseTrouble,
    EventStream,
    ShareResult,
)
from proxy.ports import Clock
from proxy.types import BlockFate, Verdict

OPEN_KEPT = 1000
"""Candidates that wait for their verdict."""
MAX_MESSAGE = 200


class BlockJournal:
    """Writes ``BlockCandidate``, its verdict and its fate to the file at ``path``; emits ``BlockFound`` once.

    ``in_background`` runs a call in a thread; it is given the fsync, which must not hold the loop.
    """

    def __init__(
        self, path: Path, *, clock: Clock, events: EventStream, in_background: Callable[[Callable[[], None]], object]
    ) -> None:
        self._clock = clock
        self._events = events
        self._in_background = in_background
        self._open: OrderedDict[bytes, BlockCandidate] = OrderedDict()
        self._unwritten: list[bytes] = []
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        events.subscribe(BlockCandidate, self._on_candidate)
        events.subscribe_counting(ShareResult, self._on_share)
        events.subscribe(BlockKept, lambda block: self._fate(block.header_hash, BlockFate.WAITING))
        events.subscribe(BlockResent, lambda block: self._fate(block.header_hash, BlockFate.SENT))
        events.subscribe(BlockDelivered, self._on_delivered)
        events.subscribe(BlockNotDelivered, lambda block: self._fate(block.header_hash, block.fate, block.reason))

    def close(self) -> None:
        """Bring everything to the disk and close; nothing may be found afterwards."""
        self._retry()
        os.fsync(self._fd)
        os.close(self._fd)

    def _on_candidate(self, block: BlockCandidate) -> None:
        self._append(
            orjson.dumps(
                {
                    "kind": "candidate",
                    "at": self._clock.wall(),
                    "worker": _text(block.worker),
                    "pool": block.pool,
                    "chain": block.chain.value,
                    "job": block.job,
                    "header": block.header.hex(),
                    "hash": block.header_hash.hex(),
                    "coinbase": block.coinbase.hex(),
                    "branches": [branch.hex() for branch in block.merkle_branches],
                    "nbits": block.nbits,
                    "true_difficulty": block.true_difficulty,
                    "network_difficulty": block.network_difficulty,
                    "endpoint": block.endpoint,
                    "pool_session": _text(block.pool_session),
                    "extranonce1": block.extranonce1.hex(),
                    "submit": [_text(each) if isinstance(each, str) else each for each in block.submit],
                }
            )
        )
        self._open[block.header_hash] = block
        if len(self._open) > OPEN_KEPT:
            self._open.popitem(last=False)

    def _on_share(self, share: ShareResult) -> None:
        if not self._open or share.header_hash not in self._open:
            return
        block = self._open.pop(share.header_hash)
        self._append(
            orjson.dumps(
                {
                    "kind": "verdict",
                    "at": self._clock.wall(),
                    "hash": share.header_hash.hex(),
                    "verdict": share.verdict.value,
                    "message": _text(share.message)[:MAX_MESSAGE],
                }
            )
        )
        if share.verdict is not Verdict.UNANSWERED:
            self._events.emit(
                BlockFound(
                    worker=block.worker,
                    pool=block.pool,
                    chain=block.chain,
                    header_hash=block.header_hash,
                    accepted=share.verdict is Verdict.ACCEPTED,
                )
            )

    def _on_delivered(self, block: BlockDelivered) -> None:
        self._fate(block.header_hash, block.fate, block.message)
        if block.header_hash not in self._open:  # else its ``ShareResult`` follows
            self._events.emit(
                BlockFound(
                    worker=block.worker,
                    pool=block.pool,
                    chain=block.chain,
                    header_hash=block.header_hash,
                    accepted=block.accepted,
                )
            )

    def _fate(self, header_hash: bytes, fate: BlockFate, message: str = "") -> None:
        self._append(
            orjson.dumps(
                {
                    "kind": "fate",
                    "at": self._clock.wall(),
                    "hash": header_hash.hex(),
                    "fate": fate.value,
                    "message": _text(message)[:MAX_MESSAGE],
                }
            )
        )

    def _append(self, line: bytes) -> None:
        self._retry()
        if self._write(line):
            self._in_background(self._sync)
        else:
            self._unwritten.append(line)

    def _retry(self) -> None:
        waited = bool(self._unwritten)
        while self._unwritten and self._write(self._unwritten[0]):
            del self._unwritten[0]
        if waited and not self._unwritten:
            self._events.emit(DatabaseTrouble(problem="The block journal can be written again.", recovered=True))
        del self._unwritten[:-OPEN_KEPT]

    def _write(self, line: bytes) -> bool:
        framed = b"\n" + line + b"\n"
        try:
            written = os.write(self._fd, framed)
        except OSError as error:
            self._complain(str(error))
            return False
        if written < len(framed):
            self._complain("the disk is full")
        return written == len(framed)

    def _complain(self, problem: str) -> None:
        self._events.emit(DatabaseTrouble(problem=f"The block journal cannot be written: {problem}", recovered=False))

    def _sync(self) -> None:
        os.fsync(self._fd)


def _text(words: str) -> str:
    return words.encode("utf-8", "replace").decode()
