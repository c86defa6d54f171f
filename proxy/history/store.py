"""The writer's SQL: a batch in one transaction, and what a new run reads at its start. SQLite and PostgreSQL.

Called in a thread, never on the loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from django.db import connection, models, transaction

from proxy.history import Stored
from proxy.history.batch import Batch
from proxy.history.counters import COUNTED, LARGEST, SUMS, Counts, all_storable, storable
from proxy.history.effort import WorkAtBlock
from proxy.history.records import Record
from proxy.models.history import (
    POOL_CHARS,
    WORKER_CHARS,
    BestShare,
    BlockMark,
    ChainTip,
    PayoutRecord,
    RejectBucket,
    RejectTotal,
    ShareBucket,
    ShareTotal,
    WriterMark,
)
from proxy.types import Chain, DecidedBy, PoolKey, Reason, WorkerName

MARKS_KEPT_S = 30 * 86400.0
MOST_RECORDS = 20_000
_STORED = attrgetter(*SUMS, *LARGEST)


def write_batch(batch: Batch) -> None:
    """Write ``batch`` unless it has been written already; all of it or nothing.

    Raises:
        django.db.Error: nothing of it was written, or (a connection lost in COMMIT) it is not known; try it again.
    """
    try:
        with transaction.atomic():
            if _is_new(batch):
                _write_shares(batch)
                _write_notes(batch)
    except Exception:
        connection.close()  # the next try must not inherit a broken connection or a stale lock
        raise


def _is_new(batch: Batch) -> bool:
    """Note the batch as written, unless it is: in one statement, for an earlier try may be about to commit."""
    quote = connection.ops.quote_name
    table, number = quote(WriterMark._meta.db_table), quote("batch")
    now = datetime.now(UTC).timestamp()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({quote('writer')}, {number}, {quote('at')}) VALUES (%s, %s, %s) "
            f"ON CONFLICT ({quote('writer')}) DO UPDATE SET {number} = excluded.{number}, "
            f"{quote('at')} = excluded.{quote('at')} WHERE {table}.{number} < excluded.{number}",
            (batch.writer, batch.number, now),
        )
        is_new = bool(cursor.rowcount)
    if is_new and batch.number == 1:
        WriterMark.objects.filter(at__lt=now - MARKS_KEPT_S).delete()
    return is_new


def numbers_written() -> dict[str, int]:
    """The number of the last batch that is in the database, by its writer."""
    return dict(WriterMark.objects.values_list("writer", "batch"))


# --- Shares ----------------------------------------------------------------------------------------------------------


def _write_shares(batch: Batch) -> None:
    totals: dict[tuple[WorkerName, PoolKey], Counts] = {}
    buckets, rejects = [], []
    for (step, start, worker, pool), counts in batch.rows.items():
        names = (clean_name(worker, WORKER_CHARS), clean_name(pool, POOL_CHARS))
        totals.setdefault((worker, pool), Counts()).add(counts)
        buckets.append((step, start, *names, *_sums(counts)))
        rejects += [(step, start, *names, *row) for row in _rejects(counts)]
    _add(ShareBucket, ("step", "start", "worker", "pool"), SUMS, LARGEST, buckets)
    _add(RejectBucket, ("step", "start", "worker", "pool", "reason", "decided_by"), ("count",), (), rejects)
    _write_totals(batch, totals)


def _write_totals(batch: Batch, totals: dict[tuple[WorkerName, PoolKey], Counts]) -> None:
    rows, rejects = [], []
    for (worker, pool), counts in totals.items():
        names = (clean_name(worker, WORKER_CHARS), clean_name(pool, POOL_CHARS))
        rows.append((*names, *_sums(counts), batch.last_share_at.get((worker, pool), 0.0)))
        rejects += [(*names, *row) for row in _rejects(counts)]
    _add(ShareTotal, ("worker", "pool"), SUMS, (*LARGEST, "last_share_at"), rows)
    _add(RejectTotal, ("worker", "pool", "reason", "decided_by"), ("count",), (), rejects)


def _sums(counts: Counts) -> tuple[float, ...]:
    """The values of ``SUMS`` and ``LARGEST``, none of which is below 0."""
    return all_storable(_STORED(counts))


def _rejects(counts: Counts) -> list[tuple[str, str, int]]:
    return [(reason.value, who.value, number) for (reason, who), number in (counts.rejects or {}).items()]


def additive_upsert(
    model: type[models.Model], keys: Sequence[str], sums: Sequence[str], largest: Sequence[str], source: str = ""
) -> str:
    """SQL that inserts rows of ``keys + sums + largest``, or adds them to those that are there.

    ``source`` is a SELECT in place of one row of parameters.
    """
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = [*keys, *sums, *largest]
    values = source or f"VALUES ({', '.join(['%s'] * len(columns))})"
    sets = [f"{quote(name)} = {table}.{quote(name)} + excluded.{quote(name)}" for name in sums]
    sets += [
        f"{quote(name)} = CASE WHEN {table}.{quote(name)} >= excluded.{quote(name)} THEN {table}.{quote(name)} "
        f"ELSE excluded.{quote(name)} END"
        for name in largest
    ]
    return (
        f"INSERT INTO {table} ({', '.join(map(quote, columns))}) {values} "
        f"ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {', '.join(sets)}"
    )


def _add(
    model: type[models.Model],
    keys: Sequence[str],
    sums: Sequence[str],
    largest: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    if rows and connection.vendor == "postgresql":
        rows = sorted(rows, key=lambda row: row[: len(keys)])  # two nodes never wait for each other's rows in a circle
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(additive_upsert(model, keys, sums, largest), rows)


# --- Everything else -------------------------------------------------------------------------------------------------


def _write_notes(batch: Batch) -> None:
    BestShare.objects.bulk_create([_best_share(record) for record in batch.records], ignore_conflicts=True)
    for mark in batch.marks:
        BlockMark.objects.update_or_create(
            scope=mark.scope, defaults={"work": mark.work, "at": _time(mark.at), "blocks": mark.blocks}
        )
    ChainTip.objects.bulk_create(
        [
            ChainTip(
                chain=tip.chain.value,
                pool=tip.pool,
                height=tip.height or None,
                prevhash=tip.prevhash[::-1].hex(),
                nbits=tip.nbits,
                seen_at=_time(at),
                behind_ms=tip.behind_s * 1000.0,
            )
            for at, tip in batch.tips
        ],
        ignore_conflicts=True,
    )
    PayoutRecord.objects.bulk_create(
        [
            PayoutRecord(
                pool=payout.pool,
                at=_time(at),
                percent=payout.percent,
                ok=payout.ok,
                outputs=[list(output) for output in payout.outputs],
            )
            for at, payout in batch.payouts
        ]
    )


def _best_share(record: Record) -> BestShare:
    return BestShare(
        worker=clean_name(record.worker, WORKER_CHARS),
        chain=record.chain.value,
        pool=record.pool,
        true_difficulty=storable(record.true_difficulty),
        at=_time(record.at),
        header_hash=record.header_hash.hex(),
    )


def clean_name(name: str, length: int) -> str:
    """A name that every database takes: no control characters, no lone surrogates, not too long."""
    if name.isprintable() and len(name) <= length:
        return name
    readable = name.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else "?" for char in readable)[:length]


def _time(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)


# --- Reading at the start --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a new run goes on from."""

    totals: list[Stored]
    records: list[Record]
    marks: list[WorkAtBlock]


