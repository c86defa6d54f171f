"""What the running proxy wants to find again after a restart, apart from history: no configuration, no audit."""

import json
from typing import Any

import orjson
from django.db import models
from django.utils.translation import gettext_lazy as _


class QuickEncoder(json.JSONEncoder):
    """Holds the interpreter for a tenth of the time: the state of ten thousand miners took 80 ms, in whichever thread.

    What is no number in JSON (infinity) becomes null.
    """

    def encode(self, o: Any) -> str:
        """The JSON of ``o``."""
        try:
            return orjson.dumps(o).decode()
        except TypeError:  # half a character, a number of more than 64 bits: the library of Python writes anything
            return super().encode(o)


class QuickJSONField(models.JSONField):
    """JSON that is written by orjson; to the database, and to migrations, it is as any other."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "encoder": QuickEncoder})

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """As the plain field's."""
        name, _, args, options = super().deconstruct()
        options.pop("encoder", None)
        return name, "django.db.models.JSONField", args, options


class SchedulerState(models.Model):
    """The scheduler's ledger and rates: one row for each node, written every half minute and at the end."""

    node = models.CharField(_("node"), max_length=63, unique=True, default="", blank=True)
    """"" where the proxy has the database for itself."""
    scheduler = QuickJSONField(_("scheduler"), default=dict)
    split = models.JSONField(_("weights that were wanted"), default=dict)
    saved_at = models.DateTimeField(_("saved"), auto_now=True)

    class Meta:
        db_table = "proxy_enginememory"
        verbose_name, verbose_name_plural = _("state of the scheduler"), _("states of the scheduler")

    def __str__(self) -> str:
        return f"{self.saved_at:%Y-%m-%d %H:%M:%S}"
