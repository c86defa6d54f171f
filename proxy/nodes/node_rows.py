"""The rows of nodes and of the lease. Every time in them is the database's: machines' clocks may differ.

Called in threads, never on the loop.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, QuerySet, When
from django.db.models.functions import Now

from proxy.models.nodes import Lease, NodeState, ProxyNode
from proxy.models.state import SchedulerState
from proxy.nodes.lease import LEASE_S

SILENT_S = 10.0
"""A node that was not heard for so long has ended, or cannot reach the database."""
FORGOTTEN = timedelta(days=30)
"""A node that was not heard for so long is deleted, with its state."""
LEASE = "fleet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """This run of this node."""

    name: str
    run: str
    home: str
    """Names the data directory; "" where nothing keeps a second run out of it."""
    version: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The run that has the name that this one wants, and may live."""

    run: str
    host: str
    pid: int
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a node hears when it says that it lives."""

    is_mine: bool
    """Whether the name still belongs to this run."""
    drain: bool
    """Somebody asked it to drain."""
    epoch: int | None
    """Of the lease, if this run holds it."""


@transaction.atomic
def claim_name(me: Me, *, is_start: bool = True) -> Holder | None:
    """Take the name, unless a run may live that has it.

    It surely does not live if it said that it ended, was not heard for ``SILENT_S``, or (at the start) worked in the
    data directory on this machine that this run has locked.
    """
    silent = ExpressionWrapper(Q(seen_at__lt=Now() - timedelta(seconds=SILENT_S)), output_field=BooleanField())
    row = ProxyNode.objects.select_for_update().filter(name=me.name).annotate(silent=silent).first()
    values = {
        "run": me.run,
        "home": me.home,
        "version": me.version,
        "host": me.host,
        "pid": me.pid,
        "address": "",
        "state": NodeState.STARTING,
        "drain": False,
        "started_at": Now(),
        "seen_at": Now(),
    }
    if row is None:
        try:
            with transaction.atomic():
                ProxyNode.objects.create(name=me.name, **values)
        except IntegrityError:  # another run took it just now
            return claim_name(me, is_start=is_start)
        _forget_old_nodes()
        return None
    is_own_past = is_start and bool(me.home) and (row.home, row.host) == (me.home, me.host)
    if not (row.silent or is_own_past or row.run == me.run or row.state == NodeState.STOPPED):
        return Holder(run=row.run, host=row.host, pid=row.pid, seen_at=row.seen_at)
    ProxyNode.objects.filter(pk=row.pk).update(**values)
    return None


def _forget_old_nodes() -> None:
    ProxyNode.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()
    known = ProxyNode.objects.values_list("name", flat=True)
    SchedulerState.objects.filter(saved_at__lt=Now() - FORGOTTEN).exclude(node="").exclude(node__in=known).delete()


@transaction.atomic
def say_alive(me: Me, *, state: NodeState, address: str, wants_lease: bool) -> Heard:
    """Say that this run lives, and take or renew the lease. What comes late, after it said that it ended, is void."""
    mine = ProxyNode.objects.filter(name=me.name, run=me.run).exclude(state=NodeState.STOPPED)
    if not mine.update(seen_at=Now(), state=state, address=address):
        return Heard(is_mine=False, drain=False, epoch=None)
    drain = bool(mine.values_list("drain", flat=True).first())
    if wants_lease:
        return Heard(is_mine=True, drain=drain, epoch=_take_lease(me))
    _give_up_lease(me)
    return Heard(is_mine=True, drain=drain, epoch=None)


def _take_lease(me: Me) -> int | None:
    """The epoch, if this run holds the lease: it did before, or nobody does."""
    until = Now() + timedelta(seconds=LEASE_S)
    rows = Lease.objects.filter(name=LEASE)
    is_mine = Q(holder=me.run)
    taken = rows.filter(is_mine | Q(expires_at__lt=Now())).update(
        epoch=Case(When(is_mine, then=F("epoch")), default=F("epoch") + 1),
        holder=me.run,
        node=me.name,
        expires_at=until,
    )
    if not taken:
        Lease.objects.get_or_create(
            name=LEASE, defaults={"holder": me.run, "node": me.name, "epoch": 1, "expires_at": until}
        )
    return rows.filter(holder=me.run).values_list("epoch", flat=True).first()


def holds_lease(run: str, epoch: int) -> bool:
    """Whether the run has been the holder since that epoch; no other becomes it before the transaction ends.

    By the row alone: one that expired and that nobody took is still this run's.
    """
    return Lease.objects.select_for_update().filter(name=LEASE, holder=run, epoch=epoch).exists()


@transaction.atomic
def give_up(me: Me) -> None:
    """The run ends: another may take its name and its lease at once."""
    ProxyNode.objects.filter(name=me.name, run=me.run).update(state=NodeState.STOPPED, seen_at=Now(), address="")
    _give_up_lease(me)


def _give_up_lease(me: Me) -> None:
    Lease.objects.filter(name=LEASE, holder=me.run, expires_at__gt=Now()).update(expires_at=Now())


def ask_to_drain(name: str) -> bool:
    """Ask a node to drain; False if there is none of that name that lives."""
    return bool(living().filter(name=name).update(drain=True))


def living() -> QuerySet[ProxyNode]:
    """The nodes that have been heard of late and have not said that they ended."""
    heard = ProxyNode.objects.filter(seen_at__gte=Now() - timedelta(seconds=SILENT_S))
    return heard.exclude(state=NodeState.STOPPED)
