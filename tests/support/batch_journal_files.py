"""Reads the ledger's journal as the tests understand it, apart from the code that writes it."""

import sqlite3
from pathlib import Path

import orjson


def noted_in_journals(data_dir: Path, database: Path) -> int:
    """Accepted shares in the journals under ``data_dir`` that ``database`` (SQLite) does not have yet."""
    connection = sqlite3.connect(database)
    try:
        marks = dict(connection.execute("SELECT writer, batch FROM proxy_writermark"))
    finally:
        connection.close()
    noted = 0
    for path in data_dir.glob("ledger-*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            if line.endswith(b"}"):
                batch = orjson.loads(line)
                if batch["number"] > marks.get(batch["writer"], 0):
                    noted += sum(numbers["accepted"] for *_key, numbers, _rejects in batch["rows"])
    return noted
