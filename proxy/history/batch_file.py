"""How batches of history are written to files: one JSON object a line, every number to its last bit.

Tips of the chains and payout checks are left out: the next run hears them again.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import orjson

from proxy.history.batch import Batch, RowKey
from proxy.history.counters import COUNTED, Counts, all_storable, storable
from proxy.history.effort import WorkAtBlock
from proxy.history.records import Record
from proxy.types import Chain, DecidedBy, PoolKey, Reason, WorkerName

_COUNTED = attrgetter(*COUNTED)


def encoded(batch: Batch, rows: Iterable[tuple[RowKey, Counts]] = ()) -> bytes:
    """One line of JSON without its end: all of ``batch`` but tips and payouts, and ``rows`` beside its own."""
    return orjson.dumps(
        {
            "writer": batch.writer,
            "number": batch.number,
            "rows": [
                [
                    step,
                    start,
                    _text(worker),
                    pool,
                    dict(zip(COUNTED, all_storable(_COUNTED(counts)), strict=True)),
                    _rejects(counts),
                ]
                for (step, start, worker, pool), counts in (*batch.rows.items(), *rows)
            ],
            "last_share_at": [[_text(worker), pool, at] for (worker, pool), at in batch.last_share_at.items()],
            "records": [
                [
                    _text(record.worker),
                    record.chain.value,
                    record.pool,
                    storable(record.true_difficulty),
                    record.at,
                    record.header_hash.hex(),
                ]
                for record in batch.records
            ],
            "marks": [[mark.scope, storable(mark.work), mark.at, mark.blocks] for mark in batch.marks],
        }
    )


def _text(name: str) -> str:
    """What UTF-8 can hold: a miner chooses its name."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


def _rejects(counts: Counts) -> list[list[object]]:
    return [[reason.value, who.value, number] for (reason, who), number in (counts.rejects or {}).items()]


def decoded(line: bytes) -> Batch:
    """The batch of a line.

    Raises:
        ValueError: it is torn, or of a later version.
    """
    try:
        return _batch(orjson.loads(line))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no batch: {error!r}") from error


def _batch(found: dict[str, Any]) -> Batch:
    rows: dict[RowKey, Counts] = {}
    for step, start, worker, pool, numbers, rejects in found["rows"]:
        rows.setdefault((step, start, WorkerName(worker), PoolKey(pool)), Counts()).add(_counts(numbers, rejects))
    return Batch(
        writer=found["writer"],
        number=found["number"],
        rows=rows,
        last_share_at={(WorkerName(worker), PoolKey(pool)): at for worker, pool, at in found["last_share_at"]},
        records=tuple(
            Record(
                worker=WorkerName(worker),
                chain=Chain(chain),
                pool=PoolKey(pool),
                at=at,
                true_difficulty=difficulty,
                header_hash=bytes.fromhex(header_hash),
            )
            for worker, chain, pool, difficulty, at, header_hash in found["records"]
        ),
        marks=tuple(
            WorkAtBlock(scope=scope, work=work, at=at, blocks=blocks) for scope, work, at, blocks in found["marks"]
        ),
    )


def _counts(numbers: dict[str, float], rejects: list[tuple[str, str, int]]) -> Counts:
    if not numbers:
        raise ValueError("a row without a number")
    counts = Counts()
    for name in COUNTED:  # one that the version which wrote it did not count is 0
        setattr(counts, name, numbers.get(name, 0) + 0)  # a number, or a TypeError
    if rejects:
        counts.rejects = {(Reason(reason), DecidedBy(who)): number for reason, who, number in rejects}
    return counts
