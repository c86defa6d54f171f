"""``manage.py doctor``: what is wrong, and how to fix it."""

import json
import textwrap
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.ops.doctor import Finding, Level, examine, wait_until_listening

WIDTH = 100
_MARKS = {Level.OK: "ok", Level.WARN: "!", Level.BAD: "!!"}


class Command(BaseCommand):
    """Prints a line for each check; exits 1 if one of them failed."""

    help = "Look at versions, files, database, configuration, ports, open files, clock and pools; say how to fix it."
    requires_system_checks: list[str] = []  # it runs them itself, and goes on

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-network", action="store_true", help="leave the pools out")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--wait-listening",
            type=float,
            metavar="SECONDS",
            help=("only wait until a DPMP on this machine takes miners and can write its database"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["wait_listening"] is not None:
            missing = wait_until_listening(options["wait_listening"])
            if missing:
                raise CommandError(f"DPMP is not ready. Missing: {missing}.")
            self.stdout.write("DPMP takes miners.")
            return
        findings = examine(network=not options["no_network"])
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1))
        else:
            self.stdout.write("\n".join(map(_shown, findings)))
        bad = sum(finding.level is Level.BAD for finding in findings)
        if bad:
            raise CommandError(f"{bad} things are wrong." if bad > 1 else "One thing is wrong.")


def _shown(finding: Finding) -> str:
    lines = textwrap.fill(
        finding.text,
        WIDTH,
        initial_indent=f"{_MARKS[finding.level]:<4}{finding.topic:<15} ",
        subsequent_indent=" " * 20,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if not finding.mend:
        return lines
    return (
        lines
        + "\n"
        + textwrap.fill(
            finding.mend,
            WIDTH,
            initial_indent=" " * 20 + "-> ",
            subsequent_indent=" " * 23,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
