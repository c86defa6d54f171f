"""``manage.py restore FILE``: replace the database by a backup, also while the proxy runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.ops.backup import BackupError, restore


class Command(BaseCommand):
    """Asks first, unless told not to; says where the replaced database was saved."""

    help = "Restore a backup. The database as it is now is backed up first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that backup has written")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, file: Path, yes: bool, **options: Any) -> None:
        if not yes and input(f"Replace the database with {file}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.")
        try:
            kept = restore(file)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored. The database of before is in {kept}.")
        self.stdout.write(
            "Counters of a running proxy go on from what it has in memory; restart it to begin from the backup."
        )
