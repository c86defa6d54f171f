"""``manage.py bootstrap``: the first administrator, so that somebody can log in to a fresh installation."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from dpmp_site.env import Environment

PASSWORD_BYTES = 12


class Command(BaseCommand):
    """Creates an administrator when there is none; prints a random password once."""

    help = "Create the first administrator (DPMP_ADMIN_USER, DPMP_ADMIN_PASSWORD). Does nothing when there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        environment = Environment()
        name = environment.text("DPMP_ADMIN_USER", "admin")
        given = environment.text("DPMP_ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(PASSWORD_BYTES)
        if not _create_first(name, password):
            return
        self.stdout.write(_("Administrator: %(name)s") % {"name": name})
        if not given:
            self.stdout.write(_("Password: %(password)s (shown only this once)") % {"password": password})


@transaction.atomic
def _create_first(name: str, password: str) -> bool:
    """Whether an administrator had to be made."""
    people = get_user_model()._default_manager
    if people.filter(is_superuser=True).exists():
        return False
    if people.filter(username=name).exists():
        raise CommandError(
            _("%(name)s exists, but is no administrator. Choose another name in DPMP_ADMIN_USER.") % {"name": name}
        )
    person = people.model(username=name, is_staff=True, is_superuser=True)
    person.set_password(password)
    person.full_clean(exclude=["email"])
    person.save()
    return True
