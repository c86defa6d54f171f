"""What the running proxy wants to find again after a restart, apart from history: no configuration, no audit."""

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["EngineMemory"]


class EngineMemory(models.Model):
    """The scheduler's ledger and estimates: one row, written every half minute and at the end."""

    scheduler = models.JSONField(_("scheduler"), default=dict)
    saved_at = models.DateTimeField(_("saved"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("engine memory"), _("engine memories")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="engine_memory_one_row")]

    def __str__(self) -> str:
        return f"{self.saved_at:%Y-%m-%d %H:%M:%S}"
