"""What the running proxy wants to find again after a restart, apart from history: no configuration, no audit."""

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["SchedulerState"]


class SchedulerState(models.Model):
    """The scheduler's ledger and rates: one row, written every half minute and at the end."""

    scheduler = models.JSONField(_("scheduler"), default=dict)
    split = models.JSONField(_("weights that were wanted"), default=dict)
    saved_at = models.DateTimeField(_("saved"), auto_now=True)

    class Meta:
        db_table = "proxy_enginememory"
        verbose_name, verbose_name_plural = _("state of the scheduler"), _("states of the scheduler")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="engine_memory_one_row")]

    def __str__(self) -> str:
        return f"{self.saved_at:%Y-%m-%d %H:%M:%S}"
