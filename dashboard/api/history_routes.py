"""Operations that read what is kept: history by pool, blocks, best shares, odds, audit log, log, settings."""

from typing import Annotated, Literal

from django.conf import settings as django_settings
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from dashboard import charts, live
from dashboard.api.filled import filled
from dashboard.api.live_routes import WorkerText
from dashboard.api.paging import DEFAULT, Cursor, Limit, page
from dashboard.api.schemas import history as schemas
from dashboard.api.security import MAY_ADMINISTER, MAY_READ_LOGS, MAY_SEE, MAY_STEER
from dashboard.api.values import Input
from dashboard.logring import ring
from dashboard.models import AuditEntry
from dashboard.regions import records
from proxy.config.origin import settings_in_force
from proxy.models import history

router = Router(auth=MAY_SEE, tags=["history"])
Span = Literal["15m", "1h", "6h", "24h", "7d", "30d", "1y"]
OptionalKey = Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9]{0,7})?$")]


@router.get("/history/hashrate", response=schemas.RateHistory)
def hashrate(
    request: HttpRequest, span: Span = "1h", worker: WorkerText = "", pool: OptionalKey = ""
) -> schemas.RateHistory:
    """Hash rate by pool over a span, at most some 400 points; of one worker or pool, if named."""
    found = charts.by_pool(live.snapshot(), kind="rate", span=span, worker=worker or None, pool=pool or None)
    return schemas.RateHistory(
        span=span, step_s=found.width_s, times_unix_s=found.times, hashes_per_s_by_pool=found.by_pool
    )


@router.get("/history/accepted-shares", response=schemas.ShareHistory)
def accepted_shares(
    request: HttpRequest, span: Span = "1h", worker: WorkerText = "", pool: OptionalKey = ""
) -> schemas.ShareHistory:
    """Accepted shares a minute by pool over a span; of one worker or pool, if named."""
    found = charts.by_pool(live.snapshot(), kind="accepted", span=span, worker=worker or None, pool=pool or None)
    return schemas.ShareHistory(
        span=span, step_s=found.width_s, times_unix_s=found.times, shares_per_min_by_pool=found.by_pool
    )


@router.get("/blocks", response=schemas.Blocks)
def blocks(request: HttpRequest, cursor: Cursor = "", limit: Limit = DEFAULT) -> schemas.Blocks:
    """Blocks found, newest first."""
    rows, following = page(history.Block.objects.all(), "at", cursor, limit)
    return schemas.Blocks(
        items=[filled(schemas.Block, row, at_unix_s=row.at.timestamp(), hash_hex=row.header_hash) for row in rows],
        next_cursor=following,
    )


@router.get("/best-shares", response=schemas.BestShares)
def best_shares(request: HttpRequest, cursor: Cursor = "", limit: Limit = DEFAULT) -> schemas.BestShares:
    """The best shares of all time, the best first."""
    rows, following = page(history.BestShare.objects.all(), "true_difficulty", cursor, limit)
    return schemas.BestShares(
        items=[filled(schemas.BestShare, row, at_unix_s=row.at.timestamp()) for row in rows],
        next_cursor=following,
    )


@router.get("/odds", response=list[schemas.Odds])
def odds(request: HttpRequest) -> list[schemas.Odds]:
    """What is to be expected on each pool's chain. No promise: blocks come at random."""
    return [
        schemas.Odds(
            pool=one.pool.key,
            hashes_per_s=one.rate,
            time_per_block_s=one.per_block_s,
            block_a_day_probability=one.day,
            block_a_year_probability=one.year,
            expected_best_share_difficulty=one.expected_best,
        )
        for one in records.all_odds(live.snapshot())
    ]


@router.get("/audit", response=schemas.Audit, auth=MAY_STEER, tags=["logs"])
def audit(request: HttpRequest, cursor: Cursor = "", limit: Limit = DEFAULT) -> schemas.Audit:
    """Who changed what, newest first."""
    rows, following = page(AuditEntry.objects.all(), "at", cursor, limit)
    return schemas.Audit(
        items=[filled(schemas.AuditLine, row, at_unix_s=row.at.timestamp()) for row in rows],
        next_cursor=following,
    )


@router.get("/logs", response=schemas.LogLines, auth=MAY_READ_LOGS, tags=["logs"])
def logs(
    request: HttpRequest,
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "DEBUG",
    event: Annotated[Input, Field(max_length=80)] = "",
    text: Annotated[Input, Field(max_length=100)] = "",
    worker: WorkerText = "",
    pool: OptionalKey = "",
) -> schemas.LogLines:
    """The newest lines of the log that match, newest first; those after the id ``after``."""
    lines = ring().recent(
        after=after,
        limit=limit,
        level=LEVELS[level],
        text=text,
        events={event} if event else (),
        worker=worker or None,
        pool=pool or None,
    )
    return schemas.LogLines(items=[filled(schemas.LogLine, line, at_unix_s=line.ts) for line in lines])


LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


@router.get("/settings", response=list[schemas.Setting], auth=MAY_ADMINISTER, tags=["settings"])
def settings(request: HttpRequest) -> list[schemas.Setting]:
    """All settings in force and where each comes from, without secrets."""
    lines = settings_in_force(django_settings.DPMP_VARIABLES)
    return [
        schemas.Setting(group=str(line.group), name=str(line.name), value=str(line.value), origin=line.origin.value)
        for line in lines
    ]
