"""``manage.py drain NODE``: ask a node to let its miners go and stop, for an upgrade without a refused miner."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from proxy.nodes.node_rows import ask_to_drain


class Command(BaseCommand):
    """Ask one of several nodes to drain."""

    help = "Asks a node to take no new miners, let its miners go to other nodes over a minute, and stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("node", help="its name")

    def handle(self, *args: Any, **options: Any) -> None:
        if not ask_to_drain(options["node"].lower()):
            raise CommandError(f"No node called {options['node']!r} is alive.")
        self.stdout.write("It drains within seconds, and then stops.\n")
