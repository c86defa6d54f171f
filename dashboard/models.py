"""Tables about people: what they changed, read-only links, tokens of the API, rules for logins, notes about workers."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.login_models import IdentityProvider, LinkByHand  # noqa: F401 (Django finds tables here)
from proxy.models.base import OneRow, keep_newest


def hash_of(secret: str) -> str:
    """What is stored of the secret of a link or a token. 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


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


MOST_AUDITED = 100_000


class AuditEntry(models.Model):
    """One change by a person: who, when, what, from and to. Never changed, kept when the person is deleted.

    The newest ``MOST_AUDITED`` are kept: automations write some hundred a day.
    """

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
        entry = cls.objects.create(
            who=by[:150], action=action[:40], subject=subject[:200], old=old[:500], new=new[:500]
        )
        keep_newest(entry, MOST_AUDITED)
        return entry


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

    @classmethod
    def make(cls, *, label: str, by: str) -> tuple["ReadOnlyLink", str]:
        """A new link and its secret, which is shown once."""
        secret = secrets.token_urlsafe(32)
        return cls.objects.create(label=label, created_by=by, token_hash=hash_of(secret)), secret

    @classmethod
    def find(cls, secret: str) -> "ReadOnlyLink | None":
        """The link with this secret, unless it was revoked."""
        return cls.objects.filter(token_hash=hash_of(secret), revoked_at__isnull=True).first()


class TokenRole(models.TextChoices):
    """What a token of the API may at most; never more than its person."""

    READ_ONLY = "read-only", _("read-only: no wallets, no logs, no changes")
    VIEWER = "viewer", _("viewer: sees what the pages show")
    OPERATOR = "operator", _("operator: also moves the split and pins workers")
    ADMINISTRATOR = "administrator", _("administrator: also edits schedules")


class ApiToken(models.Model):
    """A secret with which a program uses the API in the name of a person, until it expires or is revoked.

    Only the hash of the secret is kept. A changed password ends it, as it ends the person's sessions.
    """

    PREFIX = "dpmp_"
    SECRET_CHARS = len(PREFIX) + 43
    MOST = 20
    """Of one person, those that are over not counted."""
    OVER_KEPT = 20
    """Expired and revoked ones of one person that stay in the list."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=_("person"), editable=False
    )
    label = models.CharField(_("label"), max_length=80, help_text=_("What uses it, for example: Home Assistant."))
    role = models.CharField(_("may"), max_length=13, choices=TokenRole.choices, default=TokenRole.VIEWER)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    password_mark = models.CharField(max_length=64, editable=False)
    """The person's session hash when the token was made: another one follows from another password."""
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    last_used_from = models.CharField(_("last used from"), max_length=45, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("API token"), _("API tokens")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.label

    @classmethod
    def make(cls, user: User, label: str, *, role: str, days: int) -> tuple["ApiToken", str]:
        """A new token that lives ``days``, and its secret, which is shown once.

        Raises:
            ValidationError: the person has ``MOST`` already.
        """
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            if cls.objects.filter(cls.lives(), user=user).count() >= cls.MOST:
                raise ValidationError(
                    gettext("You have %d tokens already. Revoke one that is no longer used.") % cls.MOST
                )
            over = cls.objects.filter(user=user).exclude(cls.lives()).values_list("pk", flat=True)[cls.OVER_KEPT :]
            cls.objects.filter(pk__in=list(over)).delete()
            secret = cls.PREFIX + secrets.token_urlsafe(32)
            token = cls(
                user=user,
                label=label,
                role=role,
                token_hash=hash_of(secret),
                password_mark=user.get_session_auth_hash(),
                expires_at=timezone.now() + timedelta(days=days),
            )
            token.save()
            AuditEntry.write(by=user.get_username(), action="make token", subject=label, new=f"{role}, {days} d")
            return token, secret

    def revoke(self, by: str) -> None:
        """End it now; does nothing where it was revoked before."""
        with transaction.atomic():
            changed = type(self).objects.filter(pk=self.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
            if changed:
                owner = self.user.get_username()
                AuditEntry.write(by=by, action="revoke token", subject=self.label, old=owner if owner != by else "")

    @staticmethod
    def lives() -> models.Q:
        """Neither revoked nor expired."""
        return models.Q(revoked_at__isnull=True, expires_at__gt=timezone.now())

    @property
    def state(self) -> str:
        """``live``, ``expired``, ``revoked``, or ``password``: ended by a new password."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at <= timezone.now():
            return "expired"
        return "live" if self.password_mark == self.user.get_session_auth_hash() else "password"


class LoginRules(OneRow):
    """What logins take; a single row, and none as long as nobody has changed anything."""

    administrators_need_second_factor = models.BooleanField(
        _("administrators need a second factor"),
        default=False,
        help_text=_(
            "Whoever may administer sets up an authenticator app or a passkey at the next page, and can do nothing "
            "else before. Tokens of the API go on working."
        ),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("rules for logins"), _("rules for logins")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="login_rules_one_row")]

    def __str__(self) -> str:
        return str(_("rules for logins"))


class WorkerNote(models.Model):
    """What people say of a worker: a name of their own, groups, a note; and since when it is hidden."""

    worker = models.CharField(_("worker"), max_length=128, unique=True)
    name = models.CharField(
        _("name"), max_length=60, blank=True, help_text=_("What you call it, for example: garage, left.")
    )
    groups = models.CharField(
        _("groups"), max_length=120, blank=True, help_text=_("Words with commas between them: garage, test.")
    )
    text = models.CharField(_("note"), max_length=500, blank=True)
    forgotten_at = models.DateTimeField(
        _("forgotten"), null=True, blank=True, help_text=_("It is off the lists until it is seen again.")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("note on a worker"), _("notes on workers")
        ordering = ["worker"]

    def __str__(self) -> str:
        return self.name or self.worker

    @property
    def group_list(self) -> list[str]:
        """The groups, each once, in the order in which they were given."""
        return list(dict.fromkeys(word for each in self.groups.split(",") if (word := each.strip())))

    @property
    def hidden_at(self) -> float | None:
        """When it was hidden (unix seconds)."""
        return self.forgotten_at.timestamp() if self.forgotten_at else None

    @classmethod
    def by_worker(cls) -> dict[str, "WorkerNote"]:
        """Worker -> what is said of it."""
        return {note.worker: note for note in cls.objects.all()}


class ClosedBlocks(models.Model):
    """Up to which block found a person has closed the message."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="closed_blocks")
    last = models.BigIntegerField(_("last block"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("closed message about blocks"), _("closed messages about blocks")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}: {self.last}"


class CountedTry(models.Model):
    """Used codes and counted tries of logins, one truth for all processes: the table of Django's database cache."""

    cache_key = models.CharField(primary_key=True, max_length=255)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "dpmp_counted_tries"
        default_permissions = ()

    def __str__(self) -> str:
        return self.cache_key
