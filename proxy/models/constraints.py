"""Check constraints as the tables write them: a name, what must hold, and the sentence that a form shows otherwise."""

from typing import TYPE_CHECKING

from django.db.models import CheckConstraint, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def check(name: str, condition: Q, says: "StrOrPromise") -> CheckConstraint:
    """``condition`` holds for every row."""
    return CheckConstraint(condition=condition, name=name, violation_error_message=says)


def within(name: str, field: str, least: float, most: float, says: "StrOrPromise") -> CheckConstraint:
    """``field`` is between ``least`` and ``most``, both included; where it may be empty, or empty."""
    return check(name, Q(**{f"{field}__gte": least, f"{field}__lte": most}), says)


def single_row(name: str) -> CheckConstraint:
    """There is one row, whose key is 1."""
    return check(name, Q(id=1), _("There is one row of settings: change that one."))
