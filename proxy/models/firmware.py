"""Firmware profiles that the operator chose for user agents by hand."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.models.base import ConfigModel
from proxy.models.constraints import check
from proxy.stratum.firmware import BY_NAME


def profile_choices() -> list[tuple[str, str]]:
    """Name and label of each profile there is."""
    return [(name, f"{profile.label} ({name})") for name, profile in BY_NAME.items()]


class FirmwareRule(ConfigModel):
    """The profile for miners with a certain user agent, instead of the one DPMP knows for it."""

    position = models.PositiveIntegerField(
        _("order"), default=0, help_text=_("Rules are tried in this order; the first that matches applies.")
    )
    agent = models.CharField(
        _("user agent"),
        max_length=128,
        unique=True,
        help_text=_(
            "Part of the name that the miner's firmware gives itself (shown on the worker's page). With * (anything) "
            "or ? "
            "(one character) it must fit the whole name. Capitals do not matter."
        ),
    )
    profile = models.CharField(
        _("treat as"),
        max_length=32,
        choices=profile_choices,
        help_text=_(
            "Decides about the extranonce, difficulties and the largest jobs. Acts on miners that connect from now on; "
            "those connected keep what they have until they reconnect."
        ),
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("firmware rule"), _("firmware rules")
        ordering = ["position", "id"]
        constraints = [check("firmware_agent_given", ~Q(agent=""), _("Name the user agent."))]

    def __str__(self) -> str:
        return f"{self.agent} → {self.profile}"

    def check_rules(self) -> None:
        """Check that the agent is not empty and the profile exists."""
        if not self.agent.strip():
            raise ValidationError({"agent": gettext("Name the user agent.")})
        if self.profile not in BY_NAME:
            raise ValidationError({"profile": gettext('There is no profile "%s".') % self.profile})
