"""What a proxy's database and journal say about shares and blocks, read past the proxy, and the pools' own books."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.simulator import hashing
from proxy.simulator.pool import SimPool
from proxy.simulator.shares import Refusal

Key = tuple[str, str]
"""Worker as the proxy knows it, and pool."""
CLOSE = 1e-9


@dataclass(slots=True)
class Counted:
    """Shares of one worker on one pool that the pool answered. ``credited`` is the sum of accepted difficulty."""

    accepted: int = 0
    credited: float = 0.0
    refused: int = 0
    rejects: Counter[str] = field(default_factory=Counter)

    def differs(self, other: "Counted") -> bool:
        """Counts exactly, sums to ``CLOSE``; the words for a reason are each side's own."""
        return (self.accepted, self.refused) != (other.accepted, other.refused) or abs(
            self.credited - other.credited
        ) > CLOSE * max(self.credited, 1.0)


def read(data_dir: Path, query: str) -> list[dict[str, Any]]:
    """Rows of the proxy's database, as a process that only reads sees them."""
    with closing(sqlite3.connect(f"file:{data_dir / 'dpmp.sqlite3'}?mode=ro", uri=True, timeout=10)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def counted_by_proxy(data_dir: Path, kind: str = "total") -> dict[Key, Counted]:
    """From the rows of totals, or of time (``bucket``): what pools answered, without what the proxy refused itself."""
    books: dict[Key, Counted] = {}
    for row in read(
        data_dir,
        f"SELECT worker, pool, SUM(accepted) AS accepted, SUM(credited) AS credited "
        f"FROM proxy_share{kind} GROUP BY worker, pool",
    ):
        books[row["worker"], row["pool"]] = Counted(accepted=row["accepted"], credited=row["credited"])
    for row in read(
        data_dir,
        f"SELECT worker, pool, reason, SUM(count) AS n FROM proxy_reject{kind} "
        f"WHERE decided_by = 'pool' GROUP BY worker, pool, reason",
    ):
        book = books[row["worker"], row["pool"]]
        book.rejects[row["reason"]] += row["n"]
        book.refused += row["n"]
    return {key: book for key, book in books.items() if book.accepted or book.refused}


def counted_by_pools(pools: Sequence[SimPool]) -> dict[Key, Counted]:
    """The same from the books of the pools."""
    return {
        (user.rpartition(".")[2], pool.name): Counted(
            accepted=tally.accepted,
            credited=tally.work,
            refused=tally.rejected.total(),
            rejects=Counter({_word(reason): number for reason, number in tally.rejected.items()}),
        )
        for pool in pools
        for user, tally in pool.book.workers.items()
    }


def _word(reason: Refusal) -> str:
    return reason.value


def differences(ours: Mapping[Key, Counted], theirs: Mapping[Key, Counted]) -> list[str]:
    """Where two books do not agree, in words; empty where they do."""
    return [
        f"{key}: {ours.get(key)} against {theirs.get(key)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, Counted()).differs(theirs.get(key, Counted()))
    ]


def check_database(data_dir: Path) -> None:
    """The file is whole, and the rows of time add up to the totals: nothing was written by half."""
    assert read(data_dir, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert differences(counted_by_proxy(data_dir, "bucket"), counted_by_proxy(data_dir)) == []
    for kind in ("total", "bucket"):
        sums = read(
            data_dir,
            f"SELECT (SELECT COALESCE(SUM(rejected), 0) FROM proxy_share{kind}) - "
            f"(SELECT COALESCE(SUM(count), 0) FROM proxy_reject{kind} WHERE decided_by <> '') AS gap",
        )
        assert sums == [{"gap": 0}]


# --- Blocks ----------------------------------------------------------------------------------------------------------


def blocks_in_database(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Block hash -> row."""
    return {row["header_hash"]: row for row in read(data_dir, "SELECT * FROM proxy_block")}


def blocks_in_journal(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Block hash -> the line that was written before the share went to the pool."""
    lines = (data_dir / "blocks.jsonl").read_bytes().split(b"\n")
    entries = [json.loads(line) for line in lines if line]
    return {entry["hash"]: entry for entry in entries if entry["kind"] == "candidate"}


def check_block(row: Mapping[str, Any]) -> None:
    """The header hashes to what the row says and holds its coinbase; the hash meets its own target."""
    header, coinbase = bytes.fromhex(row["header"]), bytes.fromhex(row["coinbase"])
    digest = hashing.sha256d(header)
    assert hashing.shown(digest) == row.get("header_hash", row.get("hash"))
    branches = row["branches"] if "branches" in row else json.loads(row["merkle_branches"])
    assert hashing.merkle_root(coinbase, [bytes.fromhex(branch) for branch in branches]) == header[36:68]
    assert hashing.hash_number(digest) <= hashing.target_of_nbits(int.from_bytes(header[72:76], "little"))


def blocks_of(pools: Sequence[SimPool]) -> dict[str, SimPool]:
    """Block hash -> the pool that counted it."""
    return {block.hash: pool for pool in pools for block in pool.book.blocks}


def set_network(pool: SimPool, difficulty: float) -> None:
    """Another network difficulty from a new block on."""
    pool.chain.set_network_difficulty(difficulty)
    pool.new_block()


def batches_of(data_dir: Path) -> int:
    """Batches that all runs together have written to the database."""
    with closing(sqlite3.connect(f"file:{data_dir / 'dpmp.sqlite3'}?mode=ro", uri=True, timeout=10)) as database:
        return int(database.execute("SELECT COALESCE(SUM(batch), 0) FROM proxy_writermark").fetchone()[0])