def read_history() -> History:
    """Everything at once; read in a thread, give it to ``restore`` of accounting, records and effort on the loop."""
    return History(totals=read_totals(), records=read_records(), marks=read_marks())


def read_totals(names: Sequence[str] | None = None) -> list[Stored]:
    """All totals, for ``Accounting.restore``, or those of some workers."""
    totals, refused = _latest_last(), RejectTotal.objects.all()
    if names is not None:
        totals, refused = totals.filter(worker__in=names), refused.filter(worker__in=names)
    stored = {(row.worker, row.pool): (_counts(row), row.last_share_at) for row in totals}
    for reject in refused:
        entry = stored.get((reject.worker, reject.pool))
        key = _reject_key(reject.reason, reject.decided_by)
        if entry is not None and key is not None:
            rejects = entry[0].rejects = entry[0].rejects or {}
            rejects[key] = reject.count
    return [
        Stored(worker=WorkerName(worker), pool=PoolKey(pool), counts=counts, last_share_at=last or None)
        for (worker, pool), (counts, last) in stored.items()
    ]


def read_pools() -> dict[PoolKey, Counts]:
    """The totals of each pool."""
    sums = {name: models.Sum(name) for name in SUMS} | {name: models.Max(name) for name in LARGEST}
    found: dict[PoolKey, Counts] = {}
    columns = ("pool", *sums)
    for pool_name, *values in ShareTotal.objects.order_by().values("pool").annotate(**sums).values_list(*columns):
        counts = found[PoolKey(pool_name)] = Counts()
        for name, value in zip(sums, values, strict=True):
            if name in COUNTED:
                setattr(counts, name, value)
    for row in RejectTotal.objects.order_by().values("pool", "reason", "decided_by").annotate(sum=models.Sum("count")):
        key, pool = _reject_key(row["reason"], row["decided_by"]), found.get(PoolKey(row["pool"]))
        if key is not None and pool is not None:
            pool.rejects = {**(pool.rejects or {}), key: row["sum"]}
    return found


def _latest_last() -> models.QuerySet[ShareTotal]:
    """Of more names than memory holds, those that were seen last stay."""
    return ShareTotal.objects.order_by(models.F("last_share_at").asc(nulls_first=True), "id")


def _counts(row: ShareTotal) -> Counts:
    counts = Counts()
    for name in COUNTED:
        setattr(counts, name, getattr(row, name))
    return counts


def _reject_key(reason: str, who: str) -> tuple[Reason, DecidedBy] | None:
    try:
        return Reason(reason), DecidedBy(who)
    except ValueError:  # written by a later version
        return None


def read_records(names: Sequence[str] | None = None) -> list[Record]:
    """The best shares, or those of some workers, for ``Records.restore``."""
    rows = BestShare.objects.all() if names is None else BestShare.objects.filter(worker__in=names)
    return [
        Record(
            worker=WorkerName(row.worker),
            chain=_chain(row.chain),
            pool=PoolKey(row.pool),
            true_difficulty=row.true_difficulty,
            at=row.at.timestamp(),
            header_hash=_hex(row.header_hash),
        )
        for row in rows.order_by("-true_difficulty")[:MOST_RECORDS]
    ]


def read_marks() -> list[WorkAtBlock]:
    """The work at the last blocks, for ``EffortMeter.restore``."""
    return [
        WorkAtBlock(scope=row.scope, work=row.work, at=row.at.timestamp(), blocks=row.blocks)
        for row in BlockMark.objects.all()
    ]


def _chain(text: str) -> Chain:
    return next((chain for chain in Chain if chain.value == text), Chain.OTHER)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
