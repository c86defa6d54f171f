"""Operations that read the live snapshot: fleet, pools, workers, split, control, alarms, auto-balance."""

from bisect import bisect_right
from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Path, Router
from pydantic import Field

from dashboard import live
from dashboard.api import now
from dashboard.api.paging import DEFAULT, Cursor, Limit, cursor_after, position_of
from dashboard.api.problems import problem
from dashboard.api.schemas import live as schemas
from dashboard.api.security import MAY_SEE, caller_in
from dashboard.api.streaming import event_of
from dashboard.api.values import Input, PoolKeyText
from dashboard.columns import Row
from dashboard.models import WorkerNote
from dashboard.regions.workers import is_forgotten, matches
from proxy.observe.live.views import WorkerView
from proxy.types import WorkerName

router = Router(auth=MAY_SEE, tags=["now"])
WorkerText = Annotated[Input, Field(max_length=128)]
Key = Annotated[PoolKeyText, Path(description="A pool's key, such as A.")]
Name = Annotated[WorkerText, Path(description="A worker's name; what is no letter or digit percent-encoded.")]


@router.get("/me", response=schemas.Me, tags=["token"])
def me(request: HttpRequest) -> schemas.Me:
    """The token that asks, and what it may."""
    caller = caller_in(request)
    return schemas.Me(
        person=caller.user.get_username(),
        label=caller.token.label,
        role=caller.token.role,
        may=sorted(caller.access.may),
        expires_unix_s=caller.token.expires_at.timestamp(),
    )


@router.get("/fleet", response=schemas.Fleet)
def fleet(request: HttpRequest) -> schemas.Fleet:
    """All miners together: hash rates with intervals, shares, connections."""
    return now.fleet(live.snapshot())


@router.get("/pools", response=list[schemas.Pool])
def pools(request: HttpRequest) -> list[schemas.Pool]:
    """All pools as they are now."""
    return [now.pool(one) for one in live.snapshot().pools]


@router.get("/pools/{key}", response=schemas.Pool)
def pool(request: HttpRequest, key: Key) -> schemas.Pool:
    """One pool."""
    found = live.snapshot().pool(key)
    if found is None:
        raise Http404
    return now.pool(found)


@router.get("/workers", response=schemas.Workers)
def workers(
    request: HttpRequest,
    cursor: Cursor = "",
    limit: Limit = DEFAULT,
    text: Annotated[Input, Field(max_length=100)] = "",
    pool: Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9]{0,7})?$")] = "",
) -> schemas.Workers:
    """Workers by name, page by page; those with ``text`` in what their row shows, or on ``pool``."""
    notes, snap = WorkerNote.by_worker(), live.snapshot()
    rows = [Row(one, notes.get(one.name)) for one in snap.workers]
    found = sorted(
        (row.worker for row in rows if matches(row, text, pool) and not is_forgotten(row.worker, row.note)),
        key=lambda one: one.name,
    )
    begin = 0
    if cursor:
        _kind, last = position_of(cursor, 2)
        begin = bisect_right(found, str(last), key=lambda one: one.name)
    shown = found[begin : begin + limit]
    more = begin + limit < len(found)
    return schemas.Workers(
        items=now.workers(shown, snap), next_cursor=cursor_after("workers", shown[-1].name) if more else None
    )


@router.get("/workers/{worker:name}", response=schemas.WorkerDetail)
def worker(request: HttpRequest, name: Name) -> schemas.WorkerDetail:
    """One worker, with its connections."""
    snap = live.snapshot()
    found = snap.worker(name)
    note = WorkerNote.objects.filter(worker=name).first()
    if found is None and note is None:
        raise Http404
    known = found or WorkerView(name=WorkerName(name), connections=0)
    return now.worker_detail(known, note.text if note else "", snap)


@router.get("/split", response=list[schemas.Split])
def split(request: HttpRequest) -> list[schemas.Split]:
    """How much each pool got against what it should get, since the last change, in an hour and in a day."""
    return now.split(live.snapshot())


@router.get("/control", response=schemas.Control)
def control(request: HttpRequest) -> schemas.Control:
    """Who decides the weights now: an override, auto-balance, a schedule."""
    return now.control(live.snapshot())


@router.get("/alarms", response=list[schemas.Alarm])
def alarms(request: HttpRequest) -> list[schemas.Alarm]:
    """What a person should know now; empty when all is well."""
    return now.alarms(live.snapshot())


@router.get("/nodes", response=list[schemas.Node])
def nodes(request: HttpRequest) -> list[schemas.Node]:
    """The proxies that mine together; empty where this one knows of no other."""
    return now.nodes(live.snapshot())


@router.get("/switch-costs", response=list[schemas.SwitchCost])
def switch_costs(request: HttpRequest) -> list[schemas.SwitchCost]:
    """What a switch between pools costs, by firmware."""
    return now.switch_costs(live.snapshot())


@router.get("/balance", response=schemas.Balance)
def balance(request: HttpRequest, points: Annotated[int, Field(ge=0, le=1008)] = 0) -> schemas.Balance | HttpResponse:
    """Auto-balance: what it sees and wants, with its last ``points`` polls."""
    found = now.balance(live.snapshot(), points)
    return found or problem(503, "The proxy does not run in this process yet.")


@router.get(
    "/stream",
    openapi_extra={
        "responses": {
            200: {"description": "server-sent events `snapshot`", "content": {"text/event-stream": {"schema": {}}}}
        }
    },
)
def stream(request: HttpRequest, events: Annotated[int, Field(ge=1, le=60)] = 60) -> HttpResponse:
    """Server-sent events: a snapshot (fleet, pools, split, control, alarms) at each change, about once a second.

    It ends after ``events`` of them, or after 50 seconds at most; clients of such streams then connect again by
    themselves.
    """
    # What serves it in life is dashboard.api.streaming; this is for servers without it.
    return HttpResponse(event_of(live.snapshot()), content_type="text/event-stream")
