"""Tables about people: what they changed, read-only links, and notes about workers."""

import hashlib
import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Permissions(models.Model):
    """No table: declares the dashboard's permissions, of which the groups consist."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("see", _("Can see the dashboard")),
            ("view_logs", _("Can see the logs")),
            ("steer", _("Can move the split, switch modes and pin workers")),
            ("administer", _("Can set up pools, people and links")),
        ]

    def __str__(self) -> str:
        return "permissions"


class AuditEntry(models.Model):
    """One change by a person: who, when, what, from and to. Never changed, kept when the person is deleted."""

    at = models.DateTimeField(_("when"), default=timezone.now, db_index=True)
    who = models.CharField(_("who"), max_length=150)
    action = models.CharField(_("what"), max_length=40)
    subject = models.CharField(_("of"), max_length=200, blank=True)
    old = models.CharField(_("from"), max_length=500, blank=True)
    new = models.CharField(_("to"), max_length=500, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("audit entry"), _("audit log")
        ordering = ["-at", "-id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.subject}".strip()

    @classmethod
    def write(cls, *, by: str, action: str, subject: str = "", old: str = "", new: str = "") -> "AuditEntry":
        """Add one entry; texts that are too long are cut."""
        return cls.objects.create(who=by[:150], action=action[:40], subject=subject[:200], old=old[:500], new=new[:500])


class ReadOnlyLink(models.Model):
    """A secret address that shows the pages without a login, without wallets and logs, until it is revoked.

    Only the hash of the secret is kept: nobody can read a link out of the database.
    """

    label = models.CharField(_("label"), max_length=80, help_text=_("Who or what gets it, for example: wall screen."))
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now)
    created_by = models.CharField(_("made by"), max_length=150, blank=True)
    last_used_at = models.DateTimeField(_("last opened"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("read-only link"), _("read-only links")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.label

    @staticmethod
    def hash_of(secret: str) -> str:
        """What is stored of a secret. 256 random bits need no slow hash."""
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def make(cls, *, label: str, by: str) -> tuple["ReadOnlyLink", str]:
        """A new link and its secret, which is shown once."""
        secret = secrets.token_urlsafe(32)
        return cls.objects.create(label=label, created_by=by, token_hash=cls.hash_of(secret)), secret

    @classmethod
    def find(cls, secret: str) -> "ReadOnlyLink | None":
        """The link with this secret, unless it was revoked."""
        return cls.objects.filter(token_hash=cls.hash_of(secret), revoked_at__isnull=True).first()


class WorkerNote(models.Model):
    """A person's note about a worker, and since when it is hidden."""

    worker = models.CharField(_("worker"), max_length=128, unique=True)
    text = models.CharField(_("note"), max_length=500, blank=True)
    forgotten_at = models.DateTimeField(
        _("forgotten"), null=True, blank=True, help_text=_("It is off the lists until it is seen again.")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("note on a worker"), _("notes on workers")
        ordering = ["worker"]

    def __str__(self) -> str:
        return self.worker

    @classmethod
    def forgotten(cls) -> dict[str, float]:
        """Worker -> when it was hidden (unix seconds)."""
        rows = cls.objects.filter(forgotten_at__isnull=False).values_list("worker", "forgotten_at")
        return {worker: at.timestamp() for worker, at in rows}


class ClosedBlocks(models.Model):
    """Up to which block found a person has closed the message."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="closed_blocks")
    last = models.BigIntegerField(_("last block"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("closed message about blocks"), _("closed messages about blocks")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}: {self.last}"
