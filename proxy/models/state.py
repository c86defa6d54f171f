"""What the running proxy wants to find again after a restart, apart from history: no configuration, no audit."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class SchedulerState(models.Model):
    """The scheduler's ledger and rates: one row for each node, written every half minute and at the end."""

    node = models.CharField(_("node"), max_length=63, unique=True, default="", blank=True)
    """"" where the proxy has the database for itself."""
    scheduler = models.JSONField(_("scheduler"), default=dict)
    split = models.JSONField(_("weights that were wanted"), default=dict)
    saved_at = models.DateTimeField(_("saved"), auto_now=True)

    class Meta:
        db_table = "proxy_enginememory"
        verbose_name, verbose_name_plural = _("state of the scheduler"), _("states of the scheduler")

    def __str__(self) -> str:
        return f"{self.saved_at:%Y-%m-%d %H:%M:%S}"
