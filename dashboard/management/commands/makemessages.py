"""``manage.py makemessages``, which also finds the sentences that the proxy makes (``proxy/sentence.py``)."""

from typing import Any

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Django's own, with one more mark for texts; those of the tests are for nobody."""

    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=sentence"]

    def handle(self, *args: Any, **options: Any) -> None:
        """Leave the tests out."""
        super().handle(*args, **options | {"ignore_patterns": [*options["ignore_patterns"], "tests/*"]})
