"""Keeps this node known to the others: its name is taken at the start, and it says every few seconds that it lives.

With the same transaction it takes or renews the lease. While the database is away mining goes on, and the lease runs
out by itself.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import Error as DjangoError

from proxy.config.watcher import in_thread
from proxy.models.nodes import NodeState
from proxy.net.tasks import spawn
from proxy.nodes import node_rows
from proxy.nodes.lease import RENEW_S, SharedLease
from proxy.nodes.node_rows import Heard, Holder, Me
from proxy.observe.events import EventStream, NodeLeaseChanged, NodeNameTaken

LOOK_S = 0.5
"""Between two looks at a run that has the name, until it is heard again or has been silent for long enough."""
GOODBYE_S = 1.5


class NameInUse(Exception):
    """Another node of that name lives; the message says where, and what to do."""

    def __init__(self, name: str, holder: Holder) -> None:
        super().__init__(
            f"Another node is called {name!r}: process {holder.pid} on {holder.host}. Names are unique: give this one "
            "another by --node or DPMP_NODE, or stop the other."
        )
        self.holder = holder


class LeaseKeeper:
    """``join`` before anything else uses the database, ``run`` until cancelled, ``leave`` at the end.

    Without ``join``, where the database is away at the start, ``run`` joins as soon as it answers.
    """

    def __init__(
        self,
        me: Me,
        *,
        events: EventStream,
        on_lease: Callable[[bool], None] = lambda held: None,
        on_drain: Callable[[], None] = lambda: None,
        on_name_lost: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        renew_s: float = RENEW_S,
    ) -> None:
        """``on_lease`` hears when the lease is got or gone, ``on_drain`` once, ``on_name_lost`` once; on the loop."""
        self.me = me
        self.lease = SharedLease(monotonic, lambda epoch: node_rows.holds_lease(me.run, epoch))
        self.state = NodeState.STARTING
        self.address = ""
        self._events = events
        self._on_lease, self._on_drain, self._on_name_lost = on_lease, on_drain, on_name_lost
        self._monotonic, self._renew_s = monotonic, renew_s
        self._held = self._drained = False
        self._left = self._joined = False

    async def join(self) -> None:
        """Take the name; waits for some seconds where a run that has it may have been killed.

        Raises:
            NameInUse: it lives.
            django.db.Error: the database cannot be used.
        """
        first: Holder | None = None
        while (holder := await in_thread(lambda: node_rows.claim_name(self.me))) is not None:
            if first is None:
                first = holder
            elif holder.run != first.run or holder.seen_at != first.seen_at:
                raise NameInUse(self.me.name, holder)
            await asyncio.sleep(LOOK_S)
        self._joined = True

    def listens(self, address: str) -> None:
        """Miners can connect: from now on this node takes part."""
        self.address, self.state = address, NodeState.WORKING

    def drains(self) -> None:
        """It lets its miners go, and leaves to others what is done once."""
        self.state, self._drained = NodeState.DRAINING, True

    async def run(self) -> None:
        """Say again and again that the node lives."""
        while True:
            beat = spawn(self._beat(), name="node", report=lambda name, error: None)
            while not beat.done():  # a database that does not answer must not hide that the lease ran out
                await asyncio.wait([beat], timeout=self._renew_s)
                self._notice()
            error = beat.exception()
            if error is not None and not isinstance(error, DjangoError):
                raise error
            await asyncio.sleep(self._renew_s)
            self._notice()

    async def _beat(self) -> None:
        if not self._joined and not self._left:
            try:
                await self.join()
            except NameInUse as error:
                self._lose_name(error.holder)
        asked_at, wants = self._monotonic(), self.state == NodeState.WORKING
        state, address = self.state, self.address
        if self._left:
            return
        heard = await in_thread(lambda: node_rows.say_alive(self.me, state=state, address=address, wants_lease=wants))
        if not self._left:
            await self._heard(heard, asked_at)

    async def _heard(self, heard: Heard, asked_at: float) -> None:
        if not heard.is_mine:
            await self._take_back()
            return
        if heard.epoch is None:
            self.lease.lost()
        else:
            self.lease.granted(heard.epoch, asked_at)
        self._notice()
        if heard.drain and not self._drained:
            self._drained = True
            self._on_drain()

    async def _take_back(self) -> None:
        """The row went, or another run took it while this one was not heard."""
        self.lease.lost()
        self._notice()
        holder = await in_thread(lambda: node_rows.claim_name(self.me, is_start=False))
        if holder is not None:
            self._lose_name(holder)

    def _lose_name(self, holder: Holder) -> None:
        if not self._left:
            self._left = True
            self._events.emit(NodeNameTaken(node=self.me.name, by_host=holder.host, by_pid=holder.pid))
            self._on_name_lost()

    def _notice(self) -> None:
        """Tell when the lease was got or is gone."""
        held = self.lease.held
        if held != self._held:
            self._held = held
            self._events.emit(NodeLeaseChanged(node=self.me.name, held=held, epoch=self.lease.epoch))
            self._on_lease(held)

    async def leave(self) -> None:
        """Give up lease and name; a database that does not answer is not waited for."""
        self.lease.lost()
        if self._left:
            return
        self._left = True
        with suppress(DjangoError, TimeoutError):
            await asyncio.wait_for(in_thread(lambda: node_rows.give_up(self.me)), GOODBYE_S)
