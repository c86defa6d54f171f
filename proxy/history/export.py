"""Shares of a period for other programs: CSV or JSON, one row per worker, pool and stretch of time, with totals."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any

from proxy.history.counters import EXPORTED, Adding
from proxy.models.history import ShareBucket
from proxy.text import harmless_cell
from proxy.types import HASHES_PER_DIFFICULTY

TOTAL = "total"
WORK = "work_difficulty"
TERAHASHES = "work_terahashes"
"""``WORK`` in hashes."""
FINEST = "finest_s"
"""Width of the coarsest bucket in a row, seconds."""


class By(StrEnum):
    """Width of a row."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    PERIOD = "period"
    """The whole period in one row."""


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to export: shares from ``begin`` up to, not including, ``end``.

    Rows begin at full hours, days or months of ``zone``. Of history that is only kept by the day (in UTC) a whole day
    counts to the row in which it begins; ``finest_s`` of a row says so.
    """

    begin: datetime
    end: datetime
    by: By = By.DAY
    zone: tzinfo = UTC
    worker: str = ""
    """Empty for all."""
    pool: str = ""


class ExportRow:
    """One row, or a total: sums of buckets, by column."""

    def __init__(self, begin: str, worker: str, pool: str) -> None:
        self.values: dict[str, str | float] = {"begin": begin, "worker": worker, "pool": pool}
        for counter in EXPORTED:
            self.values[counter.column] = 0 if counter.unit.is_whole else 0.0
            if counter.column == WORK:
                self.values[TERAHASHES] = 0.0
        self.values[FINEST] = 0

    def add(self, bucket: ShareBucket) -> None:
        """Count one bucket."""
        values: dict[str, Any] = self.values
        for counter in EXPORTED:
            before, more = values[counter.column], getattr(bucket, counter.name)
            values[counter.column] = before + more if counter.adding is Adding.SUM else max(before, more)
        values[TERAHASHES] = values[WORK] * HASHES_PER_DIFFICULTY / 1e12
        values[FINEST] = max(values[FINEST], bucket.step)


COLUMNS = tuple(ExportRow("", "", "").values)


class Totals:
    """Sums over all rows: one for each pool, one for everything."""

    def __init__(self) -> None:
        self._pools: dict[str, ExportRow] = {}
        self._all = ExportRow(TOTAL, "", "")

    def add(self, bucket: ShareBucket) -> None:
        """Count one bucket."""
        pool = self._pools.setdefault(bucket.pool, ExportRow(TOTAL, "", bucket.pool))
        pool.add(bucket)
        self._all.add(bucket)

    def rows(self) -> list[ExportRow]:
        """Each pool's total, then the total of all."""
        return [*(self._pools[pool] for pool in sorted(self._pools)), self._all]


def rows(query: Query, totals: Totals) -> Iterator[ExportRow]:
    """The rows in order of time, worker and pool; ``totals`` is complete when they are through."""
    current = ""
    group: dict[tuple[str, str], ExportRow] = {}
    for bucket in _buckets(query):
        begin = _begin(bucket.begins, query)
        if begin != current:
            yield from (group[key] for key in sorted(group))
            current, group = begin, {}
        key = (bucket.worker, bucket.pool)
        row = group.get(key)
        if row is None:
            row = group[key] = ExportRow(begin, bucket.worker, bucket.pool)
        row.add(bucket)
        totals.add(bucket)
    yield from (group[key] for key in sorted(group))


def write(query: Query, form: Format) -> Iterator[str]:
    """The export in pieces of text."""
    return _csv(query) if form is Format.CSV else _json(query)


def file_name(query: Query, form: Format) -> str:
    """A name for the file."""
    begin, end = (when.astimezone(query.zone).strftime("%Y%m%d") for when in (query.begin, query.end))
    return f"dpmp-shares-{begin}-{end}.{form}"


def _buckets(query: Query) -> Iterator[ShareBucket]:
    found = ShareBucket.objects.filter(start__gte=query.begin.timestamp(), start__lt=query.end.timestamp())
    if query.worker:
        found = found.filter(worker=query.worker)
    if query.pool:
        found = found.filter(pool=query.pool)
    return found.order_by("start", "id").iterator(chunk_size=2000)


def _begin(when: datetime, query: Query) -> str:
    local = when.astimezone(query.zone).replace(minute=0, second=0, microsecond=0)
    if query.by is By.HOUR:
        return local.isoformat()
    if query.by is By.PERIOD:
        local = query.begin.astimezone(query.zone)
    elif query.by is By.DAY:
        local = local.replace(hour=0)
    elif query.by is By.MONTH:
        local = local.replace(day=1, hour=0)
    # The offset belongs to the new wall time: a day with a clock change begins in the other one.
    return local.replace(tzinfo=None, fold=0).replace(tzinfo=query.zone).isoformat()


def _csv(query: Query) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    take = _taker(text)
    writer.writerow(COLUMNS)
    totals = Totals()
    for row in rows(query, totals):
        writer.writerow(_cells(row))
        if text.tell() > 1 << 16:
            yield take()
    writer.writerows(_cells(row) for row in totals.rows())
    yield take()


def _cells(row: ExportRow) -> list[object]:
    return [harmless_cell(value) if isinstance(value, str) else value for value in row.values.values()]


def _taker(text: io.StringIO) -> Callable[[], str]:
    def take() -> str:
        piece = text.getvalue()
        text.seek(0)
        text.truncate()
        return piece

    return take


def _json(query: Query) -> Iterator[str]:
    head = {
        "from": query.begin.isoformat(),
        "to": query.end.isoformat(),
        "by": query.by.value,
        "hashes_per_difficulty": HASHES_PER_DIFFICULTY,
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": ['
    totals, between = Totals(), "\n"
    for row in rows(query, totals):
        yield between + json.dumps(row.values, ensure_ascii=False)
        between = ",\n"
    yield '\n], "totals": ' + json.dumps([row.values for row in totals.rows()], ensure_ascii=False) + "}\n"
