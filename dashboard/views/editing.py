"""What pages that edit a row have in common: the form, a note in the audit log, enable, disable, delete."""

from collections.abc import Mapping
from typing import Protocol

from django.contrib import messages
from django.db import transaction
from django.db.models import Model, ProtectedError
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard import live
from dashboard.models import AuditEntry


class Switchable(Protocol):
    """A row that can be switched off."""

    enabled: bool

    def save(self) -> None:
        """Write it."""


def noted(request: HttpRequest, subject: object, *, action: str, old: str = "", new: str = "") -> None:
    """Note in the audit log what the person did."""
    AuditEntry.write(by=request.user.get_username(), action=action, subject=str(subject), old=old, new=new)


def page(request: HttpRequest, template: str, context: Mapping[str, object]) -> HttpResponseBase:
    """The page of a form; what was sent and stands on it again was refused."""
    status = 422 if request.method == "POST" else 200
    shown = {"snap": live.snapshot(), "asks": "delete" in request.GET, **context}
    return render(request, template, shown, status=status)


def settings_page(
    request: HttpRequest, template: str, form: ModelForm, *, about: str, subject: str, back: str
) -> HttpResponseBase:
    """The settings of something that can be switched on; they act as soon as they are saved.

    ``subject`` is the field that the audit log names, ``back`` the page that follows.
    """
    if request.method == "POST" and form.is_valid():
        row = form.save()
        noted(request, getattr(row, subject), action=f"change {about}", new="on" if row.enabled else "off")
        return redirect(back)
    return page(request, template, {"form": form})


def deleted(request: HttpRequest, row: Model, *, action: str, new: str = "") -> bool:
    """Delete ``row`` and say so, or what still needs it."""
    name = str(row)
    try:
        with transaction.atomic():
            row.delete()
            noted(request, name, action=action, new=new)
    except ProtectedError as error:
        users = ", ".join(sorted({f"{one._meta.verbose_name} {one}" for one in error.protected_objects})[:5])
        messages.error(request, _("It is still used: %(users)s. Change that first, or disable it.") % {"users": users})
        return False
    messages.success(request, _("%(name)s is deleted.") % {"name": name})
    return True


def switched(request: HttpRequest, row: Switchable, do: str, *, action: str, off: str, new: str = "") -> None:
    """Enable or disable ``row`` and say so; ``off`` is what being disabled means."""
    with transaction.atomic():
        row.enabled = do == "enable"
        row.save()
        noted(request, row, action=action, new=new)
    said = _("%(name)s is enabled.") if row.enabled else off
    messages.success(request, said % {"name": row})
