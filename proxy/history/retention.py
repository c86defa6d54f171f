"""Old history gets coarser: minutes become 10 minutes, then hours, then days, and at last nothing.

Every transaction moves whole target buckets: it adds their rows up, then deletes them, so that each share is in exactly
one row at any time, whatever stops the process.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, models, transaction
from django.utils.timezone import now as wall_now

from proxy.history.counters import LARGEST, SUMS
from proxy.history.records import TOP
from proxy.history.store import additive_upsert
from proxy.models.history import BestShare, ChainTip, PayoutRecord, RejectBucket, Retention, ShareBucket, Step
from proxy.nodes.lease import Lease, LeaseLost, OwnLease
from proxy.ports import Clock

logger = logging.getLogger(__name__)

EVERY_S = 600.0
PIECE_S = 6 * 3600
"""Time moved in one transaction (at least one target bucket): the writer must not wait long."""
DAY_S = 86400
_REJECT_NAMES = ("worker", "pool", "reason", "decided_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep did."""

    rolled_up: int
    """Rows that became part of coarser ones."""
    deleted: int
    """Rows that were let go for their age, and best shares that are none any more."""


class RetentionJob:
    """Sweeps at most every ten minutes; a job for ``HistoryWriter``."""

    def __init__(self, clock: Clock, lease: Lease | None = None) -> None:
        self._clock = clock
        self._lease = lease or OwnLease()
        self._due = clock.now()

    def __call__(self) -> None:
        """Sweep if it is time.

        Raises:
            django.db.Error: tried again at the next call.
        """
        if self._clock.now() < self._due or not self._lease.held:
            return
        try:
            swept = sweep(self._clock.wall(), self._lease.check)
        except LeaseLost:
            return
        self._due = self._clock.now() + EVERY_S
        logger.debug("history: %d rows rolled up, %d deleted", swept.rolled_up, swept.deleted)


def sweep(now: float | None = None, check: Callable[[], None] = lambda: None) -> Swept:
    """Bring history to what the retention settings say, as of ``now`` (unix seconds).

    ``check`` is called in each transaction that moves rows; what it raises ends the sweep.
    """
    now = wall_now().timestamp() if now is None else now
    keep = Retention.load()
    rolled = sum(
        _roll_up(source, target, now - days * DAY_S, check)
        for source, target, days in (
            (Step.MINUTE, Step.TEN_MINUTES, keep.minutes_days),
            (Step.TEN_MINUTES, Step.HOUR, keep.ten_minutes_days),
            (Step.HOUR, Step.DAY, keep.hours_days),
        )
    )
    return Swept(rolled_up=rolled, deleted=_expire(keep, now) + _forget_beaten())


def _roll_up(source: Step, target: Step, cutoff: float, check: Callable[[], None]) -> int:
    end = int(cutoff) // target * target
    moved = 0
    while (first := _first(source, end)) is not None:
        begin = first // target * target
        until = min(end, begin + max(PIECE_S, target))
        with transaction.atomic():
            check()
            _keep_writers_out()
            moved += _move(ShareBucket, ("worker", "pool"), SUMS, LARGEST, source, target, begin, until)
            moved += _move(RejectBucket, _REJECT_NAMES, ("count",), (), source, target, begin, until)
    return moved


def _keep_writers_out() -> None:
    """Until the end of the transaction nobody else writes what it moves: else a row that another node adds to between
    the sum and the deletion would be lost, and two sweeps would add the same rows up. On SQLite nobody can anyway."""
    if connection.vendor == "postgresql":
        tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in (ShareBucket, RejectBucket))
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")


def _first(source: Step, end: int) -> int | None:
    found = [
        rows.filter(step=source, start__lt=end).aggregate(first=models.Min("start"))["first"]
        for rows in (ShareBucket.objects, RejectBucket.objects)
    ]
    return min((first for first in found if first is not None), default=None)


def _move(
    model: type[models.Model],
    names: tuple[str, ...],
    sums: tuple[str, ...],
    largest: tuple[str, ...],
    source: Step,
    target: Step,
    begin: int,
    until: int,
) -> int:
    quote = connection.ops.quote_name
    table, start, step = quote(model._meta.db_table), quote("start"), quote("step")
    columns = [str(int(target)), f"{start} - {start} %% {int(target)}", *map(quote, names)]
    columns += [f"SUM({quote(name)})" for name in sums] + [f"MAX({quote(name)})" for name in largest]
    where = f"WHERE {step} = %s AND {start} >= %s AND {start} < %s"
    group = ", ".join(str(place) for place in range(2, 3 + len(names)))
    select = f"SELECT {', '.join(columns)} FROM {table} {where} GROUP BY {group}"
    with connection.cursor() as cursor:
        values = (int(source), begin, until)
        cursor.execute(additive_upsert(model, ("step", "start", *names), sums, largest, select), values)
        cursor.execute(f"DELETE FROM {table} {where}", values)
        return int(cursor.rowcount)


def _expire(keep: Retention, now: float) -> int:
    deleted = 0
    if keep.days_days:
        oldest = now - keep.days_days * DAY_S
        deleted += ShareBucket.objects.filter(step=Step.DAY, start__lt=oldest).delete()[0]
        deleted += RejectBucket.objects.filter(step=Step.DAY, start__lt=oldest).delete()[0]
    if keep.tips_days:
        deleted += ChainTip.objects.filter(seen_at__lt=_before(now, keep.tips_days)).delete()[0]
    if keep.payouts_days:
        deleted += PayoutRecord.objects.filter(at__lt=_before(now, keep.payouts_days)).delete()[0]
    return deleted


def _before(now: float, days: int) -> datetime:
    return datetime.fromtimestamp(now - days * DAY_S, UTC)


def _forget_beaten() -> int:
    """Best shares that are neither a worker's own best on a chain nor among the chain's best."""
    own = (
        BestShare.objects.filter(worker=models.OuterRef("worker"), chain=models.OuterRef("chain"))
        .order_by("-true_difficulty", "id")
        .values("id")[:1]
    )
    deleted = 0
    for chain in BestShare.objects.values_list("chain", flat=True).distinct().order_by("chain"):
        ordered = BestShare.objects.filter(chain=chain).order_by("-true_difficulty", "id")
        top = list(ordered.values_list("id", flat=True)[:TOP])
        beaten = ordered.exclude(id__in=top).annotate(own=models.Subquery(own)).exclude(id=models.F("own"))
        deleted += BestShare.objects.filter(id__in=list(beaten.values_list("id", flat=True)[:500])).delete()[0]
    return deleted
