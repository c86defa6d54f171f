"""``manage.py importconfig FILE``: import the settings of DPMP v2, of another farm proxy, or an export."""

from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.config.importers.farm_formats import is_agent
from proxy.config.importers.farm_import import import_agent, import_farm_proxy
from proxy.config.importers.own_import import import_own, is_own
from proxy.config.importers.v2_format import read_json
from proxy.config.importers.v2_import import import_v2
from proxy.errors import ConfigError
from proxy.text import visible


class Importer(Protocol):
    """Imports one format."""

    def __call__(self, path: Path, *, check: bool = False) -> list[str]:
        """Import ``path``; returns what is printed."""


def _importer(file: Path) -> Importer:
    """What reads the format of ``file``."""
    if file.suffix.lower() == ".toml":
        return import_farm_proxy
    document = read_json(file)
    if is_own(document):
        return import_own
    return import_agent if is_agent(document) else import_v2


class Command(BaseCommand):
    """Prints a line for each row; exits 1 and changes nothing if something cannot be used."""

    help = (
        "Import a config_v2.json of DPMP v2, with the weights_override.json beside it, what exportconfig has written, "
        "a profile of Braiins Farm Proxy (.toml) or an agent_conf.json of btcagent. Running it twice changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the config_v2.json, an export, a .toml or an agent_conf.json")
        parser.add_argument("--check", action="store_true", help="say what would happen and change nothing")

    def handle(self, *args: Any, file: Path, check: bool, **options: Any) -> None:
        try:
            lines = _importer(file)(file, check=check)
        except ConfigError as error:
            raise CommandError("\n".join(["Nothing was changed.", *map(visible, error.problems)])) from error
        for line in lines:
            self.stdout.write(visible(line))
        if check:
            self.stdout.write("This was a check: nothing was changed.")
