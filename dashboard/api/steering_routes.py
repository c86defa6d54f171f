"""Operations that steer: weights, auto-balance, pins, notes, the test of a pool. Changes are in the audit log."""

import threading
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Status

from dashboard.api.errors import Refused
from dashboard.api.filled import filled
from dashboard.api.live_routes import Key, Name
from dashboard.api.schemas import steering as schemas
from dashboard.api.security import MAY_SEE, MAY_STEER, caller_in
from dashboard.models import AuditEntry, WorkerNote
from dashboard.views.pools import run_check
from proxy.models import Pool, WorkerPin
from proxy.ops import steering

_tests = threading.BoundedSemaphore(2)
"""A test holds one of the few places that pages have."""
router = Router(auth=MAY_STEER, tags=["steering"])


@router.get("/override", response=schemas.Override, auth=MAY_SEE)
def override(request: HttpRequest) -> schemas.Override:
    """What is set by hand."""
    row = steering.current_override()
    if row is None or not row.active:
        return schemas.Override(kind="none", weights={}, set_by="", set_unix_s=None, until_unix_s=None)
    return filled(
        schemas.Override,
        row,
        set_unix_s=row.set_at.timestamp(),
        until_unix_s=row.until.timestamp() if row.until else None,
    )


@router.put("/override/weights", response=schemas.Override)
def set_weights(request: HttpRequest, wanted: schemas.WeightsWanted) -> schemas.Override:
    """Set the split, until it is reset or for some hours."""
    before = steering.current_override()
    if not wanted.hours and before is not None and before.until is None and before.weights == wanted.weights:
        return override(request)  # a program that repeats itself fills neither the audit log nor the history
    until = timezone.now() + timedelta(hours=wanted.hours) if wanted.hours else None
    try:
        steering.set_weights(caller_in(request), wanted.weights, until)
    except ValidationError as error:
        raise Refused(422, " ".join(error.messages)) from error
    return override(request)


@router.put("/override/auto-balance", response=schemas.Override)
def switch_auto_balance(request: HttpRequest, wanted: schemas.Switch) -> schemas.Override:
    """Switch auto-balance on; off: back to the schedules."""
    before = steering.current_override()
    if wanted.on and before is not None and before.active and not before.weights:
        return override(request)
    steering.switch_auto_balance(caller_in(request), wanted.on)
    return override(request)


@router.delete("/override", response=schemas.Override)
def reset(request: HttpRequest) -> schemas.Override:
    """Back to the schedules."""
    steering.reset(caller_in(request))
    return override(request)


@router.get("/pins", response=list[schemas.Pin], auth=MAY_SEE)
def pins(request: HttpRequest) -> list[schemas.Pin]:
    """Workers that are pinned to a pool."""
    return [_pin(row) for row in WorkerPin.objects.select_related("pool")]


def _pin(row: WorkerPin) -> schemas.Pin:
    return filled(schemas.Pin, row, pool=row.pool.key)


@router.put("/workers/{worker:name}/pin", response=schemas.Pin)
def pin(request: HttpRequest, name: Name, wanted: schemas.PinWanted) -> schemas.Pin:
    """Pin a worker to a pool; one that is not known yet is when it comes."""
    try:
        steering.pin(caller_in(request), name, wanted.pool)
    except Pool.DoesNotExist as error:
        raise Refused(422, f"There is no pool {wanted.pool}.") from error
    except ValidationError as error:
        raise Refused(422, " ".join(error.messages)) from error
    return _pin(WorkerPin.objects.select_related("pool").get(worker=name))


@router.delete("/workers/{worker:name}/pin", response={204: None})
def unpin(request: HttpRequest, name: Name) -> Status[None]:
    """Remove a worker's pin, if it has one."""
    steering.pin(caller_in(request), name, None)
    return Status(204, None)


@router.put("/workers/{worker:name}/note", response={204: None})
def note(request: HttpRequest, name: Name, wanted: schemas.NoteWanted) -> Status[None]:
    """Set the note on a worker."""
    if not name:
        raise Http404
    WorkerNote.objects.update_or_create(worker=name, defaults={"text": wanted.text.strip()})
    return Status(204, None)


@router.post("/workers/{worker:name}/forget", response={204: None})
def forget(request: HttpRequest, name: Name) -> Status[None]:
    """Hide a worker that is away from the lists, until it comes again."""
    if not name:
        raise Http404
    WorkerNote.objects.update_or_create(worker=name, defaults={"forgotten_at": timezone.now()})
    AuditEntry.write(by=caller_in(request).get_username(), action="forget", subject=name)
    return Status(204, None)


@router.post("/pools/{key}/test", response=schemas.Check, tags=["now"])
def test_pool(request: HttpRequest, key: Key) -> schemas.Check:
    """Connect to a pool and report each step; may take half a minute."""
    if not Pool.objects.filter(key=key).exists():
        raise Http404
    if not _tests.acquire(blocking=False):
        raise Refused(409, "Other tests are under way: try again in half a minute.")
    try:
        lines, trouble = run_check(key, show_wallets=caller_in(request).access.wallets)
    finally:
        _tests.release()
    return schemas.Check(
        lines=[schemas.CheckLine(step=step, text=text, ok=ok) for step, text, ok in lines], problem=trouble
    )
