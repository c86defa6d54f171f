"""Text of the daily and weekly summaries, from the history."""

from datetime import UTC, datetime

from django.db.models import Count, F, QuerySet, Sum

from proxy.alerts.texts import MAX_NAME_CHARS, short
from proxy.models.alerts import AlertDelivery
from proxy.models.history import BestShare, Block, RejectBucket, ShareBucket
from proxy.types import HASHES_PER_DIFFICULTY

TOP = 5


def compose(begin: float, end: float) -> str:
    """Plain text about ``begin`` (unix seconds) to ``end`` (not included); to the resolution of the history's rows.

    Raises:
        django.db.Error: the history cannot be read.
    """
    lines = [
        *_shares(begin, end),
        *_pools(begin, end),
        *_reasons(begin, end),
        *_workers(begin, end),
        *_records(begin, end),
    ]
    return "\n".join(lines)


def _rows(begin: float, end: float) -> QuerySet[ShareBucket]:
    return ShareBucket.objects.filter(start__gte=begin, start__lt=end)


def _shares(begin: float, end: float) -> list[str]:
    sums = _rows(begin, end).aggregate(
        accepted=Sum("accepted", default=0),
        work_only=Sum("work_only", default=0),
        rejected=Sum("rejected", default=0),
        unanswered=Sum("unanswered", default=0),
        work=Sum("work", default=0.0),
    )
    accepted, work_only, rejected, unanswered = [
        sums[name] for name in ("accepted", "work_only", "rejected", "unanswered")
    ]
    answered = accepted + work_only + rejected
    if not answered + unanswered:
        return ["No shares came in."]
    part = rejected / max(1, answered)
    kept = f" {work_only:,} below the pool's difficulty," if work_only else ""
    return [
        f"Shares: {accepted:,} accepted,{kept} {rejected:,} refused ({part:.2%}), {unanswered:,} unanswered.",
        f"Average hash rate: {_rate(sums['work'], begin, end)}.",
    ]


def _pools(begin: float, end: float) -> list[str]:
    pools = list(
        _rows(begin, end)
        .exclude(pool="")
        .values("pool")
        .order_by("pool")
        .annotate(done=Sum("work"), good=Sum("accepted"), refused=Sum("rejected"))
    )
    total = sum(pool["done"] for pool in pools)
    return [
        f"Pool {pool['pool']}: {pool['done'] / total:.1%} of the work, {pool['good']:,} accepted, "
        f"{pool['refused']:,} refused."
        for pool in pools
        if total > 0
    ]


def _reasons(begin: float, end: float) -> list[str]:
    reasons = (
        RejectBucket.objects.filter(start__gte=begin, start__lt=end)
        .values("reason")
        .annotate(shares=Sum("count"))
        .order_by("-shares")[:TOP]
    )
    listed = ", ".join(f"{row['reason']} {row['shares']:,}" for row in reasons)
    return [f"Refused for: {listed}."] if listed else []


def _workers(begin: float, end: float) -> list[str]:
    rows = _rows(begin, end)
    workers = rows.aggregate(number=Count("worker", distinct=True))["number"]
    fastest = rows.values("worker").annotate(done=Sum("work")).order_by("-done")[:TOP]
    listed = ", ".join(f"{row['worker'][:MAX_NAME_CHARS]} {_rate(row['done'], begin, end)}" for row in fastest)
    return [f"Workers: {workers}. The fastest: {listed}."] if workers else []


def _records(begin: float, end: float) -> list[str]:
    since, until = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    lines = [
        f"Block found: {block.chain} {block.height or ''} by {block.worker[:MAX_NAME_CHARS]}, pool {block.pool} "
        f"({block.get_verdict_display()})."
        for block in Block.objects.filter(at__gte=since, at__lt=until)[:TOP]
    ]
    best = BestShare.objects.filter(at__gte=since, at__lt=until).order_by(F("true_difficulty").desc()).first()
    if best is not None:
        lines.append(f"Best new share: {short(best.true_difficulty)} by {best.worker[:MAX_NAME_CHARS]} ({best.chain}).")
    sent = AlertDelivery.objects.filter(at__gte=since, at__lt=until, level="bad").count()
    return [*lines, f"Alerts about trouble: {sent}."]


def _rate(work: float, begin: float, end: float) -> str:
    return short(work * HASHES_PER_DIFFICULTY / max(1.0, end - begin), "H/s")
