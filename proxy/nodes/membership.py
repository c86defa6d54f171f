"""What a node has because there can be others: its name and data directory, the lease, what all of them show as one,
and what it starts with while the database is away. Loaded only where there can be several."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import Error as DjangoError
from django.db import OperationalError

from proxy import VERSION
from proxy.config.snapshot import ConfigSnapshot
from proxy.models.nodes import NodeState as RowState
from proxy.nodes.home import Home, HomeInUse
from proxy.nodes.kept_config import ConfigKeeper, KeptConfig, NotKept, read_kept
from proxy.nodes.lease_keeper import LeaseKeeper, NameInUse
from proxy.nodes.node_rows import Me
from proxy.nodes.node_snapshot import NodeState
from proxy.observe.events import EventStream, NodeStartedAlone
from proxy.observe.live.views import store
from proxy.ports import Clock

if TYPE_CHECKING:
    from proxy.nodes.shared_view import SharedView


class JoinError(Exception):
    """This node cannot join the others; the message says why and what to do."""


class Membership:
    """``join`` before anything else uses the database, ``run`` until cancelled, ``leave`` and ``close`` at the end."""

    def __init__(
        self,
        name: str,
        *,
        data_dir: Path,
        clock: Clock,
        events: EventStream,
        report: Callable[[str, BaseException], None],
        on_lease: Callable[[bool], None],
        on_drain: Callable[[], None],
        on_name_lost: Callable[[], None],
    ) -> None:
        """``on_lease`` hears when the lease is got or gone, ``on_drain`` and ``on_name_lost`` at most once."""
        self._name, self._data_dir, self._clock, self._events = name, data_dir, clock, events
        me = Me(name=name, run=uuid.uuid4().hex, home="", version=VERSION, host=socket.gethostname(), pid=os.getpid())
        self._keeper = LeaseKeeper(me, events=events, on_lease=on_lease, on_drain=on_drain, on_name_lost=on_name_lost)
        self._configs = ConfigKeeper(data_dir, clock.wall, report)
        self._home: Home | None = None
        """Keeps the data directory locked."""
        self.kept: KeptConfig | None = None
        """What this node starts with, where it found the database away."""
        self.lease = self._keeper.lease
        self.drains, self.listens = self._keeper.drains, self._keeper.listens
        self.run, self.applied = self._keeper.run, self._configs.applied

    def shared_view(
        self, *, url: str, has_pages: bool, let_in: Callable[[str], None], trouble: Callable[[], str]
    ) -> "SharedView":
        """What shows all nodes as one."""
        from proxy.nodes.shared_view import OfThisNode, SharedView

        return SharedView(
            url=url,
            name=self._name,
            has_pages=has_pages,
            clock=self._clock,
            events=self._events,
            let_in=let_in,
            of_this=OfThisNode(state=self._state, leads=lambda: self.lease.held, trouble=trouble),
            shown=store,
        )

    def _state(self) -> NodeState:
        return NodeState.DRAINING if self._keeper.state == RowState.DRAINING else NodeState.WORKING

    async def join(self) -> None:
        """Lock the data directory and take the name. While the database is away, find what was ``kept``.

        Raises:
            JoinError: another node has one of them, or nothing was kept, or the database is not as it must be.
        """
        try:
            self._home = Home(self._data_dir)
        except (HomeInUse, OSError) as error:
            raise JoinError(str(error)) from error
        self._keeper.me = replace(self._keeper.me, home=self._home.name)
        try:
            await self._keeper.join()
        except NameInUse as error:
            raise JoinError(str(error)) from error
        except OperationalError as error:
            await self._find_kept(error)
        except DjangoError as error:
            raise JoinError(f"The database cannot be read: {error}. Has `manage.py migrate` been run?") from error

    async def _find_kept(self, away: DjangoError) -> None:
        try:
            self.kept = await asyncio.to_thread(read_kept, self._data_dir)
        except NotKept as error:
            raise JoinError(
                f"The database cannot be read: {str(away).strip()}. Without it a node starts with the settings of its "
                f"last run, but there are none: {error}."
            ) from away

    def start_alone(self) -> ConfigSnapshot | None:
        """What was kept, and told that the node starts with it; None where the database was there."""
        if self.kept is None:
            return None
        config, age_s = self.kept.config, round(self._clock.wall() - self.kept.at)
        self._events.emit(NodeStartedAlone(node=self._name, revision=config.revision, age_s=age_s))
        return config

    async def leave(self) -> None:
        """Let another have the lease and the name, and wait for what is being written."""
        await asyncio.gather(self._keeper.leave(), self._configs.close())

    def close(self) -> None:
        """Let another have the data directory: nothing in it is used any more."""
        if self._home is not None:
            self._home.close()
