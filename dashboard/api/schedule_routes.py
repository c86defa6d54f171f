"""Operations on schedules. Reading is for everybody; like the admin's forms, changing is for administrators."""

from datetime import time
from typing import Annotated

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Router, Status
from pydantic import Field

from dashboard import live
from dashboard.api.errors import Refused
from dashboard.api.filled import filled
from dashboard.api.live_routes import WorkerText
from dashboard.api.schemas import schedules as schemas
from dashboard.api.security import MAY_ADMINISTER, MAY_SEE, caller_in
from dashboard.models import AuditEntry
from dashboard.schedules import Coming, configured, present_and_next
from proxy.config.loader import load_snapshot
from proxy.errors import ConfigError
from proxy.models import Allocation, Fallback, Pool, Schedule, ScheduleWindow

router = Router(auth=MAY_ADMINISTER, tags=["schedules"])
Id = Annotated[int, Field(ge=1, lt=2**63), Path()]
MOST = 200
"""Schedules that can be made here; the week of each is looked at for every worker."""


@router.get("/schedules", response=list[schemas.Schedule], auth=MAY_SEE)
def schedules(request: HttpRequest) -> list[schemas.Schedule]:
    """All schedules, the one with the highest priority first."""
    rows = Schedule.objects.prefetch_related("allocations__pool", "fallbacks__pool", "windows")
    return [_as_said(row) for row in rows]


@router.get("/schedules/in-force", response=schemas.SchedulesNow, auth=MAY_SEE)
def in_force(request: HttpRequest, worker: WorkerText = "") -> schemas.SchedulesNow:
    """Which schedule is in force for a worker, or for any, and which follows within a week."""
    known, problems = configured()
    if problems:
        raise Refused(409, " ".join(problems))
    present, following = present_and_next(known, worker, live.snapshot().at)
    return schemas.SchedulesNow(now=_coming(present), following=None if following is None else _coming(following))


def _coming(view: Coming) -> schemas.Coming:
    return schemas.Coming(schedule_id=view.schedule.id if view.schedule else None, from_unix_s=view.at)


@router.get("/schedules/{id}", response=schemas.Schedule, auth=MAY_SEE)
def schedule(request: HttpRequest, id: Id) -> schemas.Schedule:
    """One schedule."""
    return _as_said(get_object_or_404(Schedule, pk=id))


@router.post("/schedules", response={201: schemas.Schedule})
def add_schedule(request: HttpRequest, wanted: schemas.ScheduleWanted) -> Status[schemas.Schedule]:
    """A new schedule."""
    if Schedule.objects.count() >= MOST:
        raise Refused(409, f"There are {MOST} schedules already.")
    return Status(201, _saved(request, Schedule(), wanted, "add"))


@router.put("/schedules/{id}", response=schemas.Schedule)
def replace_schedule(request: HttpRequest, id: Id, wanted: schemas.ScheduleWanted) -> schemas.Schedule:
    """Replace a schedule as a whole."""
    return _saved(request, get_object_or_404(Schedule, pk=id), wanted, "change")


@router.delete("/schedules/{id}", response={204: None})
def delete_schedule(request: HttpRequest, id: Id) -> Status[None]:
    """Delete a schedule."""
    with transaction.atomic():
        row = get_object_or_404(Schedule, pk=id)
        name = row.name
        row.delete()
        _keep(request, "delete", name)
    return Status(204, None)


def _saved(request: HttpRequest, row: Schedule, wanted: schemas.ScheduleWanted, action: str) -> schemas.Schedule:
    """Save what is wanted, all of it or nothing.

    Raises:
        Refused: it breaks a rule, or the proxy could not use the whole configuration then.
    """
    if not any(one.weight > 0 for one in wanted.allocations):
        raise Refused(422, "At least one pool needs a weight above 0.")
    try:
        with transaction.atomic():
            _write(row, wanted)
            load_snapshot()
            _keep(request, action, row.name)
    except ValidationError as error:
        raise Refused(422, " ".join(error.messages)) from error
    except ConfigError as error:
        raise Refused(422, " ".join(error.problems)) from error
    return _as_said(Schedule.objects.get(pk=row.pk))


def _write(row: Schedule, wanted: schemas.ScheduleWanted) -> None:
    for name in ("name", "enabled", "is_default", "min_switch_s", "slice_s", "time_zone", "priority", "workers"):
        setattr(row, name, getattr(wanted, name))
    row.mode, row.policy = wanted.mode.value, wanted.policy.value
    row.full_clean()
    row.save()
    for part in (*row.allocations.all(), *row.fallbacks.all(), *row.windows.all()):
        part.delete()
    parts: list[Allocation | Fallback | ScheduleWindow] = [
        Allocation(schedule=row, pool=_pool(one.pool), weight=one.weight, position=place)
        for place, one in enumerate(wanted.allocations)
    ]
    parts += [Fallback(schedule=row, pool=_pool(key), position=place) for place, key in enumerate(wanted.fallbacks)]
    parts += [
        ScheduleWindow(
            schedule=row,
            weekdays=sum(1 << day for day in set(one.days)),
            start=time.fromisoformat(one.start),
            end=time.fromisoformat(one.end),
        )
        for one in wanted.windows
    ]
    for part in parts:
        part.full_clean()
        part.save()


def _pool(key: str) -> Pool:
    found = Pool.objects.filter(key=key).first()
    if found is None:
        raise Refused(422, f"There is no pool {key}.")
    return found


def _keep(request: HttpRequest, action: str, name: str) -> None:
    AuditEntry.write(
        by=caller_in(request).get_username(), action=action, subject=f"{Schedule._meta.verbose_name} {name}"
    )


def _as_said(row: Schedule) -> schemas.Schedule:
    return filled(
        schemas.Schedule,
        row,
        allocations=[schemas.PoolWeight(pool=one.pool.key, weight=one.weight) for one in row.allocations.all()],
        fallbacks=[one.pool.key for one in row.fallbacks.all()],
        windows=[
            schemas.Window(days=sorted(one.days), start=f"{one.start:%H:%M}", end=f"{one.end:%H:%M}")
            for one in row.windows.all()
        ],
    )
