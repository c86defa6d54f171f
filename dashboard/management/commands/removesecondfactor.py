"""``manage.py removesecondfactor NAME``: for somebody who has lost the phone, the passkey and the recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.models import AuditEntry
from dashboard.second_factor import remove_second_factors


class Command(BaseCommand):
    """Removes the second factors of a person; the password is what it was."""

    @property
    def help(self) -> str:  # type: ignore[override]
        """What it does."""
        return _(
            "Remove the authenticator app, passkeys and recovery codes of a person, who logs in by password alone then."
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The person."""
        parser.add_argument("name", help=_("the name that the person logs in with"))

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        person = get_user_model()._default_manager.filter(username=name).first()
        if person is None:
            raise CommandError(_("Nobody has the name %(name)s.") % {"name": name})
        removed = remove_second_factors(person)
        AuditEntry.write(by="manage.py", action="remove second factors", subject=name, new=str(removed))
        self.stdout.write(
            ngettext("%(count)d entry removed.", "%(count)d entries removed.", removed) % {"count": removed}
        )
