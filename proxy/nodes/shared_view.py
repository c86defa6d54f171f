"""A node among others: publishes what it sees, and shows what all of them see. Loaded only where there is a Redis."""

import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from proxy.balance.balance_view import BalanceView
from proxy.nodes.live_bus import BusHealth, LivePublication, MergedSnapshots
from proxy.nodes.node_snapshot import NodeSnapshot, NodeState
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot, LiveStore
from proxy.ports import Clock
from proxy.updates.releases import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class OfThisNode:
    """What the snapshot does not say of a node. Each is asked once a second."""

    state: Callable[[], NodeState] = lambda: NodeState.WORKING
    leads: Callable[[], bool] = lambda: False
    trouble: Callable[[], str] = lambda: ""


class SharedView:
    """Between the node that makes snapshots and the ``shown`` ones of all nodes."""

    def __init__(
        self,
        *,
        url: str,
        name: str,
        has_pages: bool,
        clock: Clock,
        events: EventStream,
        let_in: Callable[[str], None],
        of_this: OfThisNode,
        shown: LiveStore,
    ) -> None:
        """Without pages others are read only while this node leads: what it does for all nodes is about all of them."""
        health = BusHealth(events)
        self._name, self._host, self._of_this, self._shown = name, socket.gethostname(), of_this, shown
        self._publication = LivePublication(url=url, clock=clock, events=events, health=health, let_in=let_in)
        self._wanted = lambda: has_pages or of_this.leads()
        self._others = MergedSnapshots(
            url=url, clock=clock, events=events, health=health, own=name, wanted=self._wanted
        )
        self.let_in = self._publication.let_in

    def put(self, live: LiveSnapshot) -> None:
        """Publish ``live``, and show it with those of the others."""
        balance, update = live.extra.get("balance"), live.extra.get("update")
        node = NodeSnapshot(
            name=self._name,
            host=self._host,
            state=self._of_this.state(),
            leads=self._of_this.leads(),
            trouble=self._of_this.trouble(),
            live=live,
            balance=balance if isinstance(balance, BalanceView) else None,
            update=update if isinstance(update, Release) else None,
        )
        self._publication.publish(node)
        self._shown.put(with_own(self._others.snapshot(live.revision, node), live) if self._wanted() else live)

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs for as long as the node does."""
        return [
            ("publication", self._publication.run()),
            ("requests of nodes", self._publication.hear()),
            ("other nodes", self._others.run()),
        ]

    async def close(self) -> None:
        """Say that this node stops."""
        await self._publication.close()
        await self._others.close()


def with_own(merged: LiveSnapshot, own: LiveSnapshot) -> LiveSnapshot:
    """``merged`` with what no other node has to tell: each asks the miners itself."""
    devices = own.extra.get("devices")
    return replace(merged, extra={**merged.extra, "devices": devices}) if devices is not None else merged
