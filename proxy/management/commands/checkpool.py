"""``manage.py checkpool KEY|HOST:PORT``: does the connection to a pool work?"""

import textwrap
from argparse import ArgumentParser
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from proxy.config.snapshot import Endpoint, Tls
from proxy.errors import ConfigError
from proxy.ops.check_pool import DEFAULT_TIMEOUT_S, CheckReport, check, endpoint_of
from proxy.types import Chain

WIDTH = 100
MAX_TIMEOUT_S = 120.0
_MARKS = {True: "ok", False: "!!", None: "  "}


class Command(BaseCommand):
    """Prints a line for each step; exits 1 if one of them failed."""

    help = (
        "Shake hands with a pool and say what came of it: reachable, TLS, subscribe, authorise, extranonce sizes, "
        "difficulty, version mask, first job, and whom a block would pay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", metavar="KEY|HOST:PORT", help="a configured pool's key (A), or an address")
        tls = parser.add_mutually_exclusive_group()
        tls.add_argument("--tls", dest="tls", action="store_const", const=Tls.VERIFY, help="with TLS")
        tls.add_argument(
            "--tls-insecure",
            dest="tls",
            action="store_const",
            const=Tls.INSECURE,
            help="with TLS, whatever the certificate is",
        )
        parser.add_argument("--user", default="", help="user name for HOST:PORT, mostly wallet.worker")
        parser.add_argument("--password", default="x", help="password for HOST:PORT (default: x)")
        parser.add_argument(
            "--chain",
            choices=[chain.value for chain in Chain],
            default=Chain.OTHER.value,
            help="whose addresses to write for HOST:PORT (default: as the user name tells)",
        )
        parser.add_argument(
            "--timeout",
            type=float,
            default=DEFAULT_TIMEOUT_S,
            metavar="SECONDS",
            help="how long to wait for the first job (default: %(default).0f)",
        )

    def handle(
        self,
        *args: Any,
        target: str,
        tls: Tls | None,
        user: str,
        password: str,
        chain: str,
        timeout: float,
        **options: Any,
    ) -> None:
        if not 0 < timeout <= MAX_TIMEOUT_S:
            raise CommandError(_("The time to wait is above 0 and %d seconds at most.") % MAX_TIMEOUT_S)
        try:
            report = async_to_sync(check)(
                _target(target, tls, user), timeout_s=timeout, user=user, password=password, chain=Chain(chain)
            )
        except ConfigError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_table(report))
        if not report.ok:
            raise CommandError(report.problem)


def _target(text: str, tls: Tls | None, user: str) -> Endpoint | str:
    if ":" in text:
        return endpoint_of(text, tls or Tls.OFF)
    if tls is not None or user:
        raise CommandError(
            _(
                "A configured pool is tested with its own user name and TLS settings; --user and --tls "
                "go with HOST:PORT."
            )
        )
    return text


def _table(report: CheckReport) -> str:
    width = max((len(line[0]) for line in report.lines), default=0)
    return "\n".join(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=f"{_MARKS[ok]}  {label:<{width}}  ",
            subsequent_indent=" " * (width + 6),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for label, text, ok in report.lines
    )
