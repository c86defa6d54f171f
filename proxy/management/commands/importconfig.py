"""``manage.py importconfig FILE``: import the settings of DPMP v2, or an export of ``exportconfig``."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.config.importers.own_import import import_own, is_own
from proxy.config.importers.v2_format import read_json
from proxy.config.importers.v2_import import import_v2
from proxy.errors import ConfigError
from proxy.text import visible


class Command(BaseCommand):
    """Prints a line for each row; exits 1 and changes nothing if something cannot be used."""

    help = (
        "Import a config_v2.json of DPMP v2, with the weights_override.json beside it, or what exportconfig has "
        "written. Running it twice changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the config_v2.json, or an export")
        parser.add_argument("--check", action="store_true", help="say what would happen and change nothing")

    def handle(self, *args: Any, file: Path, check: bool, **options: Any) -> None:
        try:
            lines = (import_own if is_own(read_json(file)) else import_v2)(file, check=check)
        except ConfigError as error:
            raise CommandError("\n".join(["Nothing was changed.", *map(visible, error.problems)])) from error
        for line in lines:
            self.stdout.write(visible(line))
        if check:
            self.stdout.write("This was a check: nothing was changed.")
