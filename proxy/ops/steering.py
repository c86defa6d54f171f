"""Changes the split by hand: weights, auto-balance, reset, pins.

Each function writes a row (which raises the configuration's revision) and sends ``steered``, so that the dashboard can
write its audit log in the same transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from django.db import transaction
from django.dispatch import Signal

from proxy.models import Pool, WeightOverride, WorkerPin


class Person(Protocol):
    """Who changes something: a user, or a token of the API in a user's name."""

    def get_username(self) -> str:
        """The name that is kept with the change; at most 150 characters."""


steered = Signal()
"""Sent with ``by`` (name), ``action``, ``subject``, ``old`` and ``new`` (texts), inside the transaction."""


def set_weights(user: Person, weights: Mapping[str, float], until: datetime | None = None) -> None:
    """Give each pool its part of the work (relative numbers, one above 0), until ``until`` or until reset.

    Raises:
        ValidationError: a pool does not exist, or no weight is above 0; nothing has changed.
    """
    _override(user, "weights", dict(weights), until)


def switch_auto_balance(user: Person, on: bool) -> None:
    """Switch auto-balance on, or return control to the schedule."""
    if on:
        _override(user, "auto-balance", None, None)
    else:
        reset(user)


def reset(user: Person) -> None:
    """Clear the override: the schedule is in control again. Does nothing without an override."""
    with transaction.atomic():
        old = current_override()
        if WeightOverride.clear_active(user.get_username()):
            _send(user, "reset", "", _override_text(old), "schedule")


def pin(user: Person, worker: str, pool: str | None) -> None:
    """Pin ``worker`` to the pool with key ``pool``; None: remove the pin.

    Raises:
        Pool.DoesNotExist: there is no such pool.
        ValidationError: the worker's name is invalid.
    """
    with transaction.atomic():
        row = WorkerPin.objects.filter(worker=worker).select_related("pool").first()
        old = row.pool.key if row else ""
        if pool is None:
            if row:
                row.delete()
        else:
            row = row or WorkerPin(worker=worker)
            row.pool = Pool.objects.get(key=pool)
            row.full_clean()
            row.save()
        if old != (pool or ""):
            _send(user, "pin", worker, old, pool or "")


def current_override() -> WeightOverride | None:
    """The override in force, if any."""
    return WeightOverride.objects.filter(cleared_at__isnull=True).first()


def _override(user: Person, action: str, weights: dict[str, float] | None, until: datetime | None) -> None:
    with transaction.atomic():
        old = current_override()
        new = WeightOverride.put(by=user.get_username(), weights=weights, until=until)
        _send(user, action, "", _override_text(old), _override_text(new))


def _override_text(row: WeightOverride | None) -> str:
    return "schedule" if row is None or not row.active else str(row)


def _send(user: Person, action: str, subject: str, old: str, new: str) -> None:
    steered.send(sender=None, by=user.get_username(), action=action, subject=subject, old=old, new=new)
