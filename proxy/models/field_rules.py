"""Rules for fields that several tables have."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.utils.translation import gettext


def check_time_zone(name: str) -> None:
    """Raises ``ValidationError``: no such ``time_zone`` exists."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValidationError(
            {"time_zone": gettext('"%s" is no time zone; try Europe/Berlin or UTC.') % name}
        ) from error


def check_worker_patterns(workers: str | None) -> None:
    """Raises ``ValidationError``: one of the patterns in ``workers`` is empty."""
    if not all(pattern.strip() for pattern in (workers or "").split(",")):
        raise ValidationError({"workers": gettext("A pattern between the commas is empty; * means all workers.")})
