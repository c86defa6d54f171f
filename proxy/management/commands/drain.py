"""``manage.py drain NODE``: ask a node to let its miners go and stop, for an upgrade without a refused miner."""

import socket
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from proxy.models.nodes import NodeState
from proxy.nodes.identity import NodeNameError, node_name, worker_names
from proxy.nodes.node_rows import ask_to_drain, living

LOOK_S = 0.5
PATIENCE_S = 150.0
"""A drain takes 76 s at most, and the last batches and answers some more."""


class Command(BaseCommand):
    """Ask one of several nodes to drain."""

    help = "Asks a node to take no new miners, let its miners go to other nodes one after the other, and stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "node",
            nargs="?",
            default="",
            help="its name; of a node with --workers also that of all its processes. Without a name: the node of these "
            "settings, if others work that can take its miners",
        )
        parser.add_argument("--wait", action="store_true", help="return when it has stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        names = _meant(options["node"].lower() or _own_name())
        if not options["node"] and not living().filter(state=NodeState.WORKING).exclude(name__in=names).exists():
            raise CommandError("No other node works that could take the miners.")
        for name in names:
            ask_to_drain(name)
        which = f"{', '.join(names)}: draining begins within seconds"
        if not options["wait"]:
            self.stdout.write(f"{which}; then {'it stops' if len(names) == 1 else 'they stop'}.\n")
            return
        self.stdout.write(f"{which}; waiting for its end.\n")
        until = time.monotonic() + PATIENCE_S
        while left := sorted(living().filter(name__in=names).values_list("name", flat=True)):
            if time.monotonic() > until:
                raise CommandError(f"Still running: {', '.join(left)}.")
            time.sleep(LOOK_S)


def _own_name() -> str:
    try:
        return node_name(settings.NODE, shares_database=True, host=socket.gethostname())
    except NodeNameError as error:
        raise CommandError(str(error)) from error


def _meant(name: str) -> list[str]:
    """The living node of that name, or else the living processes of that node."""
    found = dict(living().filter(name__in=[name, *worker_names(name)]).values_list("name", "host"))
    if name in found:
        return [name]
    if not found:
        raise CommandError(f"No node called {name!r} is alive.")
    if len(set(found.values())) > 1:
        raise CommandError(f"{', '.join(sorted(found))} are on different machines: drain one of them at a time.")
    return sorted(found)
