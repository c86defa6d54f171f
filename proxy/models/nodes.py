"""Nodes: the proxies that share this database, and the right of one of them to do what must be done once."""

from django.db import models
from django.utils.translation import gettext_lazy as _

NAME_CHARS = 63


class NodeState(models.TextChoices):
    """What a node does."""

    STARTING = "starting", _("starting")
    WORKING = "working", _("working")
    DRAINING = "draining", _("draining")
    STOPPED = "stopped", _("stopped")


class ProxyNode(models.Model):
    """One proxy of several on this database. Times are the database's; nothing here is configuration."""

    name = models.CharField(_("name"), max_length=NAME_CHARS, unique=True)
    run = models.CharField(_("run"), max_length=32)
    """Names the run that has the name now; never two runs alike."""
    home = models.CharField(_("data directory"), max_length=32, default="")
    """Names the data directory: who has that locked knows that no other run in it lives."""
    version = models.CharField(_("version"), max_length=32, default="")
    host = models.CharField(_("machine"), max_length=255, default="")
    pid = models.PositiveBigIntegerField(_("process"), default=0)
    address = models.CharField(_("address for miners"), max_length=255, default="")
    state = models.CharField(_("state"), max_length=10, choices=NodeState.choices, default=NodeState.STARTING)
    drain = models.BooleanField(_("is to drain"), default=False)
    """Somebody asked for it; the node sees it within seconds."""
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last heard"))

    class Meta:
        verbose_name, verbose_name_plural = _("node"), _("nodes")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Lease(models.Model):
    """Which node does what must be done once, until when (by the database's clock)."""

    name = models.CharField(_("name"), max_length=32, unique=True)
    holder = models.CharField(_("run"), max_length=32)
    node = models.CharField(_("node"), max_length=NAME_CHARS)
    epoch = models.PositiveBigIntegerField(_("epoch"))
    """Grows by one with each new holder."""
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name, verbose_name_plural = _("lease"), _("leases")

    def __str__(self) -> str:
        return f"{self.name}: {self.node}"
