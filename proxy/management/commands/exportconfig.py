"""``manage.py exportconfig``: the configuration as JSON."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.config.export import export_config


class Command(BaseCommand):
    """Writes to standard output, or to a new file that only its owner can read."""

    help = "Export the configuration as JSON, without passwords and alert addresses. importconfig reads it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--secrets", action="store_true", help="with passwords and alert addresses")
        parser.add_argument("--output", type=Path, help="a new file instead of standard output")

    def handle(self, *args: Any, secrets: bool, output: Path | None, **options: Any) -> None:
        text = export_config(secrets=secrets)
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
