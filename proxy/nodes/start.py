"""Joins the other nodes at the start; imported only where there can be some."""

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from proxy import VERSION
from proxy.nodes.home import Home, HomeInUse
from proxy.nodes.lease_keeper import LeaseKeeper, NameInUse
from proxy.nodes.node_rows import Me
from proxy.observe.events import EventStream


class JoinError(Exception):
    """This node cannot join the others; the message says why and what to do."""


def make_keeper(
    name: str,
    *,
    events: EventStream,
    on_lease: Callable[[bool], None],
    on_drain: Callable[[], None],
    on_name_lost: Callable[[], None],
) -> LeaseKeeper:
    """The keeper of a node of this name, for this run."""
    me = Me(name=name, run=uuid.uuid4().hex, home="", version=VERSION, host=socket.gethostname(), pid=os.getpid())
    return LeaseKeeper(me, events=events, on_lease=on_lease, on_drain=on_drain, on_name_lost=on_name_lost)


def take_home(keeper: LeaseKeeper, data_dir: Path) -> Home:
    """Lock the data directory; keep what is returned until the end.

    Raises:
        JoinError: another node has it.
    """
    try:
        home = Home(data_dir)
    except (HomeInUse, OSError) as error:
        raise JoinError(str(error)) from error
    keeper.me = replace(keeper.me, home=home.name)
    return home


async def join(keeper: LeaseKeeper, data_dir: Path) -> Home:
    """Lock the data directory and take the name; keep what is returned until the end.

    Raises:
        JoinError: another node has one of them.
        django.db.Error: the database cannot be used.
    """
    home = take_home(keeper, data_dir)
    try:
        await keeper.join()
    except BaseException as error:
        home.close()
        if isinstance(error, NameInUse):
            raise JoinError(str(error)) from error
        raise
    return home
