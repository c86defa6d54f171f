"""What a node tells the others about itself, about once a second."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.balance.balance_view import BalanceView
from proxy.observe.live.views import LiveSnapshot
from proxy.updates.releases import Release


class NodeState(StrEnum):
    """What a node says that it does."""

    WORKING = "working"
    DRAINING = "draining"
    """Takes no new miners, and moves those that it has to others."""
    STOPPED = "stopped"
    """The last that is heard of it: it ended in an orderly way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSnapshot:
    """One node at one moment, by its own clock."""

    name: str
    host: str = ""
    state: NodeState = NodeState.WORKING
    leads: bool = False
    """Whether it holds the lease, and so does what is done once for all nodes."""
    trouble: str = ""
    """With the database, in plain words."""
    live: LiveSnapshot
    """Without ``extra``, whose parts follow."""
    balance: BalanceView | None = None
    update: Release | None = None
