"""``manage.py backup``: a copy of the database, also while the proxy runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.ops.backup import BackupError, backup


class Command(BaseCommand):
    """Prints the path of the copy."""

    help = "Back the database up, also while the proxy runs. It holds passwords: keep the file to yourself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="default: a new file in the data directory's backups/")

    def handle(self, *args: Any, file: Path | None, **options: Any) -> None:
        try:
            self.stdout.write(str(backup(file)))
        except BackupError as error:
            raise CommandError(str(error)) from error
