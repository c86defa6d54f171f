"""``manage.py exportshares``: the shares of a period as CSV or JSON."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from proxy.history.export import By, Format, Query, write


class Command(BaseCommand):
    """Writes to standard output, or to a file."""

    help = "Export the shares of a period, by worker and pool, with totals."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="begin", help="first day or time, ISO 8601 (default: 30 days ago)")
        parser.add_argument("--to", dest="end", help="end, not included, ISO 8601 (default: now)")
        parser.add_argument("--by", choices=[by.value for by in By], default=By.DAY.value)
        parser.add_argument("--format", choices=[form.value for form in Format], default=Format.CSV.value)
        parser.add_argument("--time-zone", default="UTC", help="in which days begin, for example Europe/Berlin")
        parser.add_argument("--worker", default="", help="only this worker")
        parser.add_argument("--pool", default="", help="only this pool")
        parser.add_argument("--output", type=Path, help="a file instead of standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        query = _query(options)
        pieces = write(query, Format(options["format"]))
        if options["output"] is None:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            return
        with options["output"].open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)


def _query(options: dict[str, Any]) -> Query:
    try:
        zone = ZoneInfo(options["time_zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandError(_('"%s" is no time zone.') % options["time_zone"]) from error
    now = datetime.now(UTC)
    begin = _time(options["begin"], zone) or now - timedelta(days=30)
    end = _time(options["end"], zone) or now
    if begin >= end:
        raise CommandError(_("The period ends before it begins."))
    return Query(begin=begin, end=end, by=By(options["by"]), zone=zone, worker=options["worker"], pool=options["pool"])


def _time(text: str | None, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(_('"%s" is no date like 2026-01-31 or 2026-01-31T12:00.') % text) from error
    return when if when.tzinfo else when.replace(tzinfo=zone)
