"""``manage.py simulate``: what the scheduler would do with a fleet, on a virtual clock."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from proxy.config.snapshot import Policy
from proxy.errors import ConfigError
from proxy.ops.simulate import Plan, run


class Command(BaseCommand):
    """Prints a table; the same seed gives the same table."""

    help = "Simulate a fleet with the proxy's own scheduler: split, error, switches. Nothing real is touched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fleet", default="80,6,1,1", help="TH/s of the miners, for example 80,6,2x1 or 50x100")
        parser.add_argument("--weights", default="50:50", help="for example 70:30 or 60:30:10")
        parser.add_argument("--hours", type=float, default=4.0)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--min-switch", dest="min_switch_s", type=float, default=30.0, help="seconds")
        parser.add_argument("--slice", dest="slice_s", type=float, default=15.0, help="seconds")
        parser.add_argument("--policy", type=Policy, choices=list(Policy), default=Policy.AUTOMATIC)
        parser.add_argument(
            "--switch-cost",
            dest="switch_cost_s",
            type=float,
            default=0.5,
            help="seconds of work that a switch is taken to cost",
        )
        parser.add_argument("--shares-per-minute", type=float, default=18.0, help="what the pools' vardiff aims at")
        parser.add_argument(
            "--shared",
            type=int,
            default=0,
            metavar="MINERS",
            help="a farm: so many miners on a shared connection, each with --shares-per-minute",
        )
        parser.add_argument(
            "--extranonce2", type=int, default=8, metavar="BYTES", help="with --shared: what the pools leave, 4 or 8"
        )
        parser.add_argument("--reject", default="", help="percent of the shares that pools refuse, for example B=5")
        parser.add_argument(
            "--churn",
            type=float,
            default=0.0,
            metavar="PERCENT",
            help="percent of the miners that leave within an hour, while as many join",
        )
        parser.add_argument(
            "--down",
            action="append",
            default=[],
            metavar="POOL@MINUTE+MINUTES",
            help="a pool that fails, for example B@60+10; may be repeated",
        )
        parser.add_argument(
            "--mute",
            action="append",
            default=[],
            metavar="MINER@MINUTE+MINUTES",
            help="a miner that stops submitting, for example rig0@60+10; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for line in run(Plan(**{name: options[name] for name in Plan.__dataclass_fields__})):
                self.stdout.write(line)
        except ConfigError as error:
            raise CommandError("\n".join(error.problems)) from error
